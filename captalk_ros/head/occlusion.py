"""Ambient occlusion of a mesh: how much of the sky each vertex sees, baked once for soft shading."""

import numpy as np

_N_DIRECTIONS, _GRID, _BIAS_M = 160, 224, 2.5e-3
_BARYCENTRIC = np.array([[a, b, 6 - a - b] for a in range(7) for b in range(7 - a)]) / 6.0  # samples on a triangle


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [V, 3] float32, averaged over the faces by area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    area, corners = np.cross(b - a, c - a), faces.T.ravel()
    sums = [np.bincount(corners, np.tile(area[:, axis], 3), len(vertices)) for axis in range(3)]
    normals = np.stack(sums, axis=1).astype(np.float32)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _directions(n: int) -> np.ndarray:
    """n directions [n, 3] spread evenly over the sphere (Fibonacci lattice)."""
    turn = np.arange(n) * np.pi * (3 - np.sqrt(5))
    z = 1 - (2 * np.arange(n) + 1) / n
    r = np.sqrt(1 - z**2)
    return np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)


def sky_share(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Cosine-weighted share [V] in [0, 1] of the sky that each vertex sees past the mesh itself.

    For each of many directions the mesh is splatted into a depth grid; a vertex sees that way when nothing lies more
    than a small bias before it.

    Args:
        vertices: [V, 3] m.
        faces: [F, 3].
    """
    normals = vertex_normals(vertices, faces)
    samples = np.einsum("sk,fkx->sfx", _BARYCENTRIC, vertices[faces]).reshape(-1, 3)
    extent = np.linalg.norm(vertices - vertices.mean(axis=0), axis=1).max()
    seen, total = np.zeros(len(vertices)), np.zeros(len(vertices))
    for direction in _directions(_N_DIRECTIONS):
        side = np.cross(direction, [0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0])
        side /= np.linalg.norm(side)
        frame = np.stack([side, np.cross(direction, side), direction])

        def cells(points: np.ndarray, frame: np.ndarray = frame) -> tuple[np.ndarray, np.ndarray]:
            local = (points - vertices.mean(axis=0)) @ frame.T
            column, row = ((local[:, :2] / extent + 1) / 2 * (_GRID - 1)).round().astype(int).T
            return row * _GRID + column, local[:, 2]

        nearest = np.full(_GRID * _GRID, -np.inf)
        np.maximum.at(nearest, *cells(samples))
        cell, depth = cells(vertices)
        cosine = np.maximum(normals @ direction, 0.0)
        seen += cosine * (depth >= nearest[cell] - _BIAS_M)
        total += cosine
    return seen / np.maximum(total, 1e-9)
