"""What an actor is told, in numbers: a direction says how to look, how to hold the head and how much of everything.

A style and an emotion are each a direction; cross-fades are weighted sums of them, and `compose` plays both at once.
"""

import numpy as np

from captalk_ros.motion import N_UNITS

LOOK = slice(0, N_UNITS)  # units to add while acting, in [0, 1]
HEAD_BIAS = slice(N_UNITS, N_UNITS + 3)  # head rotation to hold, axis-angle, rad
GAINS = slice(N_UNITS + 3, N_UNITS + 8)  # factors: of mouth, of head, of blinks, of glances, of accents
MOUTH_GAIN, HEAD_GAIN, BLINKS, GAZE, EMPHASIS = range(GAINS.start, GAINS.stop)
N_DIRECTION = GAINS.stop

NEUTRAL = np.zeros(N_DIRECTION, np.float32)
NEUTRAL[GAINS] = 1.0
NEUTRAL.flags.writeable = False


def compose(style: np.ndarray, emotion: np.ndarray) -> np.ndarray:
    """Both directions at once: looks and head bias add up, gains multiply.

    Args:
        style, emotion: [..., N_DIRECTION].

    Returns:
        [..., N_DIRECTION] float32, its look clipped to [0, 1].
    """
    both = (style + emotion).astype(np.float32)
    both[..., LOOK] = both[..., LOOK].clip(0.0, 1.0)
    both[..., GAINS] = style[..., GAINS] * emotion[..., GAINS]
    return both
