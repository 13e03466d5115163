"""Turns sculpted jaw shapes into a jaw joint: fits angle and weights, keeps the rest in the expression columns.

FLAME opens the mouth by `jaw_pose`; the sculpted shapes are straight displacements. What a rotation cannot express
stays in the unit's column, so a unit at 1 gives exactly the sculpted shape.
"""

import numpy as np

from captalk_ros.head.rotation import rotation_between, rotation_matrix

_REACH_M = 2e-3  # below this arm the weight of a vertex cannot be told from its displacement
_CLOSE_AT = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)


def fit_rotation(points: np.ndarray, displacement: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """The axis-angle [3] (rad) about `joint` that best turns rigid `points` [N, 3] by `displacement` [N, 3]."""
    return rotation_between(points - joint, points + displacement - joint)


def fit_weights(points: np.ndarray, displacement: np.ndarray, joint: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Skinning weights [N] in [0, 1] with which `pose` (axis-angle [3]) best reproduces `displacement` [N, 3]."""
    turn = (points - joint) @ (rotation_matrix(pose) - np.eye(3)).T
    weights = (turn * displacement).sum(axis=1) / ((turn**2).sum(axis=1) + _REACH_M**2)
    return np.clip(weights, 0.0, 1.0)


def _skinning(weights: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Linear part [N, 3, 3] of skinning by one joint with `weights` [N]."""
    return np.eye(3) + weights[:, None, None] * (rotation_matrix(pose) - np.eye(3))


def _turned(points: np.ndarray, joint: np.ndarray, weights: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Displacement [N, 3] that skinning alone gives to `points`."""
    return weights[:, None] * ((points - joint) @ (rotation_matrix(pose) - np.eye(3)).T)


def residual(
    points: np.ndarray, displacement: np.ndarray, joint: np.ndarray, weights: np.ndarray, pose: np.ndarray
) -> np.ndarray:
    """The offset [N, 3] before skinning that, with `pose`, moves `points` by exactly `displacement`."""
    rest = displacement - _turned(points, joint, weights, pose)
    return np.linalg.solve(_skinning(weights, pose), rest[:, :, None])[:, :, 0]


def closing_column(
    points: np.ndarray,
    opened: np.ndarray,
    closing: np.ndarray,
    open_column: np.ndarray,
    joint: np.ndarray,
    weights: np.ndarray,
    open_pose: np.ndarray,
) -> np.ndarray:
    """The column [N, 3] of mouthClose with which jawOpen = mouthClose = a keeps the lips together for all a.

    The goal for each a is the straight path a * (opened + closing) of the sculpted shapes, on which the lips stay
    together; a rotation bends away from it, so the column is its least-squares fit with small a weighing most.

    Args:
        points: [N, 3] neutral, m.
        opened: [N, 3] sculpted displacement of jawOpen at 1.
        closing: [N, 3] sculpted displacement of mouthClose at 1.
        open_column: [N, 3] the column of jawOpen (`residual`).
        joint: [3] the jaw joint.
        weights: [N] jaw weights.
        open_pose: [3] the jaw pose of jawOpen at 1.
    """
    normal, right = np.zeros((len(points), 3, 3)), np.zeros((len(points), 3))
    for a in _CLOSE_AT:
        skinning = _skinning(weights, a * open_pose)
        goal = a * (opened + closing) - _turned(points, joint, weights, a * open_pose)
        rest = goal - a * (skinning @ open_column[:, :, None])[:, :, 0]
        normal += skinning.transpose(0, 2, 1) @ skinning  # both sides divided by a**2 (one for each side of the fit)
        right += (skinning.transpose(0, 2, 1) @ rest[:, :, None])[:, :, 0] / a
    return np.linalg.solve(normal, right[:, :, None])[:, :, 0]
