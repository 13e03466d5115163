"""Heads in FLAME's format, evaluated with numpy: face units in, FLAME parameters, vertices and lip gap out.

FLAME: Li et al., "Learning a model of facial shape and expression from 4D scans", SIGGRAPH Asia 2017. A head is a
template, linear shape and expression bases, and five joints (root, neck, jaw, left eye, right eye) with linear blend
skinning. Axes: x to the head's own left, y up, z forward; lengths in metres, rotations as axis-angle in radians.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from captalk_ros.errors import InputError
from captalk_ros.head.rotation import rotation_matrix
from captalk_ros.motion import N_UNITS, UNIT_NAMES, unit_indices
from captalk_ros.resources import resource_path

NECK, JAW, LEFT_EYE, RIGHT_EYE = 1, 2, 3, 4
N_JOINTS = 5
_CHUNK = 128  # frames evaluated at once: keeps intermediate arrays in the cache
_BLINKS = unit_indices("eyeBlink")


class HeadError(InputError):
    """A head file that cannot be used; the message says what was found and what was expected."""


@dataclass
class FlameParameters:
    """FLAME's parameters of one or more frames, float32; leading dimensions are free and equal in all but `shape`.

    Attributes:
        expression: [..., E] coefficients of the head's expression basis.
        jaw_pose: [..., 3] rad.
        neck_pose: [..., 3] rad.
        eye_pose: [..., 6] rad, left then right.
        eyelids: [..., 2] closure of the left and right lid, 0 open, 1 shut; for avatars that have lid coefficients
            (the open head's expression shuts its lids by itself).
        shape: [S] identity, or None for the template's own.
    """

    expression: np.ndarray
    jaw_pose: np.ndarray
    neck_pose: np.ndarray
    eye_pose: np.ndarray
    eyelids: np.ndarray
    shape: np.ndarray | None = None


@dataclass
class Head:
    """A FLAME-format head. Arrays are plain float32 numpy; `load_head` and `open_head` make one.

    Attributes:
        name: what `FlameFrame.head_model` says.
        template: [V, 3] m.
        faces: [F, 3] int32, outside counter-clockwise.
        expression_basis: [V, 3, E] m per coefficient.
        shape_basis: [V, 3, S] m per coefficient.
        joints: [5, 3] m, at neutral shape.
        joint_shape_basis: [5, 3, S] displacement of the joints by shape.
        weights: [V, 5] skinning weights, rows sum to 1.
        unit_expression: [52, E] expression of each ARKit unit at 1.
        unit_jaw_pose: [52, 3] jaw pose of each unit at 1, rad.
        unit_eye_pose: [52, 6] eye poses of each unit at 1, rad.
        landmarks: name -> vertex numbers; `lip_upper_inner`, `lip_lower_inner` (middle of the lips), `lip_corners`
            (left, right), `eyelid_upper`, `eyelid_lower` (middle of the margins, left eye's then right eye's) and more.
        vertex_sets: `lips` and `upper_face`, vertex numbers, for metrics on the mesh.
        regions: region name -> face numbers (skin, lips, mouth, teeth, tongue, sclera, iris, pupil, ...).
        posedirs: [V, 3, 36] pose correctives per element of R - I of joints 1 to 4, or None.
        occlusion: [V] share of the sky that the neutral surface sees, for shading, or None.
    """

    name: str
    template: np.ndarray
    faces: np.ndarray
    expression_basis: np.ndarray
    shape_basis: np.ndarray
    joints: np.ndarray
    joint_shape_basis: np.ndarray
    weights: np.ndarray
    unit_expression: np.ndarray
    unit_jaw_pose: np.ndarray
    unit_eye_pose: np.ndarray
    landmarks: dict[str, np.ndarray]
    vertex_sets: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]
    posedirs: np.ndarray | None = None
    occlusion: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Sort out which vertices each joint moves, once."""
        n = len(self.template)
        flat = self.expression_basis.reshape(n * 3, -1).T
        self._expression_rows = np.ascontiguousarray(flat, np.float32)  # [E, V * 3]
        self._moved = {joint: np.flatnonzero(self.weights[:, joint]) for joint in (JAW, LEFT_EYE, RIGHT_EYE)}
        self._held = np.flatnonzero(self.weights[:, 0])  # vertices that do not follow the neck wholly
        self._gap_head: Head | None = None
        self._neutral: dict[str, np.ndarray] = {}

    @property
    def n_expression(self) -> int:
        """Number of expression coefficients E."""
        return self.expression_basis.shape[-1]

    @property
    def n_shape(self) -> int:
        """Number of shape coefficients S."""
        return self.shape_basis.shape[-1]

    def parameters(self, units: np.ndarray, head_rotation: np.ndarray | None = None) -> FlameParameters:
        """FLAME parameters of face units.

        Args:
            units: [..., 52] in [0, 1], in the order of `UNIT_NAMES`.
            head_rotation: [..., 3] axis-angle, rad; None for an upright head.

        Raises:
            ValueError: wrong last dimension.
        """
        units = np.asarray(units, np.float32)
        if units.shape[-1:] != (N_UNITS,):
            raise ValueError(f"units have shape {units.shape}, expected [..., {N_UNITS}]")
        if head_rotation is None:
            head_rotation = np.zeros((*units.shape[:-1], 3))
        return FlameParameters(
            expression=units @ self.unit_expression,
            jaw_pose=units @ self.unit_jaw_pose,
            neck_pose=np.asarray(head_rotation, np.float32),
            eye_pose=units @ self.unit_eye_pose,
            eyelids=units[..., _BLINKS],
            shape=np.zeros(self.n_shape, np.float32),
        )

    def vertices(self, parameters: FlameParameters) -> np.ndarray:
        """Vertices [..., V, 3] float32, m."""
        leading = parameters.expression.shape[:-1]
        template, joints = self._identity(parameters.shape)
        flat = [np.asarray(getattr(parameters, name), np.float32).reshape(-1, size) for name, size in self._sizes()]
        out = np.empty((len(flat[0]), *self.template.shape), np.float32)
        for start in range(0, len(out), _CHUNK):
            rows = slice(start, start + _CHUNK)
            self._evaluate(template, joints, *(part[rows] for part in flat), out[rows])
        return out.reshape(*leading, *self.template.shape)

    def _sizes(self) -> tuple[tuple[str, int], ...]:
        return (("expression", self.n_expression), ("jaw_pose", 3), ("neck_pose", 3), ("eye_pose", 6))

    def _identity(self, shape: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Template [V, 3] and joints [5, 3] of an identity."""
        if shape is None or not np.any(shape):
            return self.template, self.joints
        shape = np.asarray(shape, np.float32)
        n = len(shape)
        return self.template + self.shape_basis[..., :n] @ shape, self.joints + self.joint_shape_basis[..., :n] @ shape

    def _evaluate(self, template, joints, expression, jaw_pose, neck_pose, eye_pose, out) -> None:
        """Fill `out` [B, V, 3]: blend shapes, then skinning along the chain of joints."""
        np.matmul(expression, self._expression_rows, out=out.reshape(len(out), -1))
        out += template
        poses = {JAW: jaw_pose, LEFT_EYE: eye_pose[:, :3], RIGHT_EYE: eye_pose[:, 3:]}
        if self.posedirs is not None:
            chain = np.stack([neck_pose, *poses.values()], axis=1)
            feature = (rotation_matrix(chain) - np.eye(3, dtype=np.float32)).reshape(len(out), 36)
            out += (feature @ self.posedirs.reshape(-1, 36).T).reshape(out.shape)
        for joint, pose in poses.items():  # their parent is the neck: turn first about the unturned joint
            rows = self._moved[joint]
            if len(rows) and np.any(pose):
                turn = rotation_matrix(pose) - np.eye(3, dtype=np.float32)
                turned = (out[:, rows] - joints[joint]) @ turn.swapaxes(-1, -2)
                out[:, rows] += self.weights[rows, joint, None] * turned
        if np.any(neck_pose):
            held, turn = out[:, self._held], rotation_matrix(neck_pose)
            np.matmul(out - joints[NECK], turn.swapaxes(-1, -2), out=out)
            out += joints[NECK]
            out[:, self._held] += self.weights[self._held, 0, None] * (held - out[:, self._held])

    def subset(self, vertices: np.ndarray) -> "Head":
        """The head with only these vertices [v] (and no faces): the same code, faster."""
        vertices = np.asarray(vertices)
        place = {int(vertex): row for row, vertex in enumerate(vertices)}

        def kept(sets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            inside = {name: members for name, members in sets.items() if set(members.tolist()) <= place.keys()}
            return {name: np.array([place[int(v)] for v in members], np.int32) for name, members in inside.items()}

        return replace(
            self,
            template=self.template[vertices],
            faces=np.zeros((0, 3), np.int32),
            expression_basis=self.expression_basis[vertices],
            shape_basis=self.shape_basis[vertices],
            weights=self.weights[vertices],
            landmarks=kept(self.landmarks),
            vertex_sets=kept(self.vertex_sets),
            regions={},
            posedirs=None if self.posedirs is None else self.posedirs[vertices],
            occlusion=None,
        )

    def lip_gap_mm(self, parameters: FlameParameters) -> np.ndarray:
        """Vertical opening between the inner lips at their middle [...], beyond that of the neutral closed mouth, >= 0.

        Lowest point of the upper lip's middle minus highest point of the lower lip's, in the head's own upright frame.
        """
        gap = self._distance(parameters, "lip_upper_inner", "lip_lower_inner", np.min, np.max, 1)[..., 0]
        return np.maximum(gap - self._at_rest("lips", parameters.shape), 0.0)

    def eye_aperture_mm(self, parameters: FlameParameters) -> np.ndarray:
        """Vertical opening between the lids' margins at their middle [..., 2] (left, right), >= 0."""
        aperture = self._distance(parameters, "eyelid_upper", "eyelid_lower", np.mean, np.mean, 2)
        return np.maximum(aperture, 0.0)

    def _distance(self, parameters: FlameParameters, upper: str, lower: str, above, below, n: int) -> np.ndarray:
        """Height of the `upper` landmarks over the `lower` ones [..., n], mm; n groups of equal size."""
        if self._gap_head is None:
            names = ("lip_upper_inner", "lip_lower_inner", "eyelid_upper", "eyelid_lower")
            self._gap_head = self.subset(np.unique(np.concatenate([self.landmarks[name] for name in names])))
        small = self._gap_head
        upright = replace(parameters, neck_pose=np.zeros_like(parameters.neck_pose))
        y = small.vertices(upright)[..., 1]  # [..., v]
        ends = []
        for name, reduce in ((upper, above), (lower, below)):
            marks = small.landmarks[name].reshape(n, -1)
            ends.append(reduce(y[..., marks], axis=-1))
        return 1000.0 * (ends[0] - ends[1])

    def _at_rest(self, what: str, shape: np.ndarray | None) -> np.float32:
        """The neutral face's gap (mm) for an identity."""
        key = what + ("" if shape is None else np.asarray(shape, np.float32).tobytes().hex())
        if key not in self._neutral:
            rest = self.parameters(np.zeros(N_UNITS))
            rest.shape = shape
            gap = self._distance(rest, "lip_upper_inner", "lip_lower_inner", np.min, np.max, 1)
            self._neutral[key] = gap[..., 0]
        return self._neutral[key]


def _sets(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Entries whose name starts with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz, never unpickling.

    Raises:
        HeadError: no such file, or not an .npz of plain arrays.
    """
    import zipfile
    import zlib

    if not Path(path).is_file():
        raise HeadError("no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise HeadError(f"not an .npz of plain arrays ({error})") from error


def head_from_arrays(arrays: dict[str, np.ndarray]) -> Head:
    """A head from the arrays of a baked .npz.

    Raises:
        HeadError: arrays are missing or their shapes disagree.
    """
    plain = {field.name for field in fields(Head)} & arrays.keys() - {"name", "faces"}
    needed = {"name", "template", "faces", "face_region", "region_names", "expression_basis", "shape_basis", "joints"}
    needed |= {"joint_shape_basis", "weights", "unit_names", "unit_jaw_pose", "unit_eye_pose"}
    needed |= {"lip_vertices", "upper_face_vertices"}
    if missing := sorted(needed - arrays.keys()):
        raise HeadError(f"not a baked head: it lacks {', '.join(missing)}")
    n_vertices = len(arrays["template"])
    for name in ("expression_basis", "shape_basis", "weights"):
        if len(arrays[name]) != n_vertices:
            raise HeadError(f"{name} has {len(arrays[name])} rows, expected {n_vertices} as in template")
    if tuple(arrays["unit_names"]) != UNIT_NAMES:
        raise HeadError(f"its units are not the {N_UNITS} ARKit units in their standard order")
    regions = {str(name): np.flatnonzero(arrays["face_region"] == i) for i, name in enumerate(arrays["region_names"])}
    return Head(
        name=str(arrays["name"]),
        faces=arrays["faces"].astype(np.int32),
        unit_expression=np.eye(N_UNITS, dtype=np.float32),
        landmarks=_sets(arrays, "landmark_"),
        vertex_sets={"lips": arrays["lip_vertices"], "upper_face": arrays["upper_face_vertices"]},
        regions=regions,
        **{name: arrays[name].astype(np.float32) for name in plain},
    )


def load_baked(path: str | Path) -> Head:
    """Load a head that `captalk head bake` wrote.

    Raises:
        HeadError: no such file, damaged, or not a baked head.
    """
    try:
        return head_from_arrays(read_arrays(path))
    except HeadError as error:
        raise HeadError(f"{path}: {error}") from error


def open_head(path: str | Path | None = None) -> Head:
    """The open head that comes with the package, or a baked one at `path`.

    Raises:
        FileNotFoundError: the package was installed without its weights.
        HeadError: `path` does not exist or is damaged.
    """
    return load_baked(path or resource_path("weights", "open_head.npz"))
