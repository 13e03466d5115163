"""Paints a head: one skin texture (brows, lips, blush, cropped hair) placed by landmarks, and an iris texture.

The skin texture lies on a cylinder around the head: columns follow the azimuth (finer in front), rows the height.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from captalk_ros.head.eyeball import IRIS_ANGLE_RAD, PUPIL_ANGLE_RAD
from captalk_ros.head.flame import LEFT_EYE, RIGHT_EYE, Head

WIDTH, HEIGHT = 2048, 1024
_FRONT = 0.6  # how much finer the texture is in front; 0 would be even
_AXIS_Z_M = 0.0
EYE_TEXTURE_ANGLE_RAD = 1.3  # angle from the line of sight at the rim of the eye's texture
_EYE_DISTANCE_M = 0.061  # all measures below are for a head with its eyes this far apart

SKIN = np.array([246, 202, 178], np.float32)
BLUSH = np.array([244, 146, 128], np.float32)
LIP = np.array([216, 124, 116], np.float32)
HAIR = np.array([70, 49, 38], np.float32)
BROW = np.array([58, 40, 32], np.float32)
LASH_LINE = np.array([70, 40, 34], np.float32)
IRIS, IRIS_SPOKES = np.array([96, 122, 118], np.float32), np.array([34, 34, 26], np.float32)
IRIS_WARM = np.array([150, 104, 56], np.float32)
SCLERA, VEINS = np.array([246, 240, 234], np.float32), np.array([224, 188, 182], np.float32)
LID = np.array([186, 126, 108], np.float32)
# Middle line of a brow: distance from the midline and height over the eye, mm; thickness along it, mm.
_BROW_LINE_MM = np.array([[11.5, 18.8], [20, 20.8], [30, 22.6], [39, 22.9], [47, 20.6], [55, 15.2]])
_BROW_THICKNESS_MM = (4.6, 5.4, 5.0, 4.0, 2.8, 1.0)
# Front edge of the hair: azimuth (degrees) and height over the eyes (mm).
_HAIRLINE = np.array([[0, 71], [18, 73], [36, 66], [48, 56], [56, 40], [63, 22], [70, 2], [76, -16], [80, -24]])
_BEHIND_EAR = np.array([[80, -24], [82, 4], [95, 9], [110, 6], [117, -20], [124, -44], [150, -64], [180, -68]])


@dataclass
class Canvas:
    """The cylinder's coordinates for one head."""

    eye_height_m: float
    scale: float  # the head's eye distance over `_EYE_DISTANCE_M`
    low_m: float
    high_m: float

    @classmethod
    def of(cls, head: Head) -> "Canvas":
        """The canvas that covers `head`."""
        eyes = head.joints[[LEFT_EYE, RIGHT_EYE]]
        y = head.template[:, 1]
        scale = float(abs(eyes[0, 0] - eyes[1, 0])) / _EYE_DISTANCE_M
        return cls(float(eyes[:, 1].mean()), scale, float(y.min()), float(y.max()))

    def uv(self, points: np.ndarray) -> np.ndarray:
        """Texture coordinates [..., 2] in [0, 1] of points [..., 3] (m)."""
        azimuth = np.arctan2(points[..., 0], points[..., 2] - _AXIS_Z_M)
        return np.stack([self.u(azimuth), (points[..., 1] - self.low_m) / (self.high_m - self.low_m)], axis=-1)

    def u(self, azimuth: np.ndarray) -> np.ndarray:
        """Texture column in [0, 1] of azimuths (rad; positive to the head's left)."""
        return 0.5 + 0.5 * np.tanh(_FRONT * np.asarray(azimuth)) / np.tanh(_FRONT * np.pi)

    def pixels(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Pixel positions of points [N, 3]."""
        uv = self.uv(points)
        return [(u * WIDTH, (1 - v) * HEIGHT) for u, v in uv]

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Azimuth (degrees) of the columns [1, W], height over the eyes (mm of a standard head) of the rows [H, 1]."""
        u = (np.arange(WIDTH) + 0.5) / WIDTH
        azimuth = np.degrees(np.arctanh((2 * u - 1) * np.tanh(_FRONT * np.pi)) / _FRONT)
        y = self.high_m - (np.arange(HEIGHT) + 0.5) / HEIGHT * (self.high_m - self.low_m)
        return azimuth[None].astype(np.float32), (1000 * (y - self.eye_height_m) / self.scale)[:, None].astype(
            np.float32
        )


def _noise(rng: np.random.Generator, columns: int, rows: int) -> np.ndarray:
    """Smooth noise [H, W] in about [-1, 1] with the given number of bumps."""
    coarse = Image.fromarray((rng.random((rows, columns)) * 255).astype(np.uint8))
    return np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32) / 127.5 - 1


