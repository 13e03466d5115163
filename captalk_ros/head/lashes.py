"""Eyelashes as single hairs, cut from the flaps of geometry that stand for them on the base mesh."""

from collections import deque
from dataclasses import replace

import numpy as np

from captalk_ros.head.anny_source import RawHead
from captalk_ros.head.mesh import QuadMesh
from captalk_ros.motion import UNIT_INDEX

_HALF_WIDTH = 0.085  # of a hair at its root, in columns of the flap's grid
_N_HAIRS, _REACH = 46, 0.8  # on an upper lid; their length as a share of the flap's
_SLANT = 0.8  # how far a hair leans outwards on its way, in columns


def _distances(mesh: QuadMesh, start: int) -> dict[int, int]:
    """Number of edges from `start` to each vertex."""
    distance, queue = {start: 0}, deque([start])
    while queue:
        vertex = queue.popleft()
        for other in mesh.neighbours[vertex]:
            if other not in distance:
                distance[other] = distance[vertex] + 1
                queue.append(other)
    return distance


def flap_grid(quads: np.ndarray) -> np.ndarray:
    """The vertices of a rectangular patch of quads [Q, 4] as a grid [R, C], R <= C."""
    mesh = QuadMesh(quads)
    corners = [vertex for vertex, others in mesh.neighbours.items() if len(others) == 2]
    first = _distances(mesh, corners[0])
    by_distance = sorted(corners[1:], key=first.__getitem__)
    n_rows, n_columns = first[by_distance[0]] + 1, first[by_distance[1]] + 1
    second = _distances(mesh, by_distance[1])  # the other end of the long side
    grid = np.zeros((n_rows, n_columns), int)
    for vertex in mesh.neighbours:
        a, b = first[vertex], second[vertex]
        grid[(a + b - n_columns + 1) // 2, (a - b + n_columns - 1) // 2] = vertex
    return grid


def _hairs(grid: np.ndarray, n_hairs: int, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs [5 * n, 2] of flap vertices and the places [5 * n] between them of the hairs' vertices.

    Each hair has two vertices at the root, two halfway and one at the tip; `grid` has the lid's margin as row 0 and
    the nose's side as column 0; `reach` is the hairs' length as a share of the flap's.
    """
    n_rows, n_columns = grid.shape
    pairs, places = [], []
    for hair in range(n_hairs):
        root = (hair + 0.5) / n_hairs * (n_columns - 1)
        lean = _SLANT * (2 * hair / (n_hairs - 1) - 1)
        for share, side in ((0, -1), (0, 1), (0.5, -0.7), (0.5, 0.7), (1, 0)):
            row = round(share * reach * (n_rows - 1))
            column = np.clip(root + lean * share + side * _HALF_WIDTH, 0, n_columns - 1.001)
            pairs.append(grid[row, int(column) : int(column) + 2])
            places.append(column % 1)
    return np.array(pairs), np.array(places)


def _oriented(grid: np.ndarray, points: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """The grid with the lid's margin (the rim nearer to the eyeball) as row 0 and the nose's side as column 0."""
    rims = [np.linalg.norm(points[row] - eye, axis=1).mean() for row in (grid[0], grid[-1])]
    if rims[0] > rims[1]:
        grid = grid[::-1]
    return grid[:, ::-1] if abs(points[grid[0, 0], 0]) > abs(points[grid[0, -1], 0]) else grid


def grow_lashes(raw: RawHead) -> RawHead:
    """The raw head with hairs (long thin quads; the last corner of a tip is doubled) in place of the flaps."""
    pairs, places, quads, n = [], [], [], len(raw.vertices)
    for flap in raw.flaps:
        grid = flap_grid(flap)
        side = "L" if raw.vertices[grid, 0].mean() > 0 else "R"
        eye = raw.bones[f"eye.{side}"]
        upper = raw.units[UNIT_INDEX["eyeBlinkLeft" if side == "L" else "eyeBlinkRight"], grid[0, grid.shape[1] // 2]]
        if np.linalg.norm(upper) < 1e-3:
            continue  # the lower lid's are too fine to be seen; a painted line stands for them
        flap_pairs, flap_places = _hairs(_oriented(grid, raw.vertices, eye), _N_HAIRS, _REACH)
        start = n + sum(map(len, pairs)) + 5 * np.arange(_N_HAIRS)[:, None]
        quads += [start + np.array([0, 1, 3, 2]), start + np.array([2, 3, 4, 4])]
        pairs.append(flap_pairs)
        places.append(flap_places)
    pairs, place = np.concatenate(pairs), np.concatenate(places)[:, None]

    def grown(values: np.ndarray) -> np.ndarray:
        """Values [..., M, X] with rows for the hairs."""
        blend = (1 - place) * values[..., pairs[:, 0], :] + place * values[..., pairs[:, 1], :]
        return np.concatenate([values, blend], axis=-2)

    return replace(
        raw,
        vertices=grown(raw.vertices),
        units=grown(raw.units),
        identity=grown(raw.identity),
        head_weight=np.concatenate([raw.head_weight, np.ones(len(place))]),
        quads={**raw.quads, "lashes": np.concatenate(quads)},
    )
