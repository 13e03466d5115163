"""Sound in: files of every kind, and streams whose clock stays true whatever the chunks."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from captalk_ros.audio import (
    MAX_GAP_NS,
    NS_PER_S,
    NS_PER_SAMPLE,
    AudioError,
    AudioInput,
    read_audio,
    resample,
    to_int16,
    write_wav,
)
from captalk_ros.timebase import SAMPLE_RATE_HZ

RATES_HZ = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 192_000)
START_NS = 1_700_000_000 * NS_PER_S


def tone(n_samples: int, rate_hz: int = SAMPLE_RATE_HZ, tone_hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * tone_hz * np.arange(n_samples) / rate_hz)).astype(np.float32)


def push_all(stream: AudioInput, samples: np.ndarray, rate_hz: int, sizes: list[int], start_ns: int) -> np.ndarray:
    """Push samples in chunks of the given sizes (repeated), stamped by sample count."""
    parts, at, i = [], 0, 0
    while at < len(samples):
        size = sizes[i % len(sizes)]
        parts.append(stream.push(samples[at : at + size], rate_hz, start_ns + at * NS_PER_S // rate_hz))
        at, i = at + size, i + 1
    return np.concatenate(parts)


# Files


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "PCM_U8"])
def test_every_rate_and_sample_type_reads_as_the_same_sound(tmp_path, rate_hz, subtype):
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.stack([tone(rate_hz, rate_hz)] * 2, axis=1), rate_hz, subtype=subtype)
    samples = read_audio(path)
    assert samples.dtype == np.float32 and abs(len(samples) - SAMPLE_RATE_HZ) <= 1
    middle = np.arange(1_000, 15_000)
    turns = middle * 440 / SAMPLE_RATE_HZ
    phasor = 2 * (samples[middle] * np.exp(-2j * np.pi * turns)).mean() * 1j  # 0.5 at no lag
    assert abs(abs(phasor) - 0.5) < 0.01
    assert abs(np.angle(phasor)) / (2 * np.pi * 440) < 0.0002  # s
    assert np.abs(samples[middle] - np.imag(phasor * np.exp(2j * np.pi * turns))).max() < 0.01


def test_a_wav_comes_back_as_written(tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, 5_000).astype(np.float32)
    write_wav(tmp_path / "a.wav", samples)
    assert np.abs(read_audio(tmp_path / "a.wav") - samples).max() <= 1 / 32_768


def test_a_wav_of_one_sample_is_read(tmp_path):
    write_wav(tmp_path / "one.wav", np.array([0.25], np.float32))
    assert read_audio(tmp_path / "one.wav").tolist() == [0.25]


def test_samples_that_are_no_number_or_too_loud_are_tamed(tmp_path):
    sound = np.array([0.1, np.nan, np.inf, -np.inf, 7.0, -7.0], np.float32)
    soundfile.write(tmp_path / "mad.wav", sound, SAMPLE_RATE_HZ, subtype="FLOAT")
    assert read_audio(tmp_path / "mad.wav") == pytest.approx([0.1, 0, 1, -1, 1, -1])


def test_a_wav_from_a_pipe_without_a_size_is_read(tmp_path):
    write_wav(tmp_path / "pipe.wav", tone(1_600))
    data = bytearray((tmp_path / "pipe.wav").read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "pipe.wav").write_bytes(data)
    assert len(read_audio(tmp_path / "pipe.wav")) == 1_600


def write_bad_files(folder):
    write_wav(folder / "whole.wav", tone(16_000))
    whole = (folder / "whole.wav").read_bytes()
    (folder / "empty.wav").write_bytes(b"")
    (folder / "cut_header.wav").write_bytes(whole[:20])
    (folder / "truncated.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "text.wav").write_text("this is no sound\n" * 20)
    write_wav(folder / "no_samples.wav", np.zeros(0, np.float32))
    soundfile.write(folder / "flac.flac", tone(16_000), SAMPLE_RATE_HZ)
    flac = (folder / "flac.flac").read_bytes()
    (folder / "truncated.flac").write_bytes(flac[: len(flac) // 2])
    soundfile.write(folder / "slow.wav", tone(1_000), 1_000)
    (folder / "folder.wav").mkdir()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.wav", "no such file"),
        ("folder.wav", "no such file"),
        ("empty.wav", "0 bytes"),
        ("cut_header.wav", "cannot be read as sound"),
        ("truncated.wav", "truncated"),
        ("truncated.flac", "cannot be read as sound"),
        ("text.wav", "cannot be read as sound"),
        ("no_samples.wav", "0 samples"),
        ("slow.wav", "1000 Hz"),
    ],
)
def test_bad_files_are_refused_in_one_line_that_names_them(tmp_path, name, says):
    write_bad_files(tmp_path)
    with pytest.raises(AudioError, match=says) as refusal:
        read_audio(tmp_path / name)
    assert name in str(refusal.value) and "\n" not in str(refusal.value)


# Streams


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from([*RATES_HZ, 4_001, 44_099]),
    sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=8),
    n_samples=st.integers(1, 20_000),
)
def test_chunks_of_any_size_give_the_whole_to_the_bit(rate_hz, sizes, n_samples):
    sound = np.random.default_rng(n_samples).uniform(-0.9, 0.9, n_samples).astype(np.float32)
    sizes = [max(size, n_samples // 50) for size in sizes]
    stream = AudioInput()
    streamed = push_all(stream, sound, rate_hz, sizes, START_NS)
    streamed = np.concatenate([streamed, stream.push(tone(160), SAMPLE_RATE_HZ, stream.next_stamp_ns)[:-160]])
    whole = resample(sound, rate_hz)
    # Opening a 16 kHz chunk lets out what the resampler still held.
    expected = whole if rate_hz != SAMPLE_RATE_HZ else sound
    assert np.array_equal(streamed, expected)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_click_keeps_its_stamp_at_every_rate(rate_hz):
    sound = np.zeros(rate_hz, np.float32)
    click_s = 0.5
    sound[int(click_s * rate_hz)] = 1.0
    stream = AudioInput()
    stream.push(np.zeros(rate_hz // 50, np.float32), rate_hz, START_NS - NS_PER_S // 50)
    before = stream.n_samples
    heard = push_all(stream, sound, rate_hz, [rate_hz // 50], START_NS)
    click = before + int(np.argmax(np.abs(heard)))
    assert abs(stream.stamp_of(click) - (START_NS + click_s * NS_PER_S)) < 3 * NS_PER_SAMPLE


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_clock_does_not_drift_and_the_delay_stays_small(rate_hz):
    stream = AudioInput()
    chunk = tone(rate_hz // 50, rate_hz)
    stamps = np.cumsum(np.full(1_000, len(chunk))) - len(chunk)
    for n_before in stamps:
        stream.push(chunk, rate_hz, START_NS + int(n_before) * NS_PER_S // rate_hz)
    end_ns = START_NS + 1_000 * len(chunk) * NS_PER_S // rate_hz
    assert 0 <= end_ns - stream.stamp_of(stream.n_samples) <= 35_000_000
    assert stream.n_jumps == stream.n_gap_samples == 0


def test_sixteen_kilohertz_passes_through_untouched():
    sound = to_int16(tone(3_200))
    assert np.array_equal(AudioInput().push(sound, SAMPLE_RATE_HZ, 0), sound / np.float32(32_768))


def test_stereo_and_int16_are_the_mean_in_float():
    chunk = np.array([[16_384, 0], [-32_768, 0]], np.int16)
    assert AudioInput().push(chunk, SAMPLE_RATE_HZ, 0).tolist() == [0.25, -0.5]


def test_a_lost_chunk_becomes_silence_and_the_stamps_stay_true():
    stream, sound = AudioInput(), tone(1_600)
    stream.push(sound[:320], SAMPLE_RATE_HZ, START_NS)
    heard = stream.push(sound[640:960], SAMPLE_RATE_HZ, START_NS + 640 * NS_PER_SAMPLE)
    assert np.array_equal(heard, np.concatenate([np.zeros(320, np.float32), sound[640:960]]))
    assert stream.stamp_of(640) == START_NS + 640 * NS_PER_SAMPLE
    assert stream.n_gap_samples == 320


def test_what_was_heard_already_is_dropped():
    stream, sound = AudioInput(), tone(1_600)
    stream.push(sound[:640], SAMPLE_RATE_HZ, START_NS)
    assert len(stream.push(sound[:640], SAMPLE_RATE_HZ, START_NS)) == 0
    late = stream.push(sound[320:960], SAMPLE_RATE_HZ, START_NS + 320 * NS_PER_SAMPLE)
    assert np.array_equal(late, sound[640:960])
    assert stream.stamp_of(stream.n_samples) == START_NS + 960 * NS_PER_SAMPLE


def test_stamps_that_jitter_lose_no_sound():
    rng, stream, sound = np.random.default_rng(3), AudioInput(), tone(16_000)
    heard = [
        stream.push(sound[at : at + 320], SAMPLE_RATE_HZ, START_NS + at * NS_PER_SAMPLE + int(rng.uniform(0, 14e6)))
        for at in range(0, 16_000, 320)
    ]
    assert np.array_equal(np.concatenate(heard), sound)


@pytest.mark.parametrize("jump_ns", [-3_600 * NS_PER_S, -2 * NS_PER_S, 3 * NS_PER_S, 3_600 * NS_PER_S])
def test_a_jump_of_the_clock_starts_it_anew_and_loses_nothing(jump_ns):
    stream, sound = AudioInput(), tone(1_280)
    stream.push(sound[:640], SAMPLE_RATE_HZ, START_NS)
    heard = stream.push(sound[640:], SAMPLE_RATE_HZ, START_NS + jump_ns)
    assert np.array_equal(heard, sound[640:]) and stream.n_jumps == 1
    assert stream.stamp_of(639) == START_NS + 639 * NS_PER_SAMPLE
    assert stream.stamp_of(640) == START_NS + jump_ns


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_silence_goes_on_to_a_stamp_and_speech_resumes_at_its_own(rate_hz):
    stream = AudioInput()
    stream.fill_silence(START_NS)
    assert stream.n_samples == 0
    stream.push(tone(rate_hz // 50, rate_hz), rate_hz, START_NS)
    stream.fill_silence(START_NS + 300_000_000)
    stream.fill_silence(START_NS + 200_000_000)
    resumed_ns = START_NS + 500_000_123
    stream.push(tone(rate_hz // 10, rate_hz), rate_hz, resumed_ns)
    assert stream.n_jumps == 0
    assert abs(stream.sample_at(resumed_ns) - 8_000) <= 1
    assert abs(stream.stamp_of(stream.sample_at(resumed_ns)) - resumed_ns) < NS_PER_SAMPLE
    assert abs(stream.next_stamp_ns - (resumed_ns + 100_000_000)) < NS_PER_SAMPLE * 2


def test_a_long_pause_is_not_filled_at_once():
    stream = AudioInput()
    stream.push(tone(640), SAMPLE_RATE_HZ, START_NS)
    assert len(stream.fill_silence(START_NS + 10 * MAX_GAP_NS)) == 0
    assert stream.next_stamp_ns == START_NS + 10 * MAX_GAP_NS


def test_a_change_of_rate_in_mid_stream_keeps_the_clock():
    stream = AudioInput()
    parts = [stream.push(tone(4_410, 44_100), 44_100, START_NS)]
    parts.append(stream.push(tone(8_000), SAMPLE_RATE_HZ, START_NS + NS_PER_S // 10))
    heard = np.concatenate(parts)
    assert len(heard) == 9_600 and stream.n_jumps == stream.n_gap_samples == 0
    assert stream.stamp_of(9_600) == pytest.approx(START_NS + 0.6 * NS_PER_S, abs=NS_PER_SAMPLE)
    # 0.1 s holds a whole number of periods, so the tone goes on without a seam.
    assert np.abs(heard[400:1_200] - tone(16_000)[400:1_200]).max() < 0.3
    assert np.abs(heard[1_700:] - tone(16_000)[1_700:9_600]).max() < 1e-3


@pytest.mark.parametrize(
    ("samples", "rate_hz", "says"),
    [
        (np.zeros(0, np.int16), 16_000, "0 samples"),
        (np.zeros(10, np.int16), 3_999, "3999 Hz"),
        (np.zeros(10, np.int16), 0, "0 Hz"),
        (np.zeros(10, np.int16), 192_001, "192001 Hz"),
        (np.array([0.0, np.nan], np.float32), 16_000, "not finite"),
        (np.array([0.0, np.inf], np.float32), 16_000, "not finite"),
        (np.zeros(10, np.uint8), 16_000, "uint8"),
        (np.zeros((2, 2, 2), np.float32), 16_000, "shape"),
        (np.zeros((2, 100), np.float32), 16_000, "shape"),
    ],
)
def test_bad_chunks_are_refused_and_nothing_received_is_lost(samples, rate_hz, says):
    sound, stream, undisturbed = tone(4_410, 44_100), AudioInput(), AudioInput()
    expected = push_all(undisturbed, sound, 44_100, [441], START_NS)
    first = push_all(stream, sound[:2_205], 44_100, [441], START_NS)
    with pytest.raises(AudioError, match=says):
        stream.push(samples, rate_hz, START_NS)
    second = push_all(stream, sound[2_205:], 44_100, [441], START_NS + NS_PER_S // 20)
    assert np.array_equal(np.concatenate([first, second]), expected)


def test_without_sound_there_are_no_stamps():
    with pytest.raises(AudioError, match="no sound"):
        AudioInput().stamp_of(0)
