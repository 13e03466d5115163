"""What keeps a face alive by chance: blinks, glances and head sway, drawn frame by frame from a seed.

A regression can only give the mean of such events, which is a dead face. So the network says *how much* (the controls)
and this module draws *when*. Rates and shapes: a blink closes in about 90 ms and reopens in about 240 ms, with
log-normal intervals; glances are saccades of at most 15 degrees, short while talking; a blink goes with large ones.
"""

from dataclasses import dataclass, field

import numpy as np

from captalk_ros.motion import HEAD_ROTATION, N_MOTION, UNIT_INDEX, unit_indices
from captalk_ros.timebase import FPS

# Controls: head sway (1 is natural, 0 a still head), blinks a second, gaze restlessness (1 is natural).
HEAD_SWAY, BLINK_RATE, GAZE_RATE = range(3)
N_CONTROLS = 3

_BLINK_SHAPE = np.asarray([0.55, 1.0, 0.85, 0.6, 0.35, 0.18, 0.07], np.float32)  # by frame of 40 ms
_BLINK_SPREAD = 0.45  # of the logarithm of the interval
_SWAY_STD_RAD = np.asarray([0.020, 0.038, 0.022])  # pitch, yaw, roll at sway 1
_SWAY_TIME_S = np.asarray([0.9, 1.3, 1.2])
_HOLD_S, _AVERT_S = 3.1, 0.9  # mean times on and off the listener
_GAZE_FULL_RAD = 0.5  # eye rotation that an eyeLook unit of 1 stands for, about
_BLINK_UNITS = unit_indices("eyeBlink")
_LOOK = {name: unit_indices(f"eyeLook{name}") for name in ("Up", "Down")}
_LOOK_LEFT = [UNIT_INDEX["eyeLookOutLeft"], UNIT_INDEX["eyeLookInRight"]]
_LOOK_RIGHT = [UNIT_INDEX["eyeLookInLeft"], UNIT_INDEX["eyeLookOutRight"]]


@dataclass
class Life:
    """A seeded life, one `step` a frame; equal seeds and controls give equal lives.

    Attributes:
        seed: of every draw.
    """

    seed: int = 0
    _rng: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._until_blink = self._rng.uniform(0.3, 1.0)  # in mean intervals
        self._blink_frame = len(_BLINK_SHAPE)
        self._sway = np.zeros((2, 3))  # a smooth random walk: two low-pass filters in a row, in standard deviations
        self._gaze_rad = np.zeros(2)  # eyes: up, left
        self._target_rad = np.zeros(2)
        self._hold_s = self._rng.exponential(_HOLD_S)
        self._averted = False

    def step(self, controls: np.ndarray) -> np.ndarray:
        """Draw one frame.

        Args:
            controls: [N_CONTROLS] float, as the network or the performer gives them.

        Returns:
            [55] float32 to be added to the motion: blinks and gaze in units, sway in rad.
        """
        motion = np.zeros(N_MOTION, np.float32)
        sway, blink_rate_hz, gaze_rate = np.clip(controls, 0.0, [4.0, 1.5, 4.0])
        self._glance(gaze_rate)
        motion[_BLINK_UNITS] = self._blink(blink_rate_hz)
        up, left = self._gaze_rad / _GAZE_FULL_RAD
        motion[_LOOK["Up"]], motion[_LOOK["Down"]] = max(up, 0), max(-up, 0)
        motion[_LOOK_LEFT], motion[_LOOK_RIGHT] = max(left, 0), max(-left, 0)
        motion[HEAD_ROTATION] = self._head(sway)
        return motion

    def _blink(self, rate_hz: float) -> float:
        self._until_blink -= rate_hz / FPS
        if self._until_blink <= 0:
            self._blink_frame = 0
            self._until_blink = self._rng.lognormal(-(_BLINK_SPREAD**2) / 2, _BLINK_SPREAD)
        if self._blink_frame >= len(_BLINK_SHAPE):
            return 0.0
        self._blink_frame += 1
        return float(_BLINK_SHAPE[self._blink_frame - 1])

    def _glance(self, restlessness: float) -> None:
        """Saccades between the listener and a place aside, with small shifts in between."""
        self._hold_s -= max(restlessness, 0.05) / FPS
        if self._hold_s <= 0:
            self._averted = not self._averted
            if self._averted:
                aside = self._rng.choice([-1, 1]) * self._rng.uniform(0.08, 0.24)
                self._target_rad = np.asarray([self._rng.normal(0.0, 0.07), aside])
                self._hold_s = self._rng.exponential(_AVERT_S) + 0.2
            else:
                self._target_rad = self._rng.normal(0.0, 0.015, 2)
                self._hold_s = self._rng.exponential(_HOLD_S) + 0.5
            if np.abs(self._target_rad - self._gaze_rad).max() > 0.2:
                self._until_blink = min(self._until_blink, 0.0)
        elif self._rng.random() < 0.6 / FPS:
            self._target_rad = self._target_rad + self._rng.normal(0.0, 0.012, 2)
        self._gaze_rad = self._gaze_rad + 0.8 * (self._target_rad - self._gaze_rad)

    def _head(self, sway: float) -> np.ndarray:
        keep = np.exp(-1 / (FPS * _SWAY_TIME_S / 2))
        drive = self._rng.normal(size=3) * np.sqrt((1 + keep) ** 3 / (1 - keep) / (1 + keep**2))
        self._sway[0] = keep * self._sway[0] + (1 - keep) * drive
        self._sway[1] = keep * self._sway[1] + (1 - keep) * self._sway[0]
        return sway * _SWAY_STD_RAD * self._sway[1]
