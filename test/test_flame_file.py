"""A user's FLAME file: read without running what is in it, and driven by the 52 units."""

import os
import pickle
import sys
import types

import numpy as np
import pytest

from captalk_ros.head import HeadError, load_head, open_head
from captalk_ros.head.flame_file import N_EXPRESSION
from captalk_ros.motion import N_UNITS, UNIT_INDEX, unit_vector


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(scope="module")
def reference():
    return open_head()


@pytest.fixture(scope="module")
def flame_dict(reference):
    """Another person's head in FLAME's layout, larger and moved, with an expression basis of its own."""
    rng = np.random.default_rng(0)
    added = ("teeth", "gums", "tongue", "lashes")  # FLAME has none
    bare = np.concatenate([faces for name, faces in reference.regions.items() if name not in added])
    n = len(reference.template)
    person = np.array([-0.7, 0.5, 0.4, 0.3, 0.2, -0.4], np.float32)  # an older, heavier man
    template, joints = (
        reference.template + reference.shape_basis @ person,
        (reference.joints + reference.joint_shape_basis @ person),
    )
    modes, _, _ = np.linalg.svd(reference.expression_basis.reshape(n * 3, N_UNITS).astype(float), full_matrices=False)
    mixed = modes @ np.linalg.qr(rng.normal(size=(N_UNITS, N_UNITS)))[0] * 0.05
    expression = np.pad(mixed, ((0, 0), (0, N_EXPRESSION - N_UNITS))).reshape(n, 3, N_EXPRESSION)
    regressor = np.zeros((5, n))
    for joint, position in enumerate(joints):  # weights on some vertices that give exactly the joint
        near = np.argsort(np.linalg.norm(template - position, axis=1))[:60]
        system = np.vstack([template[near].T, np.ones(len(near))])
        regressor[joint, near] = np.linalg.lstsq(system, np.append(position, 1.0), rcond=None)[0]
    return {
        "v_template": 1.1 * template.astype(float) + [0.0, -0.02, 0.01],
        "f": reference.faces[bare].astype(np.uint32),
        "shapedirs": np.concatenate([reference.shape_basis.astype(float), expression], axis=2),
        "posedirs": np.zeros((n, 3, 36)),
        "J_regressor": regressor,
        "weights": reference.weights.astype(float),
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
    }


@pytest.fixture(scope="module")
def flame(flame_dict, tmp_path_factory):
    path = tmp_path_factory.mktemp("flame") / "model.npz"
    np.savez(path, **flame_dict)
    return path


def test_units_drive_the_users_head(flame, reference, cache):
    head = load_head(flame)
    assert head.n_expression == N_EXPRESSION
    assert list(cache.rglob("*.npz")), "the fit is kept"
    face = reference.vertex_sets["lips"], reference.vertex_sets["upper_face"]
    units = np.stack(
        [
            unit_vector(values)
            for values in (
                {"jawOpen": 0.4},
                {"mouthSmile": 0.8, "jawOpen": 0.1},
                {"browInnerUp": 1.0},
                {"mouthPucker": 1},
            )
        ]
    )
    moved = head.vertices(head.parameters(units)) - head.template
    wanted = 1.1 * (reference.vertices(reference.parameters(units)) - reference.template)
    for rows in face:
        miss = np.linalg.norm(moved[:, rows] - wanted[:, rows], axis=-1).mean(axis=-1)
        reach = np.linalg.norm(wanted[:, rows], axis=-1).mean(axis=-1)
        assert np.all(miss < 0.35 * reach + 4e-4), (miss, reach)


def test_users_head_opens_by_its_jaw_and_closes(flame):
    head = load_head(flame)
    assert 0.2 <= head.unit_jaw_pose[UNIT_INDEX["jawOpen"], 0] <= 0.5
    assert head.lip_gap_mm(head.parameters(np.zeros(N_UNITS))) == 0.0
    assert head.lip_gap_mm(head.parameters(unit_vector({"jawOpen": 0.4}))) > 8.0
    assert head.lip_gap_mm(head.parameters(unit_vector({"jawOpen": 0.2, "mouthClose": 0.2}))) < 1.5
    apertures = [head.eye_aperture_mm(head.parameters(unit_vector({"eyeBlink": blink}))) for blink in (0.0, 1.0)]
    assert np.all(apertures[1] < 0.3 * apertures[0])


def test_fit_is_read_back_from_the_cache(flame):
    first, second = load_head(flame), load_head(flame)
    np.testing.assert_array_equal(first.unit_expression, second.unit_expression)


def with_stand_ins(flame_dict: dict) -> bytes:
    """A pickle as the FLAME site hands out: chumpy arrays and a sparse matrix, protocol 2."""
    from captalk_ros.head.restricted_pickle import _SparseRows

    chumpy, sparse = types.ModuleType("chumpy.ch"), types.ModuleType("scipy.sparse.csc")

    class Ch:
        def __init__(self, x):
            self.x = x

    class csc_matrix:  # noqa: N801 - the name that the pickle carries
        def __init__(self, dense):
            columns = [np.flatnonzero(column) for column in dense.T]
            self._shape, self.indices = dense.shape, np.concatenate(columns)
            self.indptr = np.concatenate([[0], np.cumsum([len(rows) for rows in columns])])
            self.data = np.concatenate([dense[rows, c] for c, rows in enumerate(columns)])

    Ch.__module__, csc_matrix.__module__ = "chumpy.ch", "scipy.sparse.csc"
    Ch.__qualname__, csc_matrix.__qualname__ = "Ch", "csc_matrix"
    chumpy.Ch, sparse.csc_matrix = Ch, csc_matrix
    # The parents too: neither chumpy nor scipy needs to be installed.
    parents = {name: types.ModuleType(name) for name in ("scipy", "scipy.sparse")}
    stand_ins = {**parents, "chumpy": chumpy, "chumpy.ch": chumpy, "scipy.sparse.csc": sparse}
    kept = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        content = {**flame_dict, "J_regressor": csc_matrix(flame_dict["J_regressor"])}
        for name in ("v_template", "shapedirs"):
            content[name] = Ch(flame_dict[name])
        return pickle.dumps(content, protocol=2)
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
        assert _SparseRows


def test_pickle_with_chumpy_and_sparse_arrays_is_read(flame_dict, flame, tmp_path):
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(with_stand_ins(flame_dict))
    head, same = load_head(path), load_head(flame)
    np.testing.assert_allclose(head.joints, same.joints, atol=1e-6)
    np.testing.assert_allclose(head.unit_jaw_pose, same.unit_jaw_pose, atol=1e-5)


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, np.load, os.remove], ids=lambda function: function.__name__)
def test_pickle_that_would_run_something_is_refused_by_name(function, tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "evil.pkl"
    victim.write_text("here")
    argument = f"rm {victim}" if function is os.system else str(victim)
    path.write_bytes(pickle.dumps({"v_template": Evil(function, argument)}))
    with pytest.raises(HeadError, match=rf"evil\.pkl.*{function.__name__}"):
        load_head(path)
    assert victim.exists()


def test_what_is_no_flame_model_is_named(flame_dict, tmp_path):
    path = tmp_path / "bad.pkl"
    for content, said in (
        (b"\x80\x02garbage", "bad.pkl"),
        (b"", "bad.pkl"),
        (pickle.dumps([1, 2]), "list"),
        (pickle.dumps({"f": np.zeros((1, 3))}), "v_template"),
        (pickle.dumps({**flame_dict, "weights": np.zeros((3, 5))}, protocol=2), "weights"),
    ):
        path.write_bytes(content)
        with pytest.raises(HeadError, match=said):
            load_head(path)
