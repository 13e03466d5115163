"""Sound in: files, and chunks with stamps, both become 16 kHz mono samples on one clock.

Everything here depends on samples, rates and stamps alone, never on when a function was called: the same chunks
give the same samples to the bit. Files and streams go through the same resampler, so both give equal samples.
"""

import re
from collections import deque
from pathlib import Path

import numpy as np
import soundfile
import soxr

from captalk_ros.errors import InputError
from captalk_ros.timebase import SAMPLE_RATE_HZ

NS_PER_S = 1_000_000_000
NS_PER_SAMPLE = NS_PER_S // SAMPLE_RATE_HZ  # 62,500: exact
MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 192_000
MAX_CHANNELS = 64
STAMP_TOLERANCE_NS = 15_000_000  # stamps of live sources jitter by about this much: no sound is missing
MAX_GAP_NS = 2 * NS_PER_S  # what is missing longer is not filled: the clock starts anew
MAX_OVERLAP_NS = NS_PER_S  # what is heard twice is dropped; further back, the source's clock has jumped
N_ANCHORS = 256

# A wav written to a pipe has no size yet; libsndfile reads what is there, and so do we.
_UNKNOWN_SIZE_BYTES = 0x7FFF_0000
_WAV_SIZES = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)


class AudioError(InputError):
    """Sound that cannot be used; the message says in one line what came and what was expected."""


def read_audio(path: str | Path) -> np.ndarray:
    """Read a sound file of any format libsndfile knows, any channels, 4 to 192 kHz.

    Returns:
        float32 [N] mono at 16 kHz in [-1, 1], N >= 1; samples that are no number become 0.

    Raises:
        AudioError: the file is missing, empty, truncated or no sound file.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes), expected a sound file")
    try:
        with soundfile.SoundFile(path) as file:
            expected, rate_hz, header = file.frames, file.samplerate, file.extra_info
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: cannot be read as sound ({error.error_string.strip()})") from None
    _check_complete(path, expected, len(samples), header)
    _check_rate(rate_hz, f"{path}: ")
    samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return resample(np.clip(samples, -1.0, 1.0).mean(axis=1, dtype=np.float32), rate_hz)


def _check_complete(path: Path, n_expected: int, n_read: int, header: str) -> None:
    """Refuse a file that holds nothing or less than its header promises."""
    if n_read == 0:
        raise AudioError(f"{path}: holds 0 samples, expected at least 1")
    if n_read < n_expected:
        raise AudioError(f"{path}: truncated, holds {n_read} samples of {n_expected}")
    sizes = _WAV_SIZES.search(header)
    if sizes and int(sizes[2]) < int(sizes[1]) < _UNKNOWN_SIZE_BYTES:
        raise AudioError(f"{path}: truncated, holds {sizes[2]} bytes of sound of {sizes[1]}")


def _check_rate(rate_hz: int, where: str = "") -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise AudioError(f"{where}sample rate is {rate_hz} Hz, expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")


def write_wav(path: str | Path, samples: np.ndarray) -> None:
    """Write float [N] samples in [-1, 1] (clipped) as a 16-bit mono wav at 16 kHz."""
    soundfile.write(path, to_int16(samples), SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")


def to_int16(samples: np.ndarray) -> np.ndarray:
    """float samples in [-1, 1] (clipped) as int16; the inverse of `to_mono` for one channel."""
    return np.clip(np.rint(np.asarray(samples) * 32_768.0), -32_768, 32_767).astype(np.int16)


def to_mono(samples: np.ndarray) -> np.ndarray:
    """One chunk as float32 [n] mono in [-1, 1]; several channels [n, channels] are averaged.

    Raises:
        AudioError: no samples, another type than int16 or float, or values that are no number.
    """
    samples = np.asarray(samples)
    if samples.size == 0:
        raise AudioError("a chunk of 0 samples, expected at least 1")
    if samples.ndim > 2 or (samples.ndim == 2 and samples.shape[1] > MAX_CHANNELS):
        raise AudioError(f"a chunk of shape {samples.shape}, expected [n] or [n, channels <= {MAX_CHANNELS}]")
    if samples.dtype == np.int16:
        samples = samples.astype(np.float32) / 32_768.0
    elif samples.dtype.kind != "f":
        raise AudioError(f"samples of type {samples.dtype}, expected int16 or float")
    elif not np.isfinite(samples).all():
        raise AudioError("a chunk with samples that are not finite numbers")
    samples = np.clip(samples, -1.0, 1.0).astype(np.float32, copy=False)
    return samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float32)


def resample(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Whole float32 [n] at `rate_hz` as float32 [N] at 16 kHz: what the streaming resampler gives, to the bit."""
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    stream = _open_resampler(rate_hz)
    resampled = np.concatenate([stream.resample_chunk(samples), _flush(stream)])
    return np.clip(resampled, -1.0, 1.0)


