"""A lit scene with one head, drawn offscreen by VTK: needs neither a display nor a graphics card.

Software OpenGL is slow at lights, so the light is computed per vertex with numpy and handed over as colours; VTK only
multiplies them with a texture. The eyes' highlights are small discs where a shining ball would have them.
"""

import ctypes
import os
import sys
from dataclasses import dataclass

import numpy as np

from captalk_ros.errors import InputError
from captalk_ros.head.flame import LEFT_EYE, RIGHT_EYE, Head
from captalk_ros.head.occlusion import vertex_normals
from captalk_ros.head.paint import Canvas, eye_uv, hair_mask, paint_eye, paint_skin

BACKGROUND = ("#191b20", "#3d4149")  # below, above
_HAIR_M = 0.004


@dataclass(frozen=True)
class Light:
    """A light at infinity: the direction towards it (x to the head's left, y up, z forward), colour, strength."""

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]
    strength: float


LIGHTS = (
    Light((-0.60, 0.55, 0.95), (1.00, 0.955, 0.90), 0.66),  # key
    Light((0.90, 0.10, 0.70), (0.90, 0.94, 1.00), 0.30),  # fill
    Light((0.0, -0.7, 0.8), (1.00, 0.86, 0.78), 0.12),  # from below, off the chest
    Light((0.85, 0.50, -0.55), (0.84, 0.91, 1.00), 0.50),  # rim
    Light((-0.95, 0.40, -0.50), (1.00, 0.90, 0.78), 0.38),  # second rim
)
_AMBIENT = np.array([0.20, 0.185, 0.18], np.float32)
# Light creeps round an edge under the skin, red farthest.
_WRAP = np.array([0.34, 0.16, 0.10], np.float32)
_BOUNCE = np.array([0.34, 0.15, 0.12], np.float32)  # tint of what sees no sky


@dataclass(frozen=True)
class Material:
    """How a surface takes the light: highlight strength and sharpness, and its own colour where it has no texture."""

    shine: float
    sharpness: float
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)


_MATERIALS = {
    "skin": Material(0.16, 12),
    "lips": Material(0.30, 22),
    "mouth": Material(0.10, 20, (0.58, 0.25, 0.25)),
    "socket": Material(0.05, 20, (0.72, 0.46, 0.42)),
    "teeth": Material(0.30, 30, (1.0, 0.965, 0.90)),
    "gums": Material(0.25, 20, (0.80, 0.45, 0.44)),
    "tongue": Material(0.25, 20, (0.80, 0.42, 0.41)),
    "lashes": Material(0.0, 20, (0.24, 0.17, 0.14)),
    "sclera": Material(0.0, 20),
}
# Highlights on the eyes: direction from the eye's middle besides the view's, radius of the disc in eye radii, colour.
_HIGHLIGHTS = (((-0.15, 0.17, 0.0), 0.07, "#fbf7f2"), ((0.17, -0.10, 0.0), 0.035, "#b9c4c8"))
_OPENGL = ("libEGL.so.1", "libOSMesa.so.8", "libOSMesa.so")
_SUPERSAMPLING = 1.5  # drawn larger and shrunk: better and faster than multisampling in software


def _sphere_centre(points: np.ndarray) -> np.ndarray:
    """The centre [3] of the sphere through points [N, 3]."""
    first, points = points[0].astype(float), points[1:].astype(float)
    rest = points - first
    return first + np.linalg.lstsq(2 * rest, (rest**2).sum(axis=1), rcond=None)[0]


class _Lamp:
    """Lights vertices with fixed materials from a fixed viewpoint."""

    def __init__(self, head: Head, view: np.ndarray) -> None:
        """Materials per vertex of `head`; `view` [3] points to the camera."""
        n = len(head.template)
        self.colour, self.shine = np.ones((n, 3), np.float32), np.full((n, 1), 0.16, np.float32)
        self.sharpness = np.full((n, 1), 12.0, np.float32)
        for region in (*_MATERIALS, "skin", "lips"):  # borders belong to the textured parts
            if region in head.regions:
                rows, material = np.unique(head.faces[head.regions[region]]), _MATERIALS[region]
                self.colour[rows], self.shine[rows] = material.colour, material.shine
                self.sharpness[rows] = material.sharpness
        sky = np.ones(n) if head.occlusion is None else np.clip(head.occlusion * 1.12, 0, 1) ** 0.85
        self.sky = (_BOUNCE + (1 - _BOUNCE) * sky[:, None]).astype(np.float32)
        towards = np.array([light.direction for light in LIGHTS], np.float32)
        self.towards = towards / np.linalg.norm(towards, axis=1, keepdims=True)
        self.power = np.array([np.multiply(light.colour, light.strength) for light in LIGHTS], np.float32)  # [L, 3]
        halfway = self.towards + view.astype(np.float32)
        self.halfway = halfway / np.linalg.norm(halfway, axis=1, keepdims=True)

    def __call__(self, normals: np.ndarray) -> np.ndarray:
        """Colours [V, 3] uint8 for normals [V, 3]; 255 leaves a texture as it is."""
        cosine = normals @ self.towards.T  # [V, L]
        light = np.broadcast_to(_AMBIENT, normals.shape).copy()
        for channel in range(3):
            soft = np.maximum((cosine + _WRAP[channel]) / (1 + _WRAP[channel]), 0)
            light[:, channel] += (soft * np.sqrt(soft)) @ self.power[:, channel]
        gloss = np.maximum(normals @ self.halfway.T, 0) ** self.sharpness @ self.power
        light = light * self.sky * self.colour + self.shine * gloss * self.sky
        return (255 * np.clip(light, 0, 1)).astype(np.uint8)


