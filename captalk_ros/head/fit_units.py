"""Fits the 52 units onto another FLAME-format head's expression basis and jaw.

The two heads differ in topology, so their neutral faces are laid over each other first: by the eyes' centres, the lips'
seam and the tip of the nose, then by pulling the surfaces together smoothly. Each unit's displacement then carries over
point by point, and a ridge regression finds the expression (and, for the jaw's units, the rotation) nearest to it.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from captalk_ros.head import jaw
from captalk_ros.head.flame import JAW, LEFT_EYE, N_JOINTS, RIGHT_EYE, Head, HeadError, read_arrays
from captalk_ros.head.occlusion import vertex_normals
from captalk_ros.head.rotation import rotation_matrix
from captalk_ros.motion import UNIT_INDEX, UNIT_NAMES

_SEAM_M, _SEAM_FLATTENED = 2.5e-3, 0.25  # lips count as touching within this distance, depths so much reduced
_SEAM_DEPTH = 0.16  # of the eyes' distance: how far behind the lips' front their seam may lie
_FACE_REACH_M = 0.006  # a vertex farther than this from the laid-over face takes no part
_MOVES_M = 2e-4
_PULLS_M = (0.02, 0.014, 0.01, 0.007)  # smoothness of each pull of the surfaces
_LIP_WEIGHT, _RIDGE = 6.0, 1e-4
_N_NEAREST = 4


@dataclass
class UnitFit:
    """The units on another head.

    Attributes:
        unit_expression: [52, E].
        unit_jaw_pose: [52, 3] rad.
        landmarks: as in `Head`.
        lips, upper_face, mouth: vertex numbers; mouth is what lies behind the lips.
        error_mm: [52] mean distance on the face between each unit at 1 and its goal.
    """

    unit_expression: np.ndarray
    unit_jaw_pose: np.ndarray
    lips: np.ndarray
    upper_face: np.ndarray
    mouth: np.ndarray
    error_mm: np.ndarray
    landmarks: dict[str, np.ndarray] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the fit as .npz."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "landmarks"}
        np.savez_compressed(path, **arrays, **{f"landmark_{name}": rows for name, rows in self.landmarks.items()})

    @classmethod
    def load(cls, path: Path) -> "UnitFit":
        """Read what `save` wrote; KeyError or HeadError where it is damaged."""
        arrays = read_arrays(path)
        landmarks = {name.removeprefix("landmark_"): a for name, a in arrays.items() if name.startswith("landmark_")}
        plain = {entry.name: arrays[entry.name] for entry in fields(cls) if entry.name != "landmarks"}
        return cls(**plain, landmarks=landmarks)


@dataclass
class _Seam:
    """Where the lips meet: rows of the upper and lower lip, from the head's right to its left."""

    upper: np.ndarray
    lower: np.ndarray


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[A, B] distances between points."""
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(square, 0))


def _outside(head: Head) -> np.ndarray:
    """Mask [V] of the skin as seen from outside: no eyeballs, and nothing far behind the face."""
    solid = np.zeros(len(head.template), bool)
    names = [name for name in ("skin", "lips") if name in head.regions]
    solid[np.unique(head.faces[np.concatenate([head.regions[name] for name in names])])] = True
    eyes = head.weights[:, [LEFT_EYE, RIGHT_EYE]].max(axis=1) > 0.01
    return solid & ~eyes & (head.template[:, 2] > head.joints[JAW, 2])


def _seam(head: Head) -> _Seam:
    """Find the lips: near the middle, in front, where vertices of the jaw touch vertices of the skull."""
    eyes = head.joints[[LEFT_EYE, RIGHT_EYE]]
    span = abs(eyes[0, 0] - eyes[1, 0])
    points, low = head.template, eyes[:, 1].mean() - 2.2 * span
    near = _outside(head) & (abs(points[:, 0]) < 0.6 * span) & (points[:, 1] > low)
    near &= points[:, 1] < eyes[:, 1].mean() - 0.5 * span
    front = np.flatnonzero(near)
    apart = abs(points[front, None] - points[front])  # [n, n, 3]
    beside = (apart[..., 0] < 0.05 * span) & (apart[..., 1] < 0.2 * span)  # the nose is higher up
    depth = np.where(beside, points[front, 2], -np.inf).max(axis=1) - points[front, 2]
    near[front[depth > _SEAM_DEPTH * span]] = False  # teeth and the inside of the mouth
    share = head.weights[:, JAW] / np.maximum(head.weights[:, 1:3].sum(axis=1), 1e-6)
    upper, lower = np.flatnonzero(near & (share < 0.35)), np.flatnonzero(near & (share > 0.65))
    if not len(upper) or not len(lower):
        raise HeadError("its jaw joint moves no lower lip apart from an upper one")
    flat = points * [1, 1, _SEAM_FLATTENED]  # an upper lip may overhang
    touching = _distances(flat[upper], flat[lower]) < _SEAM_M * span / 0.06
    upper, lower = upper[touching.any(axis=1)], lower[touching.any(axis=0)]
    if len(upper) < 3 or len(lower) < 3:
        raise HeadError("its lips do not meet at rest")
    return _Seam(upper[points[upper, 0].argsort()], lower[points[lower, 0].argsort()])


def _anchors(head: Head, seam: _Seam) -> np.ndarray:
    """Points [A, 3] that mean the same on every head: eyes, lips' middle and corners, tip of the nose."""
    points, both = head.template, np.concatenate([seam.upper, seam.lower])
    lips = points[both]
    middle = np.array([points[rows[abs(points[rows, 0]).argmin()]] for rows in (seam.upper, seam.lower)]).mean(axis=0)
    span = abs(head.joints[LEFT_EYE, 0] - head.joints[RIGHT_EYE, 0])
    above = _outside(head) & (points[:, 1] > middle[1]) & (points[:, 1] < head.joints[LEFT_EYE, 1])
    nose = np.flatnonzero(above & (abs(points[:, 0]) < 0.15 * span))
    tip = points[nose[points[nose, 2].argmax()]]
    corners = lips[[lips[:, 0].argmin(), lips[:, 0].argmax()]]
    return np.concatenate([head.joints[[LEFT_EYE, RIGHT_EYE]], middle[None], corners, tip[None]])


