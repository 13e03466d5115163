"""The streaming core with the shipped weights: what a frame shows depends on samples, captions and seed alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captalk_ros.animate import Animation, animate, animate_motion
from captalk_ros.audio import read_audio
from captalk_ros.captions import Caption
from captalk_ros.head import open_head
from captalk_ros.motion import UNITS, unit_indices
from captalk_ros.resources import resource_path
from captalk_ros.streamer import Streamer
from captalk_ros.timebase import FRAME_SAMPLES, SAMPLE_RATE_HZ

CAPTIONS = [Caption(0.0, "speaks normally", "neutral"), Caption(1.0, "", "furious about the delay")]


@pytest.fixture(scope="module")
def streamer() -> Streamer:
    return Streamer.load(device="cpu")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(resource_path("config", "demo.wav"))[: 3 * SAMPLE_RATE_HZ]


def stream(streamer: Streamer, samples: np.ndarray, sizes: list[int]) -> list:
    """Push chunks of the given sizes in turn, taking frames as they come."""
    streamer.reset()
    streamer.set_captions("speaks normally", "neutral", at_sample=0)
    streamer.set_captions(emotion="furious about the delay", at_sample=SAMPLE_RATE_HZ)
    frames, start, turn = [], 0, 0
    while start < len(samples):
        streamer.push_audio(samples[start : start + sizes[turn % len(sizes)]])
        start, turn = start + sizes[turn % len(sizes)], turn + 1
        while (frame := streamer.step()) is not None:
            frames.append(frame)
    return frames


@settings(max_examples=5, deadline=None)
@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_odd_chunks_give_the_same_frames_to_the_bit(streamer, speech, sizes):
    whole = stream(streamer, speech, [len(speech)])
    chunked = stream(streamer, speech, [size + 50 for size in sizes])
    assert [frame.index for frame in chunked] == [frame.index for frame in whole]
    assert all(np.array_equal(a.motion, b.motion) for a, b in zip(chunked, whole, strict=True))


def test_a_frame_comes_as_soon_as_its_look_ahead_is_heard(streamer, speech):
    streamer.reset()
    streamer.push_audio(speech[: FRAME_SAMPLES + streamer.lookahead_samples - 1])
    assert streamer.step() is None
    streamer.push_audio(speech[:1])
    frame = streamer.step()
    assert (frame.index, frame.sample) == (0, 0)


def test_sound_beyond_the_look_ahead_does_not_matter(streamer, speech):
    n_heard = 30 * FRAME_SAMPLES
    other = np.concatenate([speech[:n_heard], -speech[n_heard:]])
    n_equal = 30 - streamer.lookahead_samples // FRAME_SAMPLES
    a, b = animate_motion(streamer, speech), animate_motion(streamer, other)
    assert np.array_equal(a[:n_equal], b[:n_equal]) and not np.array_equal(a, b)


def test_a_seed_repeats_the_face(speech):
    faces = [animate_motion(Streamer.load(seed=seed, device="cpu"), speech, CAPTIONS) for seed in (1, 1, 2)]
    assert np.array_equal(faces[0], faces[1]) and not np.array_equal(faces[0], faces[2])


def test_the_mouth_moves_with_speech_and_rests_in_silence(streamer, speech):
    head = open_head()
    spoken = animate(streamer, head, speech).lip_gap_mm
    silent = animate(streamer, head, np.zeros(5 * SAMPLE_RATE_HZ, np.float32))
    assert spoken.max() > 5.0
    assert silent.lip_gap_mm[10:].max() < 1.5
    assert silent.head_rotation.std(axis=0).max() > 0.005  # alive


def test_an_emotion_changes_the_face_in_mid_sentence_and_not_before(streamer, speech):
    changed = animate_motion(streamer, speech, CAPTIONS)
    neutral = animate_motion(streamer, speech, CAPTIONS[:1])
    brows = unit_indices("browDown")
    assert np.array_equal(changed[:25], neutral[:25])
    assert changed[45:, brows].mean() > neutral[45:, brows].mean() + 0.2


def test_an_empty_caption_leaves_things_as_they_are(streamer, speech):
    kept = [*CAPTIONS[:1], Caption(1.0, "", "")]
    assert np.array_equal(animate_motion(streamer, speech, kept), animate_motion(streamer, speech, CAPTIONS[:1]))


@pytest.mark.parametrize(
    "text", ["", "x" * 10_000, "sehr traurig, weil der Zug weg ist", "怒っている", "\x00\x1b[31m", "😡" * 50]
)
def test_any_caption_gives_a_sound_face(streamer, speech, text):
    motion = animate_motion(streamer, speech[:16000], [Caption(0.0, text, text)])
    assert np.isfinite(motion).all() and motion[:, UNITS].min() >= 0 and motion[:, UNITS].max() <= 1


def test_one_sample_and_no_sample(streamer):
    assert len(animate_motion(streamer, np.zeros(1, np.float32))) == 1
    assert animate_motion(streamer, np.zeros(0, np.float32)).shape == (0, 55)


@pytest.mark.parametrize("samples", [np.asarray([0.1, np.nan]), np.zeros((2, 2)), np.asarray([np.inf])])
def test_bad_samples_are_refused_and_the_stream_goes_on(streamer, speech, samples):
    streamer.reset()
    streamer.push_audio(speech[:FRAME_SAMPLES])
    with pytest.raises(ValueError, match="expected"):
        streamer.push_audio(samples)
    assert streamer.n_pending_samples == FRAME_SAMPLES


def test_loud_noise_is_clipped_not_trusted(streamer):
    noise = 100 * np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
    motion = animate_motion(streamer, noise)
    assert np.isfinite(motion).all() and np.abs(motion).max() < 2


def test_an_animation_survives_its_file(streamer, speech, tmp_path):
    animation = animate(streamer, open_head(), speech[:16000], CAPTIONS)
    animation.save(tmp_path / "a.npz")
    again = Animation.load(tmp_path / "a.npz")
    assert all(np.array_equal(value, getattr(again, name)) for name, value in vars(animation).items())
    assert again.units.shape == (25, 52) and again.eye_pose.shape == (25, 6)
