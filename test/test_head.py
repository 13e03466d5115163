"""The open head: it opens by its jaw, closes with mouthClose, blinks shut, and evaluates alike in any batching."""

import numpy as np
import pytest

from captalk_ros.head import HeadError, load_baked, load_head, open_head
from captalk_ros.head.flame import JAW, NECK
from captalk_ros.motion import N_UNITS, UNIT_INDEX, UNIT_NAMES, unit_vector


@pytest.fixture(scope="module")
def head():
    return open_head()


def gap_mm(head, **units: float) -> float:
    return float(head.lip_gap_mm(head.parameters(unit_vector(units))))


def test_mouth_is_closed_at_rest(head):
    assert gap_mm(head) == 0.0


def test_jaw_joint_opens_the_mouth(head):
    parameters = head.parameters(unit_vector({"jawOpen": 1.0}))
    assert 0.25 <= parameters.jaw_pose[0] <= 0.5
    assert gap_mm(head, jawOpen=1.0) >= 15.0
    parameters.expression = np.zeros_like(parameters.expression)
    assert head.lip_gap_mm(parameters) > 0.7 * gap_mm(head, jawOpen=1.0), "the joint opens the mouth, as in FLAME"
    gaps = [gap_mm(head, jawOpen=a) for a in np.linspace(0, 1, 21)]
    assert np.all(np.diff(gaps) > 0)


@pytest.mark.parametrize("amount", [0.05, 0.1, 0.2, 0.3, 0.4])
def test_mouth_close_closes_what_the_jaw_opened(head, amount):
    units = unit_vector({"jawOpen": amount, "mouthClose": amount})
    assert head.lip_gap_mm(head.parameters(units)) <= 0.5
    vertices = head.vertices(head.parameters(units))
    upper, lower = (vertices[head.landmarks[name], 1] for name in ("lip_upper_inner", "lip_lower_inner"))
    assert 1000 * (lower.max() - upper.min()) < 0.5, "lips must not pass through each other"


def test_lower_teeth_follow_the_jaw_rigidly(head):
    teeth = np.unique(head.faces[head.regions["teeth"]])
    lower = teeth[head.weights[teeth, JAW] == 1.0]
    moved = head.vertices(head.parameters(unit_vector({"jawOpen": 0.5})))[lower]
    rest = head.template[lower]
    spans = [np.linalg.norm(points[1:] - points[:-1], axis=1) for points in (moved, rest)]
    assert np.linalg.norm(moved - rest, axis=1).min() > 0.005
    np.testing.assert_allclose(*spans, atol=2e-4)


def test_blink_shuts_each_eye_alone(head):
    rest = head.eye_aperture_mm(head.parameters(np.zeros(N_UNITS)))
    assert np.all(rest > 6)
    left = head.eye_aperture_mm(head.parameters(unit_vector({"eyeBlinkLeft": 1.0})))
    assert left[0] < 0.3
    assert abs(left[1] - rest[1]) < 0.1


def test_lids_stay_outside_the_eyeball_while_they_close(head):
    skin = head.landmarks["lid_loop_left"]
    centre = head.joints[3]
    radius = np.linalg.norm(head.template[head.weights[:, 3] == 1.0] - centre, axis=1).max()
    for amount in np.linspace(0, 1, 6):
        lids = head.vertices(head.parameters(unit_vector({"eyeBlinkLeft": amount})))[skin]
        assert np.linalg.norm(lids - centre, axis=1).min() > radius - 2e-4


def test_eyes_turn_about_their_centres(head):
    ball = head.weights[:, 3] == 1.0
    pupil = np.intersect1d(np.unique(head.faces[head.regions["pupil"]]), np.flatnonzero(ball))
    for unit, axis, sign in (("eyeLookUpLeft", 1, 1), ("eyeLookDownLeft", 1, -1), ("eyeLookOutLeft", 0, 1)):
        vertices = head.vertices(head.parameters(unit_vector({unit: 1.0})))
        np.testing.assert_allclose(
            np.linalg.norm(vertices[ball] - head.joints[3], axis=1),
            np.linalg.norm(head.template[ball] - head.joints[3], axis=1),
            atol=1e-5,
        )
        shift = (vertices[pupil] - head.template[pupil]).mean(axis=0)
        assert sign * shift[axis] > 0.001, unit