class _Part:
    """One surface of the head in the scene, with its own vertices where a texture needs them."""

    def __init__(self, head: Head, faces: np.ndarray, uv: np.ndarray | None = None) -> None:
        """Faces [F, 3] of the head; `uv` [F, 3, 2] per corner."""
        import pyvista

        corners = faces.reshape(-1, 1)
        if uv is not None:
            corners = np.concatenate([corners, np.round(uv.reshape(-1, 2) * 1e5).astype(np.int64)], axis=1)
        kinds, rows = np.unique(corners, axis=0, return_inverse=True)
        self.vertices = kinds[:, 0]
        self.mesh = pyvista.PolyData.from_regular_faces(
            head.template[self.vertices].astype(np.float32), rows.reshape(-1, 3)
        )
        self.mesh.point_data["colour"] = np.full((len(kinds), 3), 255, np.uint8)
        if uv is not None:
            self.mesh.active_texture_coordinates = (kinds[:, 1:] / 1e5).astype(np.float32)

    def update(self, points: np.ndarray, colours: np.ndarray) -> None:
        """Move to the head's points [V, 3] and colours [V, 3]."""
        self.mesh.points[:] = points[self.vertices]
        self.mesh.point_data["colour"][:] = colours[self.vertices]
        self.mesh.GetPoints().Modified()
        self.mesh.GetPointData().GetArray("colour").Modified()
        self.mesh.Modified()


def _plotter(size: int):
    """An offscreen plotter.

    Raises:
        InputError: the machine has no OpenGL, not even in software.
    """
    from vtkmodules.vtkCommonCore import vtkLogger

    if sys.platform == "linux" and not os.environ.get("DISPLAY") and not any(map(_loads, _OPENGL)):
        raise InputError("drawing needs OpenGL in software: apt-get install libegl1 libgl1-mesa-dri")
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)  # it warns of each display that it does not find
    import pyvista

    plotter = pyvista.Plotter(off_screen=True, window_size=(size, size), lighting="none")
    plotter.disable_anti_aliasing()
    plotter.set_background(BACKGROUND[0], top=BACKGROUND[1])
    return plotter


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


