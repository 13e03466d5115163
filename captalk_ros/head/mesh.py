"""Walks on the quads of a mesh: neighbours, edge loops, flood fill."""

import numpy as np


class QuadMesh:
    """Neighbourhood of a quad mesh; vertices keep their numbers."""

    def __init__(self, quads: np.ndarray) -> None:
        """Index the quads [Q, 4] (vertex numbers)."""
        self.neighbours: dict[int, set[int]] = {}
        self._faces_of: dict[int, set[int]] = {}
        for number, quad in enumerate(quads.tolist()):
            for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
                self.neighbours.setdefault(a, set()).add(b)
                self.neighbours.setdefault(b, set()).add(a)
                self._faces_of.setdefault(a, set()).add(number)

    def _straight_on(self, a: int, b: int) -> int | None:
        """The vertex after the edge a-b in its edge loop; None where the loop ends at a pole or a border."""
        if len(self.neighbours[b]) != 4:
            return None
        beside = self._faces_of[a] & self._faces_of[b]
        ahead = [c for c in self.neighbours[b] if c != a and not self._faces_of[c] & self._faces_of[b] & beside]
        return ahead[0] if len(ahead) == 1 else None

    def loop(self, start: int, second: int) -> list[int]:
        """The edge loop from `start` over `second` until it closes or ends."""
        walk = [start, second]
        while (ahead := self._straight_on(walk[-2], walk[-1])) not in (None, start):
            walk.append(ahead)
        return walk

    def flood(self, seed: int, walls: set[int]) -> set[int]:
        """All vertices that are reached from `seed` without stepping on `walls`."""
        seen, front = {seed}, [seed]
        while front:
            for vertex in self.neighbours[front.pop()]:
                if vertex not in seen and vertex not in walls:
                    seen.add(vertex)
                    front.append(vertex)
        return seen
