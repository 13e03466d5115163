"""The face in real time, with the time played by the test: frames go on, in step with their sound, whatever comes."""

import numpy as np
import pytest

from captalk_ros.audio import NS_PER_S, AudioError, read_audio
from captalk_ros.head import open_head
from captalk_ros.realtime import (
    MAX_WAITING_CAPTIONS,
    CaptionChange,
    CaptionEncoder,
    RealtimeFace,
    TickTimes,
)
from captalk_ros.resources import resource_path
from captalk_ros.streamer import Streamer
from captalk_ros.timebase import FRAME_SAMPLES, SAMPLE_RATE_HZ

START_NS = 1_700_000_000 * NS_PER_S
FRAME_NS = FRAME_SAMPLES * NS_PER_S // SAMPLE_RATE_HZ
MS = 1_000_000
SAMPLE_NS = NS_PER_S // SAMPLE_RATE_HZ


@pytest.fixture(scope="module")
def loaded() -> Streamer:
    return Streamer.load(device="cpu")


@pytest.fixture
def face(loaded) -> RealtimeFace:
    loaded.reset()
    return RealtimeFace(loaded)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(resource_path("config", "demo.wav"))[: 2 * SAMPLE_RATE_HZ]


def chunks(samples: np.ndarray, stamp_ns: int, size: int = 320, delay_ns: int = 20 * MS) -> list:
    """(arrival, samples, rate, stamp) of samples that are sent in pieces, each a while after its first sample."""
    return [
        (stamp_ns + at * SAMPLE_NS + delay_ns, samples[at : at + size], SAMPLE_RATE_HZ, stamp_ns + at * SAMPLE_NS)
        for at in range(0, len(samples), size)
    ]


def play(face: RealtimeFace, arrivals: list, duration_s: float, phase_ns: int = 0, jitter_ns: int = 0) -> list:
    """Let a time pass with a tick every 40 ms; returns (now, stamp, frame) of each frame that left."""
    rng, arrivals, left = np.random.default_rng(0), sorted(arrivals, key=lambda a: a[0]), []
    for tick in range(round(duration_s * 25)):
        now_ns = START_NS + phase_ns + tick * FRAME_NS + int(rng.uniform(0, 1) * jitter_ns)
        while arrivals and arrivals[0][0] <= now_ns:
            arrival_ns, samples, rate_hz, stamp_ns = arrivals.pop(0)
            face.hear(samples, rate_hz, stamp_ns, arrival_ns)
        frames = face.tick(now_ns)
        assert len(frames) <= 3 and all(stamp_ns <= now_ns for stamp_ns, _ in frames)
        left += [(now_ns, stamp_ns, frame) for stamp_ns, frame in frames]
    return left


def test_without_sound_frames_go_on_at_their_rate(face):
    left = play(face, [], 2.0)
    stamps = [stamp for _, stamp, _ in left]
    assert set(np.diff(stamps)) == {FRAME_NS}
    assert abs(len(left) - 50) <= 8  # the first wait for the look-ahead
    assert [frame.index for _, _, frame in left] == list(range(len(left)))
    assert max(now - stamp for now, stamp, _ in left) <= 320 * MS


def test_without_sound_the_mouth_is_closed_and_the_face_lives(face):
    units = np.stack([frame.units for _, _, frame in play(face, [], 9.0)])[25:]
    gap_mm = open_head().lip_gap_mm(open_head().parameters(units))
    assert np.mean(gap_mm <= 1.5) >= 0.95
    assert units[:, 0].max() > 0.5, "no blink in 8 s"