def _open_resampler(rate_hz: int) -> soxr.ResampleStream:
    """A streaming resampler to 16 kHz; output sample i is the sound at i / 16000 s of the input.

    The variable-rate engine holds back a constant 10 to 30 ms; the fixed-rate one works in blocks and holds back
    up to 115 ms at 8 kHz, which a face in conversation cannot afford. Its filters shift by at most 0.2 ms.
    """
    return soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ", vr=True)


def _flush(stream: soxr.ResampleStream) -> np.ndarray:
    return stream.resample_chunk(np.zeros(0, np.float32), last=True)


class AudioInput:
    """Turns chunks of any rate and channel count, with stamps, into one 16 kHz mono stream with a sample clock.

    The stream never goes back: its samples are counted from 0 on. The clock maps a sample to the stamp of its sound.
    Stamps within 15 ms of the clock are jitter; a gap of up to 2 s is filled with silence; what was heard already is
    dropped; any other jump starts the clock anew at the chunk's stamp (`n_jumps` counts them).
    """

    def __init__(self) -> None:
        self.n_samples = 0  # 16 kHz samples given out so far
        self.n_jumps = 0  # times the clock started anew
        self.n_gap_samples = 0  # 16 kHz samples of silence put in by push
        self.n_dropped_samples = 0  # at 16 kHz, heard already (or silence stood in for them)
        self._rate_hz = SAMPLE_RATE_HZ
        self._resampler: soxr.ResampleStream | None = None
        self._segment_start = 0  # output sample at which the present resampler began
        self._n_in = 0  # input samples since then
        self._next_stamp_base = (0, 0)  # (input samples, stamp in ns) of the last anchor
        self._anchors: deque[tuple[int, int]] = deque(maxlen=N_ANCHORS)  # (output sample, stamp in ns)

    @property
    def next_stamp_ns(self) -> int | None:
        """Stamp that the next input sample has on the clock; None before the first."""
        if not self._anchors:
            return None
        n_in, stamp_ns = self._next_stamp_base
        return stamp_ns + (self._n_in - n_in) * NS_PER_S // self._rate_hz

    def push(self, samples: np.ndarray, sample_rate_hz: int, stamp_ns: int) -> np.ndarray:
        """Take one chunk: int16 or float [n] or [n, channels], `stamp_ns` being that of its first sample.

        Returns:
            float32 [m], the 16 kHz samples that became complete (m may be 0; all but 16 kHz lags by 10 to 60 ms).

        Raises:
            AudioError: a chunk that cannot be used; the stream is as it was before.
        """
        mono = to_mono(samples)
        _check_rate(sample_rate_hz)
        parts = [] if sample_rate_hz == self._rate_hz else [self._switch_rate(sample_rate_hz)]
        early_ns = 0 if self.next_stamp_ns is None else self.next_stamp_ns - stamp_ns
        if not self._anchors or not -MAX_GAP_NS <= early_ns <= MAX_OVERLAP_NS:
            self.n_jumps += bool(self._anchors)
            self._anchor(stamp_ns)
        elif early_ns < -STAMP_TOLERANCE_NS:
            silence = self._feed(np.zeros(self._count(-early_ns), np.float32))
            self.n_gap_samples += len(silence)
            parts.append(silence)
            self._anchor(stamp_ns)
        elif early_ns > STAMP_TOLERANCE_NS:
            n_known = min(self._count(early_ns), len(mono))
            self.n_dropped_samples += n_known * SAMPLE_RATE_HZ // sample_rate_hz
            mono = mono[n_known:]
        parts.append(self._feed(mono))
        return np.concatenate(parts)

    def fill_silence(self, until_ns: int) -> np.ndarray:
        """Go on with silence up to a stamp, where no sound came; the first call starts the clock there.

        Returns:
            float32 [m] 16 kHz samples; empty when the clock is there already.
        """
        if not self._anchors or until_ns - self.next_stamp_ns > MAX_GAP_NS:
            self.n_jumps += bool(self._anchors)
            self._anchor(until_ns)
        n_missing = (until_ns - self.next_stamp_ns) * self._rate_hz // NS_PER_S
        return self._feed(np.zeros(max(0, n_missing), np.float32))

    def shift_clock(self, by_ns: int) -> None:
        """Move the stamps of all samples, those to come and those not shown yet: for a clock that was set back."""
        self.n_jumps += bool(self._anchors)
        n_in, stamp_ns = self._next_stamp_base
        self._next_stamp_base = (n_in, stamp_ns + by_ns)
        self._anchors = deque([(sample, stamp + by_ns) for sample, stamp in self._anchors], N_ANCHORS)

    def stamp_of(self, sample_index: int) -> int:
        """Stamp in ns of a 16 kHz sample of the stream, also of one to come.

        Raises:
            AudioError: nothing came yet, so there is no clock.
        """
        if not self._anchors:
            raise AudioError("no sound came yet, so samples have no stamps")
        anchor = next((a for a in reversed(self._anchors) if a[0] <= sample_index), self._anchors[0])
        return anchor[1] + (sample_index - anchor[0]) * NS_PER_SAMPLE

    def sample_at(self, stamp_ns: int) -> int:
        """Nearest 16 kHz sample of a stamp on the present clock, also of one to come (0 at the least)."""
        if not self._anchors:
            return 0
        sample, anchor_ns = self._anchors[-1]
        return max(0, sample + round((stamp_ns - anchor_ns) / NS_PER_SAMPLE))

    def _count(self, duration_ns: int) -> int:
        return round(duration_ns * self._rate_hz / NS_PER_S)

    def _anchor(self, stamp_ns: int) -> None:
        """From the next input sample on, the clock counts from this stamp."""
        self._next_stamp_base = (self._n_in, stamp_ns)
        whole, rest = divmod(self._n_in * SAMPLE_RATE_HZ, self._rate_hz)
        self._anchors.append(
            (self._segment_start + whole, stamp_ns - rest * NS_PER_S // (SAMPLE_RATE_HZ * self._rate_hz))
        )

    def _feed(self, mono: np.ndarray) -> np.ndarray:
        """Resample input samples and count them on both sides."""
        self._n_in += len(mono)
        if self._resampler is not None:
            mono = np.clip(self._resampler.resample_chunk(mono), -1.0, 1.0)
        self.n_samples += len(mono)
        return mono

    def _switch_rate(self, rate_hz: int) -> np.ndarray:
        """Let out what the old rate's resampler holds, then start one for the new rate; the clock goes on."""
        stamp_ns = self.next_stamp_ns
        tail = np.zeros(0, np.float32) if self._resampler is None else np.clip(_flush(self._resampler), -1.0, 1.0)
        self.n_samples += len(tail)
        self._resampler = None if rate_hz == SAMPLE_RATE_HZ else _open_resampler(rate_hz)
        self._rate_hz, self._segment_start, self._n_in = rate_hz, self.n_samples, 0
        if stamp_ns is not None:
            self._anchor(stamp_ns)
        return tail
