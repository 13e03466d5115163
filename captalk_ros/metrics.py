"""Measures of lips against phones: do they close, open and rest when the speech says so?"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from captalk_ros.timebase import FPS

Phone = tuple[str, float, float]  # ARPAbet label or SIL, start_s, end_s

CLOSED_MM, OPEN_MM, QUIET_MM = 1.0, 5.0, 1.5
BILABIALS, LABIODENTALS = frozenset("PBM"), frozenset("FV")
OPEN_VOWELS = frozenset({"AA", "AE", "AO", "AY", "AW"})
MAX_LAG_FRAMES = 10


@dataclass
class LipScores:
    """Counts that add up over recordings; each share is a count over its total.

    Attributes:
        closed, bilabials: p/b/m of 40 ms or more whose gap falls to 1 mm or less within 40 ms of the phone, and all.
        opened, vowels: AA AE AO AY AW of 80 ms or more that reach 5 mm, and all.
        false_closings, closings: falls to 1 mm or less with no p/b/m, f/v or SIL within 80 ms, and all falls.
        quiet, silent: frames at 1.5 mm or less inside SIL of 300 ms or more (100 ms left out at each end), and all.
    """

    closed: int = 0
    bilabials: int = 0
    opened: int = 0
    vowels: int = 0
    false_closings: int = 0
    closings: int = 0
    quiet: int = 0
    silent: int = 0

    def __add__(self, other: "LipScores") -> "LipScores":
        return LipScores(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def shares(self) -> dict[str, float]:
        """The four shares in [0, 1]; NaN where there was nothing to count."""
        pairs = {
            "closure": (self.closed, self.bilabials),
            "opening": (self.opened, self.vowels),
            "false closures": (self.false_closings, self.closings),
            "quiet": (self.quiet, self.silent),
        }
        return {name: count / total if total else float("nan") for name, (count, total) in pairs.items()}


def lip_scores(gap_mm: np.ndarray, phones: Sequence[Phone]) -> LipScores:
    """Score one recording.

    Args:
        gap_mm: [T] lip gap at the frame times k / 25 s.
        phones: with their times, SIL for silence.
    """
    time_s = np.arange(len(gap_mm)) / FPS
    scores = LipScores()
    for phone, start_s, end_s in phones:
        duration_s = end_s - start_s + 1e-6
        if phone in BILABIALS and duration_s >= 0.040:
            near = (time_s >= start_s - 0.040) & (time_s <= end_s + 0.040)
            scores.bilabials += 1
            scores.closed += bool((gap_mm[near] <= CLOSED_MM).any())
        elif phone in OPEN_VOWELS and duration_s >= 0.080:
            inside = (time_s >= start_s) & (time_s <= end_s)
            scores.vowels += 1
            scores.opened += bool((gap_mm[inside] >= OPEN_MM).any())
        elif phone == "SIL" and duration_s >= 0.300:
            inside = (time_s >= start_s + 0.100) & (time_s <= end_s - 0.100)
            scores.silent += int(inside.sum())
            scores.quiet += int((gap_mm[inside] <= QUIET_MM).sum())
    closable = [(s, e) for p, s, e in phones if p in BILABIALS or p in LABIODENTALS or p == "SIL"]
    for frame in np.flatnonzero((gap_mm[1:] <= CLOSED_MM) & (gap_mm[:-1] > CLOSED_MM)) + 1:
        scores.closings += 1
        t = time_s[frame]
        scores.false_closings += not any(s - 0.080 <= t <= e + 0.080 for s, e in closable)
    return scores


def lag_and_correlation(gap_mm: np.ndarray, reference_mm: np.ndarray) -> tuple[float, float]:
    """How late a lip gap is against a reference, and how alike the two are then.

    Args:
        gap_mm, reference_mm: [T] each.

    Returns:
        The lag in s of the highest correlation (positive: `gap_mm` is late), between frames by a parabola, within
        0.4 s; and the correlation at zero lag.
    """

    def correlation(lag: int) -> float:
        n = len(gap_mm) - abs(lag)
        a, b = gap_mm[max(lag, 0) :][:n], reference_mm[max(-lag, 0) :][:n]
        if n < 3 or a.std() < 1e-9 or b.std() < 1e-9:
            return 0.0
        return float(np.corrcoef(a, b)[0, 1])

    values = np.asarray([correlation(lag) for lag in range(-MAX_LAG_FRAMES, MAX_LAG_FRAMES + 1)])
    best = int(values[1:-1].argmax()) + 1
    left, top, right = values[best - 1 : best + 2]
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return (best - MAX_LAG_FRAMES + shift) / FPS, float(values[MAX_LAG_FRAMES])
