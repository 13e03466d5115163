"""An eyeball mesh with sharp rims of pupil and iris: rings of latitude around the line of sight."""

import numpy as np

N_SEGMENTS = 32
PUPIL_ANGLE_RAD = 0.150
IRIS_ANGLE_RAD = 0.415
# Ring angles from the line of sight (rad); the pupil's and the iris's rims are rings of their own.
RING_ANGLES_RAD = (0.075, PUPIL_ANGLE_RAD, 0.21, 0.28, 0.35, IRIS_ANGLE_RAD, 0.45, 0.55, 0.7, 0.9, 1.15, 1.4, 1.7)


def eyeball(centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Build a sphere that looks along +z, open at its hidden back.

    Args:
        centre: [3] m.
        radius: m.

    Returns:
        vertices [1 + R * N, 3] m, faces [F, 3] int32 (outside counter-clockwise) and the angle from the line of sight
        of each face's outermost corner, [F] rad, which tells pupil, iris and sclera apart.
    """
    angles = np.array(RING_ANGLES_RAD)
    around = 2 * np.pi * np.arange(N_SEGMENTS) / N_SEGMENTS
    rings = np.stack(
        [
            np.sin(angles)[:, None] * np.cos(around),
            np.sin(angles)[:, None] * np.sin(around),
            np.broadcast_to(np.cos(angles)[:, None], (len(angles), N_SEGMENTS)),
        ],
        axis=-1,
    ).reshape(-1, 3)  # [R * N, 3]
    directions = np.concatenate([[[0.0, 0.0, 1.0]], rings])
    faces, outer = [], []
    for i in range(N_SEGMENTS):
        j = (i + 1) % N_SEGMENTS
        faces.append((0, 1 + i, 1 + j))
        outer.append(angles[0])
        for ring in range(len(angles) - 1):
            a, b = 1 + ring * N_SEGMENTS, 1 + (ring + 1) * N_SEGMENTS
            faces += [(a + i, b + i, b + j), (a + i, b + j, a + j)]
            outer += [angles[ring + 1]] * 2
    return centre + radius * directions, np.array(faces, np.int32), np.array(outer)
