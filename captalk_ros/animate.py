"""A whole recording through the streamer: samples and captions in, an `Animation` out."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from captalk_ros.captions import Caption
from captalk_ros.errors import InputError
from captalk_ros.head import Head
from captalk_ros.motion import HEAD_ROTATION, UNIT_NAMES, UNITS
from captalk_ros.streamer import Streamer
from captalk_ros.timebase import FPS, FRAME_SAMPLES, SAMPLE_RATE_HZ, frame_time_s, seconds_to_samples

_PUSH_SAMPLES = SAMPLE_RATE_HZ  # audio goes in a second at a time, so that long recordings do not pile up


class AnimationError(InputError):
    """A file that holds no animation."""


@dataclass
class Animation:
    """Motion of a recording, one row a frame; the layout of the `.npz` file.

    Attributes:
        fps: frames a second.
        time_s: [T] times of the frames' first samples.
        units: [T, 52] ARKit units in [0, 1].
        unit_names: [52].
        head_rotation: [T, 3] axis-angle in rad.
        expression: [T, E] coefficients of `head_model`.
        jaw_pose, neck_pose: [T, 3] axis-angle in rad.
        eye_pose: [T, 6] axis-angle in rad, left then right.
        lip_gap_mm: [T].
        head_model: name of the head that the coefficients belong to.
        caption_time_s, caption_style, caption_emotion: [N] the captions, as they were given.
    """

    fps: np.ndarray
    time_s: np.ndarray
    units: np.ndarray
    unit_names: np.ndarray
    head_rotation: np.ndarray
    expression: np.ndarray
    jaw_pose: np.ndarray
    neck_pose: np.ndarray
    eye_pose: np.ndarray
    lip_gap_mm: np.ndarray
    head_model: np.ndarray
    caption_time_s: np.ndarray
    caption_style: np.ndarray
    caption_emotion: np.ndarray

    @classmethod
    def from_motion(cls, motion: np.ndarray, head: Head, captions: Sequence[Caption] = ()) -> "Animation":
        """Motion [T, 55] on a head."""
        parameters = head.parameters(motion[:, UNITS], motion[:, HEAD_ROTATION])
        return cls(
            fps=np.asarray(FPS),
            time_s=np.asarray([frame_time_s(k) for k in range(len(motion))]),
            units=motion[:, UNITS],
            unit_names=np.asarray(UNIT_NAMES),
            head_rotation=motion[:, HEAD_ROTATION],
            expression=parameters.expression,
            jaw_pose=parameters.jaw_pose,
            neck_pose=parameters.neck_pose,
            eye_pose=parameters.eye_pose,
            lip_gap_mm=head.lip_gap_mm(parameters),
            head_model=np.asarray(head.name),
            caption_time_s=np.asarray([caption.time_s for caption in captions], np.float64),
            caption_style=np.asarray([caption.style for caption in captions], np.str_),
            caption_emotion=np.asarray([caption.emotion for caption in captions], np.str_),
        )

    def save(self, path: Path | str) -> None:
        """Write the `.npz` file."""
        with Path(path).open("wb") as file:
            np.savez_compressed(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path | str) -> "Animation":
        """Read the `.npz` file.

        Raises:
            AnimationError: no such file, or not an animation.
        """
        names = {field.name for field in fields(cls)}
        try:
            with np.load(path, allow_pickle=False) as file:
                missing = names - set(file.files)
                if missing:
                    raise AnimationError(f"{path}: lacks {', '.join(sorted(missing))}; expected an animation .npz")
                return cls(**{name: file[name] for name in names})
        except FileNotFoundError as error:
            raise AnimationError(f"{path}: no such file") from error
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, AttributeError) as error:
            if isinstance(error, AnimationError):
                raise
            raise AnimationError(f"{path}: not an animation .npz ({error})") from error


def animate_motion(
    streamer: Streamer,
    samples: np.ndarray,
    captions: Sequence[Caption] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Stream a whole recording.

    Args:
        streamer: is reset first.
        samples: [N] float32 mono at 16 kHz.
        captions: with the times at which they take effect.
        progress: called with frames done and all frames.

    Returns:
        [T, 55] float32 with T = ceil(N / 640): the last frames hear silence after the end.
    """
    streamer.reset()
    for caption in sorted(captions, key=lambda caption: caption.time_s):
        at_sample = seconds_to_samples(caption.time_s)
        streamer.set_captions(caption.style, caption.emotion, at_sample, caption.transition_s)
    n_frames = -(-len(samples) // FRAME_SAMPLES)
    silence = n_frames * FRAME_SAMPLES - len(samples) + streamer.lookahead_samples
    samples = np.concatenate([samples, np.zeros(silence, np.float32)])
    frames = []
    for start in range(0, len(samples), _PUSH_SAMPLES):
        streamer.push_audio(samples[start : start + _PUSH_SAMPLES])
        while (frame := streamer.step()) is not None:
            frames.append(frame.motion)
        progress(len(frames), n_frames)
    return np.stack(frames) if frames else np.zeros((0, UNITS.stop + 3), np.float32)


def animate(
    streamer: Streamer,
    head: Head,
    samples: np.ndarray,
    captions: Sequence[Caption] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Animation:
    """`animate_motion` on a head, as an `Animation`."""
    return Animation.from_motion(animate_motion(streamer, samples, captions, progress), head, captions)
