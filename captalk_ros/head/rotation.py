"""Axis-angle rotations, batched."""

import numpy as np


def rotation_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """Rodrigues' formula.

    Args:
        axis_angle: [..., 3] rad.

    Returns:
        [..., 3, 3] of the same dtype.
    """
    axis_angle = np.asarray(axis_angle)
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(axis_angle, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    tiny = angle < 1e-4
    safe = np.where(tiny, 1, angle)
    first = np.where(tiny, 1 - angle**2 / 6, np.sin(safe) / safe)
    second = np.where(tiny, 0.5 - angle**2 / 24, (1 - np.cos(safe)) / safe**2)
    return np.eye(3, dtype=cross.dtype) + first * cross + second * (cross @ cross)


def rotation_between(points: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The axis-angle [3] (rad) about the origin that best turns `points` [N, 3] into `moved` [N, 3] (Kabsch)."""
    u, _, vt = np.linalg.svd(points.T @ moved)
    sign = np.sign(np.linalg.det(u @ vt))
    matrix = (u * np.array([1, 1, sign]) @ vt).T
    skew = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]) / 2
    sine = np.linalg.norm(skew)
    if sine < 1e-9:
        return np.zeros(3)
    return skew / sine * np.arctan2(sine, (np.trace(matrix) - 1) / 2)
