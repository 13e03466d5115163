"""Judging a model on recordings of people whose phone times are known: `captalk eval real DIR`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from captalk_ros.animate import animate_motion
from captalk_ros.audio import read_audio
from captalk_ros.captions import Caption
from captalk_ros.head import Head
from captalk_ros.metrics import LipScores, lag_and_correlation, lip_scores
from captalk_ros.motion import HEAD_ROTATION, UNITS
from captalk_ros.streamer import Streamer
from captalk_ros.timebase import SAMPLE_RATE_HZ
from captalk_ros.train import acting, performer
from captalk_ros.train.phones import Phone, read_phones

TELEPHONE_RATE_HZ = 8_000
NEUTRAL_CAPTION = Caption(0.0, style="neutral", emotion="neutral")


@dataclass
class RealScores:
    """The scores of one recording.

    Attributes:
        name: of the file.
        lips: counts, which add up over files.
        gap_mm, reference_mm: [T] of the model and of the performer who was told the aligned phones.
    """

    name: str
    lips: LipScores
    gap_mm: np.ndarray
    reference_mm: np.ndarray


def to_telephone(samples: np.ndarray) -> np.ndarray:
    """Down to 8 kHz and back: [N] -> [N]."""
    narrow = soxr.resample(samples, SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ)
    wide = soxr.resample(narrow, TELEPHONE_RATE_HZ, SAMPLE_RATE_HZ)
    return np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)].astype(np.float32)


def performed_gap_mm(phones: list[Phone], samples: np.ndarray, n_frames: int, head: Head) -> np.ndarray:
    """The lip gap [T] of the performer in a neutral direction, told the phones."""
    motion, _ = performer.perform(
        performer.articulate(phones, n_frames),
        performer.prosody(samples, phones, n_frames),
        acting.direct(acting.Style(), acting.NEUTRAL)[None],
    )
    return gap_mm(motion, head)


def gap_mm(motion: np.ndarray, head: Head) -> np.ndarray:
    """Lip gap [T] of motion [T, 55]."""
    return head.lip_gap_mm(head.parameters(motion[:, UNITS], motion[:, HEAD_ROTATION]))


def evaluate_real(directory: Path, streamer: Streamer, head: Head, band: str = "full") -> Iterator[RealScores]:
    """Score each recording of a folder under neutral captions.

    Raises:
        PhoneFileError: see `read_phones`.
        AudioError: a recording that cannot be read.
    """
    for name, phones in sorted(read_phones(directory).items()):
        samples = read_audio(directory / name)
        heard = to_telephone(samples) if band == "telephone" else samples
        gap = gap_mm(animate_motion(streamer, heard, [NEUTRAL_CAPTION]), head)
        yield RealScores(name, lip_scores(gap, phones), gap, performed_gap_mm(phones, samples, len(gap), head))


def summarise(scores: list[RealScores]) -> dict[str, float]:
    """Shares in [0, 1], lag in ms and correlation over all recordings taken together."""
    lips = sum((score.lips for score in scores), LipScores())
    lag_s, correlation = lag_and_correlation(
        np.concatenate([score.gap_mm for score in scores]), np.concatenate([score.reference_mm for score in scores])
    )
    return {**lips.shares(), "lag ms": 1000 * lag_s, "correlation": correlation}