def _bump(azimuth: np.ndarray, height: np.ndarray, at: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    """A soft spot [H, W], mirrored on both sides; place and size in (degrees, mm)."""
    return np.exp(-(((abs(azimuth) - at[0]) / size[0]) ** 2) - ((height - at[1]) / size[1]) ** 2)


def _mask(polygon: list[tuple[float, float]], blur: float) -> np.ndarray:
    """Soft mask [H, W, 1] in [0, 1] of a filled polygon."""
    image = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(image).polygon(polygon, fill=255)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32)[..., None] / 255


def _line(points: list[tuple[float, float]], width: int, blur: float) -> np.ndarray:
    """Soft mask [H, W, 1] in [0, 1] of a line."""
    image = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(image).line(points, fill=255, width=width, joint="curve")
    return np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32)[..., None] / 255


def _smoothstep(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def hair_mask(azimuth: np.ndarray, height: np.ndarray, softness_mm: float = 5.0) -> np.ndarray:
    """How much hair grows at an azimuth (degrees) and height over the eyes (mm of a standard head), in [0, 1]."""
    edge = np.concatenate([_HAIRLINE, _BEHIND_EAR[1:]])
    return _smoothstep((height - np.interp(abs(azimuth), edge[:, 0], edge[:, 1])) / softness_mm + 0.5)


def _brow_strokes(head: Head, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Opacity [H, W, 1] of both brows, hair by hair."""
    image = Image.new("L", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    front_z = float(head.joints[LEFT_EYE, 2]) + 0.022 * canvas.scale
    for side in (1, -1):
        for _ in range(420):
            along = rng.random()
            place = along * (len(_BROW_LINE_MM) - 1)
            knots = np.arange(len(_BROW_LINE_MM))
            x, y = (np.interp(place, knots, _BROW_LINE_MM[:, axis]) for axis in (0, 1))
            y += (rng.random() - 0.5) * np.interp(place, knots, _BROW_THICKNESS_MM)
            lean = np.radians(np.interp(along, [0, 0.25, 0.7, 1], [62, 34, 4, -28]) + rng.normal() * 9)
            length = np.interp(along, [0, 0.3, 1], [3.6, 5.6, 5.0])
            ends = []
            for share in (-0.5, 0.5):
                px, py = x + share * length * np.cos(lean), y + share * length * np.sin(lean)
                z = front_z - 0.0055 * (px / 30) ** 2
                ends.append((side * px * canvas.scale / 1000, canvas.eye_height_m + py * canvas.scale / 1000, z))
            strength = np.interp(along, [0, 0.2, 0.8, 1], [0.45, 1, 1, 0.5]) * rng.integers(110, 190)
            draw.line(canvas.pixels(np.array(ends)), fill=int(strength), width=2)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1.1)), np.float32)[..., None] / 255


def _blend(base: np.ndarray, colour: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    opacity = opacity if opacity.ndim == 3 else opacity[..., None]
    return base + (colour - base) * np.clip(opacity, 0, 1)


# Blushed places: (azimuth, height), size, strength.
_BLUSHES = (
    ((27, -36), (15, 20), 0.22),  # cheeks
    ((0, -26), (7, 9), 0.15),  # tip of the nose
    ((92, 10), (14, 30), 0.25),  # ears
    ((0, -92), (14, 12), 0.12),  # chin
)


def _paint_face(head: Head, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Bare skin with blush, lips and lash lines [H, W, 3]."""
    azimuth, height = canvas.grid()
    skin = np.broadcast_to(SKIN, (HEIGHT, WIDTH, 3)).copy()
    for at, size, amount in _BLUSHES:
        skin = _blend(skin, BLUSH, amount * _bump(azimuth, height, at, size))
    skin = _blend(skin, LID, 0.30 * _bump(azimuth, height, (20, 2), (11, 11)))
    skin *= (1 + 0.022 * _noise(rng, 60, 36) + 0.025 * _noise(rng, 520, 300))[..., None]
    if "lip_rim_loop" in head.landmarks:
        lips = _mask(canvas.pixels(head.template[head.landmarks["lip_rim_loop"]]), 4.0)
        skin = _blend(skin, LIP * (1 + 0.06 * _noise(rng, 700, 40))[..., None], 0.9 * lips)
    for name in ("lid_loop_left", "lid_loop_right"):
        if name in head.landmarks:
            line = canvas.pixels(head.template[head.landmarks[name]])
            skin = _blend(skin, LASH_LINE, 0.7 * _line([*line, line[0]], 9, 4.0))
    return skin


def paint_skin(head: Head) -> np.ndarray:
    """The skin texture [H, W, 3] uint8 of a head, row 0 on top."""
    rng, canvas = np.random.default_rng(7), Canvas.of(head)
    azimuth, height = canvas.grid()
    skin = _paint_face(head, canvas, rng)
    skin = _blend(skin, BROW, 0.95 * _brow_strokes(head, canvas, rng))
    strands = 1 + 0.28 * _noise(rng, 900, 60) + 0.2 * _noise(rng, 1024, 200)
    ragged = hair_mask(azimuth + 1.5 * _noise(rng, 300, 80), height + 2.5 * _noise(rng, 400, 160), 10)
    return np.clip(_blend(skin, HAIR * strands[..., None], ragged), 0, 255).astype(np.uint8)


def paint_eye(size: int = 512) -> np.ndarray:
    """The eye texture [size, size, 3] uint8: the eyeball from the front.

    The distance from the middle grows with the angle from the line of sight, to `EYE_TEXTURE_ANGLE_RAD` at the rim.
    """
    rng = np.random.default_rng(3)
    axis = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    x, y = axis[None, :], axis[:, None]
    angle, turn = np.hypot(x, y) * EYE_TEXTURE_ANGLE_RAD, np.arctan2(y, x)
    inside = (angle - PUPIL_ANGLE_RAD) / (IRIS_ANGLE_RAD - PUPIL_ANGLE_RAD)  # 0 at the pupil's rim, 1 at the iris's
    spokes = sum(np.sin(n * turn + rng.random() * 6.28 + 3 * inside) for n in (19, 31, 53, 83, 127)) / 5
    iris = IRIS + IRIS_SPOKES * spokes[..., None]
    iris = _blend(iris, IRIS_WARM, 0.65 * np.exp(-(((inside - 0.12) / 0.22) ** 2)))
    iris *= (1 - 0.72 * _smoothstep((inside - 0.72) / 0.28))[..., None]
    eye = _blend(iris, _blend(SCLERA, VEINS, _smoothstep((angle - 0.6) / 0.7)), _smoothstep((inside - 0.93) / 0.14))
    return np.clip(eye * _smoothstep((inside + 0.06) / 0.12)[..., None] + 6, 0, 255).astype(np.uint8)


def eye_uv(head: Head) -> np.ndarray:
    """Texture coordinates [V, 2] of eyeball vertices in `paint_eye`'s texture (of other vertices: meaningless)."""
    side = np.where(head.weights[:, LEFT_EYE] > 0.5, LEFT_EYE, RIGHT_EYE)
    arm = head.template - head.joints[side]
    angle = np.arctan2(np.hypot(arm[:, 0], arm[:, 1]), arm[:, 2])
    turn = np.arctan2(arm[:, 1], arm[:, 0])
    radius = angle / EYE_TEXTURE_ANGLE_RAD / 2
    return np.stack([0.5 + radius * np.cos(turn), 0.5 + radius * np.sin(turn)], axis=-1)