def test_head_rotation_nods_down_turns_left_and_tilts_right(head):
    chin, top = head.template[:, 1].argmin(), head.template[:, 1].argmax()
    nose = head.template[:, 2].argmax()
    turned = [head.vertices(head.parameters(np.zeros(N_UNITS), 0.3 * np.eye(3)[axis])) for axis in range(3)]
    assert turned[0][nose, 1] < head.template[nose, 1]
    assert turned[1][nose, 0] > head.template[nose, 0]
    assert turned[2][top, 0] < head.template[top, 0]
    assert np.linalg.norm(turned[0][chin] - head.template[chin]) < 0.015, "the neck's rim hardly moves"


def test_lip_gap_ignores_the_heads_rotation(head):
    units = unit_vector({"jawOpen": 0.3})
    rotated = head.lip_gap_mm(head.parameters(units, np.array([0.3, -0.4, 0.2])))
    assert abs(rotated - gap_mm(head, jawOpen=0.3)) < 1e-3


def test_batch_equals_single_frames(head):
    rng = np.random.default_rng(0)
    units, turns = rng.random((2, 70, N_UNITS), np.float32), rng.normal(0, 0.2, (2, 70, 3)).astype(np.float32)
    parameters = head.parameters(units, turns)
    together = head.vertices(parameters)
    assert together.shape == (2, 70, len(head.template), 3)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    for i, j in ((0, 0), (1, 69)):
        single = head.vertices(head.parameters(units[i, j], turns[i, j]))
        np.testing.assert_allclose(together[i, j], single, atol=2e-6)
    np.testing.assert_allclose(
        head.lip_gap_mm(parameters)[1, 3], head.lip_gap_mm(head.parameters(units[1, 3])), atol=1e-3
    )


def test_subset_is_the_same_surface(head):
    rows = head.vertex_sets["lips"]
    parameters = head.parameters(unit_vector({"jawOpen": 0.4, "mouthSmile": 0.7}), np.array([0.1, 0.2, 0.0]))
    np.testing.assert_allclose(head.subset(rows).vertices(parameters), head.vertices(parameters)[rows], atol=2e-6)


def test_identity_changes_the_face_and_keeps_it_closed(head):
    parameters = head.parameters(np.zeros(N_UNITS))
    parameters.shape = np.eye(head.n_shape, dtype=np.float32)[0] * 0.8
    assert np.abs(head.vertices(parameters) - head.template).max() > 0.002
    assert head.lip_gap_mm(parameters) == 0.0


def test_every_unit_moves_something(head):
    frames = head.vertices(head.parameters(np.eye(N_UNITS, dtype=np.float32)))
    reach_mm = 1000 * np.linalg.norm(frames - head.template, axis=-1).max(axis=-1)
    weak = [name for name, reach in zip(UNIT_NAMES, reach_mm, strict=True) if reach < 1.0]
    assert not weak


def test_left_units_move_the_heads_own_left(head):
    for name in ("mouthSmileLeft", "browDownLeft", "cheekSquintLeft"):
        reach = np.abs(head.expression_basis[:, :, UNIT_INDEX[name]]).sum(axis=1)
        assert (reach * head.template[:, 0]).sum() > 0, name


def test_weights_sum_to_one_and_the_face_follows_the_neck(head):
    np.testing.assert_allclose(head.weights.sum(axis=1), 1.0, atol=1e-5)
    face = head.vertex_sets["upper_face"]
    assert np.all(head.weights[face, NECK] + head.weights[face, JAW] > 0.99)


def test_bad_units_and_files_are_named(head, tmp_path):
    with pytest.raises(ValueError, match=r"\(51,\)"):
        head.parameters(np.zeros(51))
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 not really")
    for path in (broken, tmp_path / "missing.npz"):
        with pytest.raises(HeadError, match=path.name):
            load_baked(path)
    np.savez(tmp_path / "other.npz", template=np.zeros((3, 3)))
    with pytest.raises(HeadError, match="lacks"):
        load_head(tmp_path / "other.npz")
