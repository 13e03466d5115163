"""The lip measures count what a viewer would see."""

import numpy as np
import pytest

from captalk_ros.metrics import lag_and_correlation, lip_scores
from captalk_ros.timebase import FPS

PHONES = [("SIL", 0.0, 0.6), ("AA", 0.6, 1.0), ("B", 1.0, 1.1), ("AE", 1.1, 1.5), ("T", 1.5, 1.6), ("AA", 1.6, 2.0)]


def gap_of(intervals: dict[tuple[float, float], float], n_frames: int = 50, rest: float = 8.0) -> np.ndarray:
    time_s = np.arange(n_frames) / FPS
    gap = np.full(n_frames, rest)
    for (start_s, end_s), value in intervals.items():
        gap[(time_s >= start_s - 1e-9) & (time_s <= end_s + 1e-9)] = value
    return gap


def test_a_good_mouth_scores_full_marks():
    shares = lip_scores(gap_of({(0.0, 0.5): 0.0, (1.0, 1.08): 0.5}), PHONES).shares()
    assert shares == {"closure": 1.0, "opening": 1.0, "false closures": 0.0, "quiet": 1.0}


def test_an_open_mouth_never_closes_and_is_never_quiet():
    shares = lip_scores(gap_of({}), PHONES).shares()
    assert shares["closure"] == 0 and shares["quiet"] == 0 and np.isnan(shares["false closures"])


def test_closing_on_a_t_is_false_and_on_a_b_is_not():
    scores = lip_scores(gap_of({(0.0, 0.5): 0.0, (1.0, 1.08): 0.5, (1.52, 1.56): 0.2}), PHONES)
    assert scores.false_closings == 1 and scores.closings == 2


def test_a_mumbled_vowel_does_not_count_as_open():
    assert lip_scores(gap_of({}, rest=4.9), PHONES).shares()["opening"] == 0


def test_counts_add_up_over_recordings():
    scores = lip_scores(gap_of({}), PHONES)
    assert (scores + scores).bilabials == 2 * scores.bilabials == 2


@pytest.mark.parametrize("late_frames", [-3, 0, 2])
def test_lag_is_found(late_frames):
    reference = np.convolve(np.random.default_rng(0).normal(size=500), np.hanning(7), mode="same")
    lag_s, correlation = lag_and_correlation(np.roll(reference, late_frames), reference)
    assert lag_s == pytest.approx(late_frames / FPS, abs=0.004)
    assert (correlation > 0.99) == (late_frames == 0)
