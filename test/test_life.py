"""A face that is alive: it blinks at a human rate, its gaze and head move, and a seed repeats it."""

import numpy as np
import pytest

from captalk_ros.life import N_CONTROLS, Life
from captalk_ros.motion import HEAD_ROTATION, unit_indices
from captalk_ros.timebase import FPS

TEN_MINUTES = 600 * FPS


def live(controls: list[float], n_frames: int = TEN_MINUTES, seed: int = 0) -> np.ndarray:
    life = Life(seed)
    return np.stack([life.step(np.asarray(controls)) for _ in range(n_frames)])


def blinks_a_minute(motion: np.ndarray) -> float:
    lid = motion[:, unit_indices("eyeBlink")[0]] > 0.5
    return (lid[1:] & ~lid[:-1]).sum() / (len(lid) / FPS / 60)


@pytest.mark.parametrize("rate_hz", [0.28, 0.4])
def test_blinks_come_at_a_human_rate(rate_hz):
    assert 10 <= blinks_a_minute(live([1, rate_hz, 1])) <= 32


def test_gaze_and_head_are_never_frozen():
    motion = live([1, 0.3, 1])
    for columns in (unit_indices("eyeLookOut", "eyeLookIn"), range(HEAD_ROTATION.start, HEAD_ROTATION.stop)):
        seconds = motion[:, list(columns)].reshape(-1, 20 * FPS, len(columns))
        assert (seconds.std(axis=1).max(axis=1) > 1e-3).all()


def test_a_still_head_is_still_and_a_lively_one_sways_more():
    still, natural, lively = (live([sway, 0.3, 1])[:, HEAD_ROTATION].std() for sway in (0.0, 1.0, 2.0))
    assert still == 0 and lively == pytest.approx(2 * natural, rel=0.05)


def test_one_seed_one_life():
    assert np.array_equal(live([1, 0.3, 1], 500, seed=3), live([1, 0.3, 1], 500, seed=3))
    assert not np.array_equal(live([1, 0.3, 1], 500, seed=3), live([1, 0.3, 1], 500, seed=4))


def test_mad_controls_do_no_harm():
    assert np.isfinite(live([1e6, -5.0, 1e6][:N_CONTROLS], 200)).all()