def test_frames_are_those_of_the_sound_whatever_the_ticks(loaded, speech):
    arrivals = chunks(speech, START_NS + 1_000 * MS + 123)
    runs = []
    for phase_ns, jitter_ns in [(0, 0), (0, 35 * MS)]:
        loaded.reset()
        face = RealtimeFace(loaded)
        runs.append(play(face, arrivals, 3.5, phase_ns, jitter_ns))
    steady, jittered = ([(stamp, frame) for _, stamp, frame in run] for run in runs)
    speaking = steady[30:70]
    sample = next(frame.sample for stamp, frame in speaking)
    # The same stream, put together by hand: silence up to the first word, then the words.
    n_silent = round((arrivals[0][3] - steady[0][0]) / SAMPLE_NS)
    loaded.reset()
    loaded.push_audio(np.concatenate([np.zeros(n_silent, np.float32), speech, np.zeros(4_000, np.float32)]))
    whole = {frame.sample: frame for frame in iter(loaded.step, None)}
    assert sample in whole
    for (stamp, frame), (other_stamp, _) in zip(speaking, jittered[30:70], strict=True):
        assert np.array_equal(frame.motion, whole[frame.sample].motion)
        # A frame's stamp is that of its first sample: (sample - n_silent) samples after the first word.
        expected_ns = arrivals[0][3] + (frame.sample - n_silent) * SAMPLE_NS
        assert abs(stamp - expected_ns) <= SAMPLE_NS
        assert abs(other_stamp - stamp) < 35 * MS + FRAME_NS


def test_live_speech_is_shown_soon(face, speech):
    left = play(face, chunks(speech, START_NS), 2.0)
    late_ms = [(now - stamp) / MS for now, stamp, _ in left if stamp > START_NS + 200 * MS]
    # A whole frame, the look-ahead of two more, a chunk's rest and at most one tick.
    assert max(late_ms) <= 40 + 80 + 20 + 40


def test_a_sentence_in_one_message_is_shown_when_it_is_heard(face, speech):
    sentence = (START_NS + 500 * MS, speech, SAMPLE_RATE_HZ, START_NS + 500 * MS)
    left = play(face, [sentence], 2.4)
    shown = [(now, stamp) for now, stamp, _ in left if stamp >= START_NS + 500 * MS]
    assert len(shown) >= 40
    assert all(0 <= now - stamp <= FRAME_NS for now, stamp in shown[3:])


def test_sound_without_stamps_follows_on_itself(face, speech):
    arrivals = [(arrival, samples, rate_hz, 0) for arrival, samples, rate_hz, _ in chunks(speech, START_NS)]
    left = play(face, arrivals, 2.0)
    assert set(np.diff([stamp for _, stamp, _ in left])) == {FRAME_NS}
    assert face.audio.n_jumps == 0


def test_big_chunks_that_come_late_are_waited_for_after_the_first(face, speech):
    arrivals = chunks(speech, START_NS + 300 * MS, size=4_096, delay_ns=300 * MS)
    left = play(face, arrivals, 2.5)
    assert face.audio.n_jumps == 0 and face.audio.n_gap_samples == 0
    assert face.audio.n_dropped_samples <= 0.2 * SAMPLE_RATE_HZ  # of the first, in whose place there was silence
    assert set(np.diff([stamp for _, stamp, _ in left])) == {FRAME_NS}


def test_sound_that_waited_while_the_machine_stood_still_is_not_lost(face, speech):
    live = chunks(speech, START_NS)
    stall_from_ns, stall_to_ns = START_NS + NS_PER_S // 2, START_NS + 3 * NS_PER_S // 2
    left = [(a, *rest) for a, *rest in live if a < stall_from_ns]
    shown = play(face, left, 0.5)
    waiting = [chunk for chunk in live if stall_from_ns <= chunk[0] < stall_to_ns]
    frames = face.tick(stall_to_ns)  # the timer comes first, then what has been received
    for _, samples, rate_hz, stamp_ns in waiting:
        face.hear(samples, rate_hz, stamp_ns, stall_to_ns)
    for tick in range(1, 30):
        frames += face.tick(stall_to_ns + tick * FRAME_NS)
    stamps = [stamp for _, stamp, _ in shown] + [stamp for stamp, _ in frames]
    assert face.audio.n_dropped_samples == 0 and face.audio.n_jumps == 0
    assert set(np.diff(stamps)) == {FRAME_NS}