def _lay_over(source: np.ndarray, anchors: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Points [N, 3] scaled and bent smoothly so that `anchors` [A, 3] come to `goals` [A, 3]."""
    scale = np.linalg.norm(goals[0] - goals[1]) / np.linalg.norm(anchors[0] - anchors[1])
    shift = goals[:2].mean(axis=0) - scale * anchors[:2].mean(axis=0)
    kernel = _distances(anchors, anchors)
    bend = np.linalg.solve(kernel - 1e-4 * np.eye(len(anchors)), goals - (scale * anchors + shift))
    return scale * source + shift + _distances(source, anchors) @ bend


@dataclass
class _Match:
    """For rows of the goal head: `near` [N, K] rows of the reference and their shares [N, K]."""

    rows: np.ndarray
    near: np.ndarray
    share: np.ndarray

    def carry(self, values: np.ndarray) -> np.ndarray:
        """Values [..., V, 3] of the reference at the matched rows [..., N, 3]."""
        return (values[..., self.near, :] * self.share[..., None]).sum(axis=-2)


def _match(head: Head, reference: Head, laid: np.ndarray, skin: np.ndarray) -> _Match:
    """Match the head's face to the laid-over reference skin (`laid` [n, 3] of rows `skin`), jaw to jaw."""
    rows = np.flatnonzero(_outside(head))
    normals = vertex_normals(head.template, head.faces)[rows]
    laid_normals = vertex_normals(reference.template, reference.faces)[skin]
    laid = laid.copy()
    sides = [
        (h.weights[r, JAW] / np.maximum(h.weights[r, 1:3].sum(axis=1), 1e-6))
        for h, r in ((head, rows), (reference, skin))
    ]
    apart = abs(sides[0][:, None] - sides[1]) > 0.6  # never match an upper to a lower lip
    apart |= normals @ laid_normals.T < 0.2
    barrier = np.where(apart, 1.0, 0.0)
    for smooth in _PULLS_M:
        distance = _distances(head.template[rows], laid) + barrier
        pull = head.template[rows[distance.argmin(axis=0)]] - laid
        believed = (distance.min(axis=0) < 2 * smooth).astype(float)
        blur = np.exp(-((_distances(laid, laid) / smooth) ** 2)) * believed
        laid += blur @ pull / np.maximum(blur.sum(axis=1, keepdims=True), 1e-3)
    distance = _distances(head.template[rows], laid) + barrier
    near = np.argpartition(distance, _N_NEAREST, axis=1)[:, :_N_NEAREST]
    reach = np.take_along_axis(distance, near, axis=1)
    share = 1 / (reach + 2e-4) ** 2
    keep = reach.min(axis=1) < _FACE_REACH_M
    return _Match(rows[keep], skin[near[keep]], (share / share.sum(axis=1, keepdims=True))[keep])


def _goals(head: Head, reference: Head, match: _Match, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Offsets before skinning [52, N, 3] for the matched rows, and jaw poses [52, 3]."""
    frames = reference.vertices(reference.parameters(np.eye(len(UNIT_NAMES), dtype=np.float32)))
    sculpted = scale * match.carry(frames.astype(float) - reference.template)
    points, weights = head.template[match.rows].astype(float), head.weights[match.rows, JAW].astype(float)
    joint, poses, goals = head.joints[JAW].astype(float), np.zeros((len(UNIT_NAMES), 3)), sculpted.copy()
    rigid = weights > 0.9
    for name, axis in (("jawOpen", 0), ("jawLeft", 1), ("jawRight", 1)):
        i = UNIT_INDEX[name]
        poses[i, axis] = jaw.fit_rotation(points[rigid], sculpted[i, rigid], joint)[axis]
        goals[i] = jaw.residual(points, sculpted[i], joint, weights, poses[i])
        if head.posedirs is not None:
            turns = np.zeros((N_JOINTS - 1, 3, 3))
            turns[JAW - 1] = rotation_matrix(poses[i]) - np.eye(3)
            goals[i] -= head.posedirs[match.rows] @ turns.ravel()
    opening, closing = UNIT_INDEX["jawOpen"], UNIT_INDEX["mouthClose"]
    goals[closing] = jaw.closing_column(
        points, sculpted[opening], sculpted[closing], goals[opening], joint, weights, poses[opening]
    )
    return goals, poses


def fit_units(head: Head, reference: Head) -> UnitFit:
    """Fit the units of `reference` (the open head) onto `head`'s expression basis and jaw.

    Raises:
        HeadError: the head has no lips that its jaw joint parts.
    """
    seam, reference_seam = _seam(head), _seam(reference)
    anchors, goals_at = _anchors(reference, reference_seam), _anchors(head, seam)
    scale = float(np.linalg.norm(goals_at[0] - goals_at[1]) / np.linalg.norm(anchors[0] - anchors[1]))
    skin = np.flatnonzero(_outside(reference))
    laid = _lay_over(reference.template[skin].astype(float), anchors, goals_at)
    match = _match(head, reference, laid, skin)
    goals, poses = _goals(head, reference, match, scale)
    importance = np.ones(len(match.rows))
    lips = np.flatnonzero(np.isin(match.near[:, 0], reference.vertex_sets["lips"]))
    importance[lips] = _LIP_WEIGHT
    basis = head.expression_basis[match.rows].reshape(len(match.rows) * 3, -1).astype(float)
    weighted = basis * np.repeat(importance, 3)[:, None]
    normal = basis.T @ weighted
    ridge = _RIDGE * np.trace(normal) / len(normal)
    expression = np.linalg.solve(normal + ridge * np.eye(len(normal)), weighted.T @ goals.reshape(len(goals), -1).T).T
    miss = (expression @ basis.T).reshape(goals.shape) - goals
    upper_face = np.isin(match.near[:, 0], reference.vertex_sets["upper_face"])
    return UnitFit(
        unit_expression=expression.astype(np.float32),
        unit_jaw_pose=poses.astype(np.float32),
        lips=match.rows[lips].astype(np.int32),
        upper_face=match.rows[upper_face].astype(np.int32),
        mouth=_mouth(head, seam, match),
        error_mm=1000 * np.linalg.norm(miss, axis=-1).mean(axis=-1),
        landmarks=_landmarks(head, reference, seam, match),
    )


def _mouth(head: Head, seam: _Seam, match: _Match) -> np.ndarray:
    """Vertices behind the lips and cheeks, not on the face that was matched."""
    lips, points = head.template[np.concatenate([seam.upper, seam.lower])], head.template
    middle, reach = lips.mean(axis=0), np.ptp(lips[:, 0])
    hidden = (abs(points[:, :2] - middle[:2]) < 0.8 * reach).all(axis=1) & (points[:, 2] > middle[2] - 3 * reach)
    box = np.flatnonzero(hidden)
    beside = (abs(points[box, None, :2] - points[box, :2]) < 0.1 * reach).all(axis=-1)
    depth = np.where(beside, points[box, 2], -np.inf).max(axis=1) - points[box, 2]
    hidden[box[depth < 0.2 * reach]] = False
    hidden[match.rows] = False
    return np.flatnonzero(hidden).astype(np.int32)


def _landmarks(head: Head, reference: Head, seam: _Seam, match: _Match) -> dict[str, np.ndarray]:
    """The reference's landmarks on the head; the lips' own from their seam."""
    found = {}
    same = ("eyelid_upper", "eyelid_lower", "lip_upper_outer", "lip_lower_outer")
    for name in (*same, "lip_rim_loop", "lid_loop_left", "lid_loop_right"):
        shares = [np.where(match.near == row, match.share, 0).sum(axis=1) for row in reference.landmarks[name]]
        found[name] = np.array([match.rows[share.argmax()] for share in shares], np.int32)
    for name, rows in (("lip_upper_inner", seam.upper), ("lip_lower_inner", seam.lower)):
        found[name] = rows[abs(head.template[rows, 0]).argsort()][:3].astype(np.int32)
    both = np.concatenate([seam.upper, seam.lower])
    x = head.template[both, 0]
    found["lip_corners"] = both[[x.argmax(), x.argmin()]].astype(np.int32)
    return found
