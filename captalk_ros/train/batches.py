"""Training batches: random crops of the speech, each acted anew in directions that change in mid-sentence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from captalk_ros.direction import NEUTRAL, compose
from captalk_ros.timebase import FPS
from captalk_ros.train import acting, performer
from captalk_ros.train.dataset import SpeechData, random_emotion, random_style

SHARE_OF_NOTHING = 0.1  # of styles and emotions: without a caption the performance is neutral and natural
MAX_CHANGES = 2  # of style and of emotion within a crop


@dataclass
class Batch:
    """One batch.

    Attributes:
        mel: [B, 4 T, n_mels].
        direction: [B, T, N_DIRECTION].
        motion: [B, T, 55].
        controls: [B, T, N_CONTROLS].
        phones: [B, 2 T] int64.
        closure: [B, T] bool: the lips are meant to be shut.
        speech: [B, T] bool: in speech, and not near a closure: the lips are meant to be apart.
    """

    mel: Tensor
    direction: Tensor
    motion: Tensor
    controls: Tensor
    phones: Tensor
    closure: Tensor
    speech: Tensor


def transition_weights(n_frames: int, n_parts: int, rng: np.random.Generator) -> np.ndarray:
    """Cross-fade weights [T, n_parts] of directions that follow each other at random times."""
    weights = np.zeros((n_frames, n_parts), np.float32)
    weights[:, 0] = 1.0
    for part, start in enumerate(sorted(rng.integers(5, n_frames, n_parts - 1)), start=1):
        share = np.clip((np.arange(n_frames) - start) / (FPS * rng.uniform(0.1, 0.6)), 0, 1)
        share = (share * share * (3 - 2 * share)).astype(np.float32)
        weights *= (1 - share)[:, None]
        weights[:, part] += share
    return weights


class BatchMaker:
    """Draws batches; equal seeds give equal batches.

    Args:
        speech: the utterances.
        n_rows, n_frames: B and T of a batch.
        seed: of every draw.
    """

    def __init__(self, speech: SpeechData, n_rows: int, n_frames: int, seed: int):
        self.speech, self.n_rows, self.n_frames = speech, n_rows, n_frames
        self.rng = np.random.default_rng(seed)

    def draw(self) -> Batch:
        """One batch."""
        rows = [self._row() for _ in range(self.n_rows)]
        mel, direction, motion, controls, phones, closure, speech = (
            torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)
        )
        mel = perturb_mel(mel.float(), self.rng)
        return Batch(mel, direction, motion, controls, phones.long(), closure, speech)

    def _row(self) -> tuple[np.ndarray, ...]:
        data, n, rng = self.speech, self.n_frames, self.rng
        start = int(rng.integers(0, data.n_frames - n + 1))
        articulation = data.articulation[start : start + n].astype(np.float32)
        prosody = data.prosody[start : start + n].astype(np.float32)
        direction = compose(
            self._fade(random_style, acting.style_direction), self._fade(random_emotion, acting.emotion_direction)
        )
        motion, controls = performer.perform(articulation, prosody, direction)
        shut = np.maximum(articulation[:, performer.BILABIAL], articulation[:, performer.REST])
        closing = np.maximum(shut, articulation[:, performer.LABIODENTAL])
        mel = data.mel[4 * start : 4 * (start + n)]
        phones = data.phones[2 * start : 2 * (start + n)]
        return mel, direction, motion, controls, phones, shut > 0.95, closing < 0.05

    def _fade(self, draw: Callable, direction_of: Callable) -> np.ndarray:
        """Directions [T, N_DIRECTION] of one to three styles or emotions in turn, some of them nothing."""
        n_parts = int(self.rng.integers(1, MAX_CHANGES + 2))
        parts = [
            NEUTRAL if self.rng.random() < SHARE_OF_NOTHING else direction_of(draw(self.rng)) for _ in range(n_parts)
        ]
        return transition_weights(self.n_frames, n_parts, self.rng) @ np.stack(parts)


def perturb_mel(mel: Tensor, rng: np.random.Generator) -> Tensor:
    """Other throats, rooms and microphones, on spectra: warped bands, level and tilt, a hidden band, a little noise.

    Args:
        mel: [B, 4 T, n_mels] as `LogMel` gives them.
        rng: of every draw.
    """
    n_rows, _, n_mels = mel.shape
    band = torch.arange(n_mels, dtype=torch.float32)
    # Vocal-tract length: the mel scale is nearly logarithmic in frequency, so a shift of bands scales the formants.
    source = band * torch.from_numpy(rng.uniform(0.92, 1.08, (n_rows, 1))).float()
    source = source + torch.from_numpy(rng.uniform(-2.0, 2.0, (n_rows, 1))).float()
    mixing = (1 - (source[:, :, None] - band).abs()).clamp(min=0)  # [B, n_mels, n_mels]
    mixing[:, :, -1] += (source - (n_mels - 1)).clamp(min=0)
    mixing[:, :, 0] += (-source).clamp(min=0)
    mel = mel @ (mixing / mixing.sum(dim=2, keepdim=True)).transpose(1, 2)
    knots = torch.from_numpy(rng.normal(0, 0.12, (n_rows, 1, 5))).float()
    level = torch.from_numpy(rng.uniform(-0.5, 0.4, (n_rows, 1, 1))).float()
    mel = mel + functional.interpolate(knots, n_mels, mode="linear", align_corners=True) + level
    for row in range(n_rows):
        if rng.random() < 0.3:
            width = int(rng.integers(2, 12))
            low = int(rng.integers(0, n_mels - width))
            mel[row, :, low : low + width] = mel[row].mean()
    return mel.clamp(min=-2.5) + 0.03 * torch.from_numpy(rng.standard_normal(mel.shape, np.float32))