class Studio:
    """A scene with one head, drawn again and again as the head moves."""

    def __init__(self, head: Head, size: int = 512, turn_deg: float = 14.0, band: float = 0.0) -> None:
        """Build the scene.

        Args:
            head: what to draw.
            size: side of the square image, pixels.
            turn_deg: how far the camera stands to the head's right.
            band: share of the image's height that stays free at the bottom, for text over the neck.

        Raises:
            InputError: the machine has no OpenGL, not even in software.
        """
        self.head, self.canvas, self.size = head, Canvas.of(head), size
        self.plotter = _plotter(round(size * _SUPERSAMPLING))
        self.view = self._aim(turn_deg, band)
        self.lamp = _Lamp(head, self.view)
        self.growth = self._hair_growth()
        self.parts: list[_Part] = []
        self._add_surfaces()
        self._add_highlights()
        self.pose(head.template)
        self.plotter.show(auto_close=False)

    def _aim(self, turn_deg: float, band: float) -> np.ndarray:
        """Point the camera at the face, the neck's rim just out of sight; returns the direction [3] towards it."""
        low, high = self.head.template[:, 1].min(), self.head.template[:, 1].max()
        reach = ((high - low) / 2 + 0.003) / (1 - band)
        focus = np.array([0.0, (low + high) / 2 + 0.005 - reach * band, 0.0])
        distance, angle = 1.1 * self.canvas.scale, np.radians(turn_deg)
        view = np.array([-np.sin(angle), 0.03, np.cos(angle)])
        camera = self.plotter.camera
        camera.position, camera.focal_point, camera.up = focus + distance * view, focus, (0, 1, 0)
        camera.view_angle = 2 * np.degrees(np.arctan(reach / distance))
        camera.clipping_range = (0.4 * distance, 2 * distance)
        return view / np.linalg.norm(view)

    def _faces(self, *regions: str) -> np.ndarray:
        """Faces [F, 3] of regions; of a head without regions, all are skin."""
        if not self.head.regions:
            return self.head.faces if "skin" in regions else self.head.faces[:0]
        return self.head.faces[np.concatenate([self.head.regions.get(name, np.zeros(0, int)) for name in regions])]

    def _hair_growth(self) -> np.ndarray:
        """How far [V, 1] (m) the cropped hair lifts each vertex off the skin."""
        points = self.head.template
        azimuth = np.degrees(np.arctan2(points[:, 0], points[:, 2]))
        height = 1000 * (points[:, 1] - self.canvas.eye_height_m) / self.canvas.scale
        growth = np.zeros(len(points), np.float32)
        scalp = np.unique(self._faces("skin"))
        near_ear = abs(points[scalp, 0]) > 0.079 * self.canvas.scale
        volume = 1 + 1.3 * np.clip((height[scalp] - 62) / 40, 0, 1)  # longer on top
        growth[scalp] = np.where(near_ear, 0, volume * hair_mask(azimuth[scalp], height[scalp] - 8, 22))
        return growth[:, None] * np.float32(_HAIR_M * self.canvas.scale)

    def _add(self, part: _Part, texture: np.ndarray | None = None, **look: object) -> None:
        """Put a part into the scene: its colours times its texture; `look` goes to `add_mesh`."""
        import pyvista

        if texture is not None:
            look["texture"] = pyvista.Texture(np.ascontiguousarray(texture))
            look["texture"].interpolate = look["texture"].mipmap = True  # without mip maps sampling is very slow
        self.plotter.add_mesh(part.mesh, scalars="colour", rgb=True, lighting=False, show_scalar_bar=False, **look)
        self.parts.append(part)

    def _add_surfaces(self) -> None:
        skin_texture = paint_skin(self.head)
        for region, look in (("skin", {"culling": "back"}), ("lips", {})):  # one sees the lips' backs, and no teeth
            faces = self._faces(region)
            if len(faces):
                self._add(_Part(self.head, faces, self._skin_uv(faces)), skin_texture, **look)
        inside = self._faces("mouth", "socket", "gums", "teeth", "tongue", "lashes")
        if len(inside):
            self._add(_Part(self.head, inside))
        eyes = self._faces("sclera", "iris", "pupil")
        if len(eyes):
            self._add(_Part(self.head, eyes, eye_uv(self.head)[eyes]), paint_eye(), culling="back")
        self.balls = [np.unique(eyes[self.head.weights[eyes[:, 0], side] > 0.5]) for side in (LEFT_EYE, RIGHT_EYE)]

    def _skin_uv(self, faces: np.ndarray) -> np.ndarray:
        """Texture coordinates [F, 3, 2] of the corners of faces [F, 3]."""
        uv = self.canvas.uv(self.head.template)[faces]
        seam = np.ptp(uv[..., 0], axis=1) > 0.5  # faces across the back, where the texture wraps around
        uv[seam, :, 0] += uv[seam, :, 0] < 0.5
        return uv

    def _add_highlights(self) -> None:
        """White discs that `pose` keeps where each eye mirrors a light."""
        import pyvista

        self.highlights = []
        for ball in self.balls:
            if not len(ball):
                continue
            ball = ball[:: max(1, len(ball) // 24)]
            radius = float(np.linalg.norm(self.head.template[ball[0]] - _sphere_centre(self.head.template[ball])))
            for aside, size, shade in _HIGHLIGHTS:
                towards = self.view + aside
                towards /= np.linalg.norm(towards)
                disc = pyvista.Disc(center=(0, 0, 0), inner=0, outer=size * radius, normal=towards, c_res=20)
                actor = self.plotter.add_mesh(disc, color=shade, lighting=False)  # opaque: blending is slow
                self.highlights.append((actor, ball, 1.012 * radius * towards))

    def pose(self, vertices: np.ndarray) -> None:
        """Move the head to vertices [V, 3], m."""
        normals = vertex_normals(vertices, self.head.faces)
        points, colours = vertices + self.growth * normals, self.lamp(normals)
        for part in self.parts:
            part.update(points, colours)
        for actor, ball, offset in self.highlights:
            actor.position = _sphere_centre(vertices[ball]) + offset

    def image(self) -> np.ndarray:
        """The scene as [size, size, 3] uint8."""
        from PIL import Image

        self.plotter.render()
        drawn = Image.fromarray(np.asarray(self.plotter.image))
        return np.asarray(drawn.resize((self.size, self.size), Image.Resampling.BICUBIC))

    def close(self) -> None:
        """Free the graphics memory."""
        self.plotter.close()