@pytest.mark.parametrize("jump_s", [-3_600, -1.5, 2.5, 3_600])
def test_a_clock_that_jumps_stops_no_frame(face, speech, jump_s):
    jump_ns = int(jump_s * NS_PER_S)
    before = play(face, chunks(speech, START_NS), 2.0)
    after = []
    for tick in range(50):
        now_ns = START_NS + 2 * NS_PER_S + jump_ns + tick * FRAME_NS
        after += [(now_ns, stamp, frame) for stamp, frame in face.tick(now_ns)]
    assert 44 <= len(after) <= 56
    assert after[0][2].index == before[-1][2].index + 1
    assert all(now - 400 * MS <= stamp <= now for now, stamp, _ in after[10:])


@pytest.mark.parametrize("offset_s", [-3_600, -10])
def test_a_source_whose_clock_is_behind_is_followed_and_silence_after_it_too(face, speech, offset_s):
    offset_ns = offset_s * NS_PER_S
    arrivals = [
        (arrival, samples, rate_hz, stamp + offset_ns) for arrival, samples, rate_hz, stamp in chunks(speech, START_NS)
    ]
    left = play(face, arrivals, 3.0)
    late_ms = [(now + offset_ns - stamp) / MS for now, stamp, frame in left[10:]]
    assert len(left) >= 65 and min(late_ms) >= -1 and max(late_ms) <= 400


def test_bad_chunks_change_nothing(loaded, speech):
    runs = []
    for bad in ([], [np.zeros(0, np.int16), np.full(10, np.nan), np.zeros(10, np.int8)]):
        loaded.reset()
        face = RealtimeFace(loaded)
        left = []
        for now_ns, samples, rate_hz, stamp_ns in chunks(speech[:8_000], START_NS):
            face.hear(samples, rate_hz, stamp_ns, now_ns)
            for junk in bad:
                with pytest.raises(AudioError):
                    face.hear(junk, rate_hz, stamp_ns, now_ns)
            with pytest.raises(AudioError):
                face.hear(samples, 7, stamp_ns, now_ns)
            with pytest.raises(AudioError, match="ahead"):
                face.hear(samples, rate_hz, stamp_ns + 3_600 * NS_PER_S, now_ns)
            left += [(stamp, frame.motion.tolist()) for stamp, frame in face.tick(now_ns)]
        runs.append(left)
    assert runs[0] == runs[1] and len(runs[0]) > 8


def test_more_sound_than_two_minutes_ahead_is_refused(face):
    minute = np.zeros(60 * SAMPLE_RATE_HZ, np.int16)
    for _ in range(2):
        face.hear(minute, SAMPLE_RATE_HZ, 0, START_NS)
    with pytest.raises(AudioError, match="ahead of the face"):
        face.hear(minute, SAMPLE_RATE_HZ, 0, START_NS)


def test_captions_reach_the_face_and_of_too_many_the_newest_win(face):
    encoder = CaptionEncoder(face)
    for number in range(5 * MAX_WAITING_CAPTIONS):
        encoder.submit(CaptionChange("", f"joy number {number}", 0.0))
    encoder.submit(CaptionChange("calm", "furious", 0.0))
    encoder.close()  # after what waits has been encoded
    encoder.apply()
    assert encoder.active == {"style": "calm", "emotion": "furious"}


def test_missed_ticks_are_counted_and_work_is_summed_up():
    times = TickTimes()
    for tick in [*range(100), *range(103, 200)]:
        times.add(tick * 0.04, 0.002 if tick % 50 else 0.01, 1)
    summary = times.summary()
    assert summary["n_missed"] == 3
    assert summary["p50_ms"] == pytest.approx(2.0) and 2.0 < summary["p99_ms"] <= 10.0
    assert summary["rate_hz"] == pytest.approx(197 / 8)
