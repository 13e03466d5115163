"""The default motion space `units55`: 52 ARKit face units and a head rotation, one row a frame."""

import numpy as np

# Apple's ARFaceAnchor.BlendShapeLocation, in the order of its documentation.
UNIT_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft",
    "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight",
    "jawForward", "jawLeft", "jawRight", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip

MOTION_SPACE = "units55"
N_UNITS = len(UNIT_NAMES)
N_MOTION = N_UNITS + 3
UNITS = slice(0, N_UNITS)
HEAD_ROTATION = slice(N_UNITS, N_MOTION)  # axis-angle, rad: +x nods down, +y turns to its left, +z tilts to its right

UNIT_INDEX: dict[str, int] = {name: i for i, name in enumerate(UNIT_NAMES)}


def unit_indices(*names: str) -> list[int]:
    """Column indices of units; a name without its side stands for both sides.

    `unit_indices("jawOpen", "mouthSmile")` gives the columns of jawOpen, mouthSmileLeft and mouthSmileRight.

    Raises:
        KeyError: a name that is no ARKit unit.
    """
    indices = []
    for name in names:
        sides = [name] if name in UNIT_INDEX else [f"{name}Left", f"{name}Right"]
        if sides[0] not in UNIT_INDEX:
            raise KeyError(f"{name!r} is not an ARKit unit")
        indices += [UNIT_INDEX[side] for side in sides]
    return indices


def unit_vector(values: dict[str, float]) -> np.ndarray:
    """Unit values by name (sides as in `unit_indices`) as a vector [52] float32; absent units are 0."""
    vector = np.zeros(N_UNITS, np.float32)
    for name, value in values.items():
        vector[unit_indices(name)] = value
    return vector
