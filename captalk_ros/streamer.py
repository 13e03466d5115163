"""The streaming core: audio and captions in, one motion frame a step out. No ROS, no threads, no wall clock.

A frame depends only on the samples up to `sample + 640 + lookahead_samples`, on the captions in force at its sample,
and on the seed: never on when it was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from captalk_ros.captions import DEFAULT_TRANSITION_S, MAX_EVENTS, Blend, CaptionTrack, clean_caption
from captalk_ros.direction import NEUTRAL, compose
from captalk_ros.life import Life
from captalk_ros.model.checkpoint import load_checkpoint
from captalk_ros.model.regression import Regression
from captalk_ros.model.text import TextEncoder
from captalk_ros.motion import HEAD_ROTATION, UNITS
from captalk_ros.resources import resource_path
from captalk_ros.timebase import FRAME_SAMPLES, SAMPLE_RATE_HZ, seconds_to_samples

DEFAULT_WEIGHTS = ("weights", "regression.safetensors")
MAX_PENDING_S = 600  # audio that may wait to be heard; more is a mistake of the caller


@dataclass(frozen=True)
class MotionFrame:
    """One frame of motion.

    Attributes:
        index: of the frame since the stream began.
        sample: the first sample of its audio.
        motion: [55] float32, units in [0, 1] and head rotation in rad (`captalk_ros.motion`).
    """

    index: int
    sample: int
    motion: np.ndarray

    @property
    def units(self) -> np.ndarray:
        """[52] ARKit units in [0, 1]."""
        return self.motion[UNITS]

    @property
    def head_rotation(self) -> np.ndarray:
        """[3] axis-angle in rad."""
        return self.motion[HEAD_ROTATION]


class Streamer:
    """One stream of speech becoming motion.

    Args:
        model: the network; it may be shared between streamers.
        text: the caption encoder; it may be shared too.
        seed: of the face's chance (blinks, glances, sway).
        device: torch's name of the device to run on; None takes a GPU where there is one.
    """

    def __init__(self, model: Regression, text: TextEncoder, seed: int = 0, device: str | None = None):
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device)
        self.text = text
        self.seed = seed
        self.lookahead_samples = model.config.lookahead_frames * FRAME_SAMPLES
        self._directions: dict[tuple[str, str], np.ndarray] = {}
        self.reset()

    @classmethod
    def load(cls, weights: Path | str | None = None, seed: int = 0, device: str | None = None) -> "Streamer":
        """A streamer from weights on disk, the shipped ones by default.

        Raises:
            CheckpointError: weights that cannot be used.
        """
        model, _ = load_checkpoint(weights or resource_path(*DEFAULT_WEIGHTS))
        return cls(model, TextEncoder(), seed, device)

    def reset(self) -> None:
        """Forget the stream: audio, captions, memory; the next sample is sample 0."""
        self._pending = np.zeros(0, np.float32)
        self._n_heard_frames = 0
        self._state = self.model.init_state(1)
        self._captions = CaptionTrack()
        self._life = Life(self.seed)

    @property
    def next_sample(self) -> int:
        """First sample of the frame that comes next."""
        return max(0, self._n_heard_frames - self.model.config.lookahead_frames) * FRAME_SAMPLES

    @property
    def n_pending_samples(self) -> int:
        """Samples that were pushed and not yet heard."""
        return len(self._pending)

    def push_audio(self, samples: np.ndarray) -> None:
        """Append audio, in pieces of any length.

        Args:
            samples: [N] float32 mono at 16 kHz in [-1, 1].

        Raises:
            ValueError: wrong shape, values that are not finite, or more than ten minutes waiting.
        """
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 1:
            raise ValueError(f"samples have shape {samples.shape}, expected [N] mono")
        if not np.isfinite(samples).all():
            raise ValueError("samples hold NaN or infinity, expected values in [-1, 1]")
        if len(self._pending) + len(samples) > MAX_PENDING_S * SAMPLE_RATE_HZ:
            raise ValueError(f"over {MAX_PENDING_S} s of audio are waiting, expected step() to keep up")
        self._pending = np.concatenate([self._pending, np.clip(samples, -1.0, 1.0)])

    def warm_captions(self, texts: Sequence[str]) -> None:
        """Encode captions ahead, so that `set_captions` costs nothing; safe to call from another thread."""
        self.text.encode([clean_caption(text) for text in texts if text])

    def set_captions(
        self,
        style: str | None = None,
        emotion: str | None = None,
        at_sample: int | None = None,
        transition_s: float = DEFAULT_TRANSITION_S,
    ) -> None:
        """Change style, emotion or both from a sample on.

        Args:
            style, emotion: captions; None or "" leaves that one as it is.
            at_sample: when it takes effect; None is the next frame. What lies in the past takes effect at once.
            transition_s: how long the change takes.

        Raises:
            CaptionError: too many captions wait to take effect.
        """
        style, emotion = clean_caption(style or ""), clean_caption(emotion or "")
        self._read("style", style)
        self._read("emotion", emotion)
        at_sample = self.next_sample if at_sample is None else max(at_sample, self.next_sample)
        self._captions.add(at_sample, style, emotion, seconds_to_samples(transition_s))

    def step(self) -> MotionFrame | None:
        """The next frame, or None when it needs audio that has not come yet."""
        while len(self._pending) >= FRAME_SAMPLES:
            samples, self._pending = self._pending[:FRAME_SAMPLES], self._pending[FRAME_SAMPLES:]
            motion, controls = self._hear(samples)
            index = self._n_heard_frames - self.model.config.lookahead_frames
            self._n_heard_frames += 1
            if index >= 0:
                motion = motion + self._life.step(controls)
                motion[UNITS] = motion[UNITS].clip(0.0, 1.0)
                return MotionFrame(index, index * FRAME_SAMPLES, motion)
        return None

    @torch.inference_mode()
    def _hear(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        style, emotion = self._captions.blend(self.next_sample)
        direction = compose(self._fade("style", style), self._fade("emotion", emotion))
        output, self._state = self.model.step(
            torch.from_numpy(samples)[None].to(self.device),
            torch.from_numpy(direction)[None, None].to(self.device),
            self._state,
        )
        return output.motion[0, 0].cpu().numpy(), output.controls[0, 0].cpu().numpy()

    def _fade(self, line: str, blend: Blend) -> np.ndarray:
        """A blend of captions as one direction [N_DIRECTION]."""
        return sum(weight * self._read(line, text) for text, weight in blend)

    @torch.inference_mode()
    def _read(self, line: str, text: str) -> np.ndarray:
        """What a style or emotion caption asks for, as a direction [N_DIRECTION]; no caption asks for nothing."""
        if not text:
            return NEUTRAL
        if (line, text) not in self._directions:
            if len(self._directions) >= MAX_EVENTS:
                self._directions.pop(next(iter(self._directions)))
            read = self.model.reader.read_style if line == "style" else self.model.reader.read_emotion
            embedding = torch.from_numpy(self.text.encode([text])[0]).to(self.device)
            self._directions[line, text] = read(embedding).cpu().numpy()
        return self._directions[line, text]
