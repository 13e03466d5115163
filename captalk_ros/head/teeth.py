"""Two rows of teeth with gums, as one smooth sheet each around a dental arch."""

from dataclasses import dataclass

import numpy as np

# Widths from the middle to one side, mm (front teeth to first molar).
_UPPER_WIDTHS_MM, _LOWER_WIDTHS_MM = (8.4, 6.6, 7.6, 7.0, 6.8, 9.8), (5.4, 6.0, 6.9, 7.0, 7.1, 10.5)
_COLUMNS_PER_TOOTH = 6
_BULGE_MM = 1.1  # of a tooth's middle over its sides
_CROWN_MM = 8.6
# Rows from the biting edge into the gum: share of the crown's height, how far the sheet lies back (mm).
_ROWS = ((-0.0, 2.6), (0.0, 0.5), (0.18, 0.0), (0.55, 0.1), (0.9, 0.5), (1.02, 0.7), (1.3, 0.2), (1.9, 0.9))
_FIRST_GUM_ROW = 5


@dataclass
class Arch:
    """Where a row of teeth stands, in the head's axes (m): an ellipse seen from above and the height of its edge."""

    half_width: float
    depth: float
    front_z: float
    edge_y: float
    upper: bool


def teeth(arch: Arch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sheet of one row of teeth.

    Returns:
        vertices [R * C, 3] m, faces [F, 3] int32 (outside counter-clockwise), and which of the faces are gum, [F].
    """
    widths = np.array(_UPPER_WIDTHS_MM if arch.upper else _LOWER_WIDTHS_MM) / 1000
    inside = (np.arange(_COLUMNS_PER_TOOTH) / _COLUMNS_PER_TOOTH)[None]
    starts = np.concatenate([[0.0], np.cumsum(widths)[:-1]])
    half = (starts[:, None] + inside * widths[:, None]).ravel()  # places along the arch, middle to side
    profile = np.tile(np.sqrt(np.clip(1 - (2 * inside - 1) ** 2, 0, 1)), (len(widths), 1)).ravel()
    end = widths.sum()
    along = np.concatenate([[-end], -half[:0:-1], half, [end]])
    bulge = np.concatenate([[0.0], profile[:0:-1], profile, [0.0]])
    turn = _turn_at(np.abs(along), arch) * np.sign(along)
    outward = np.stack([np.sin(turn) / arch.half_width, np.cos(turn) / arch.depth], axis=1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    plan = np.stack([arch.half_width * np.sin(turn), arch.front_z - arch.depth * (1 - np.cos(turn))], axis=1)
    sheet, up = [], 1.0 if arch.upper else -1.0
    for row, (height, back_mm) in enumerate(_ROWS):
        swell = _BULGE_MM * bulge * (1.0 if row < _FIRST_GUM_ROW else 0.35) - back_mm
        xz = plan + outward * swell[:, None] / 1000
        edge = 0.9 * (1 - bulge) * (row < 3)  # rounded corners of the biting edge, mm
        y = arch.edge_y + up * (height * _CROWN_MM + edge) / 1000
        sheet.append(np.stack([xz[:, 0], y, xz[:, 1]], axis=1))
    faces, gum = _grid_faces(len(_ROWS), len(along), arch.upper)
    return np.concatenate(sheet), faces, gum


def _turn_at(distance: np.ndarray, arch: Arch) -> np.ndarray:
    """Angle of the ellipse (rad, 0 in front) at distances (m) along it from its front."""
    fine = np.linspace(0, np.pi / 2, 400)
    steps = np.hypot(arch.half_width * np.cos(fine), arch.depth * np.sin(fine)) * (fine[1] - fine[0])
    return np.interp(distance, np.cumsum(steps) - steps[0], fine)


def _grid_faces(n_rows: int, n_columns: int, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    row, column = np.mgrid[: n_rows - 1, : n_columns - 1].reshape(2, -1)
    a = row * n_columns + column
    b, c, d = a + 1, a + 1 + n_columns, a + n_columns
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    gum = np.tile(row >= _FIRST_GUM_ROW, 2)
    return (faces if upper else faces[:, ::-1]).astype(np.int32), gum
