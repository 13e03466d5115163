"""Makes new voices of one: pitch, formants, breath, tempo and loudness are changed, and the phone times with them.

The vocoder is WORLD (Morise, Yokomori and Ozawa 2016) through `pyworld`.
"""

from collections.abc import Callable

import numpy as np
import pyworld
import soxr

from captalk_ros.timebase import SAMPLE_RATE_HZ
from captalk_ros.train.phones import Phone

Sound = tuple[np.ndarray, list[Phone]]  # float32 [N] at 16 kHz, phones that cover it

FRAME_PERIOD_MS = 5.0
NYQUIST_HZ = SAMPLE_RATE_HZ / 2


def warp_times(phones: list[Phone], warp: Callable[[float], float]) -> list[Phone]:
    """Phones with every time in seconds sent through `warp`."""
    return [Phone(name, float(warp(start_s)), float(warp(end_s))) for name, start_s, end_s in phones]


def play_faster(sound: Sound, rate: float) -> Sound:
    """As a tape played at `rate` times its speed: pitch, formants and tempo change together."""
    samples, phones = sound
    played = soxr.resample(samples, SAMPLE_RATE_HZ * rate, SAMPLE_RATE_HZ, quality="MQ").astype(np.float32)
    scale = played.size / samples.size
    return played, warp_times(phones, lambda time_s: time_s * scale)


def _tempo_map(duration_s: float, tempo: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Knots (old times, new times) in seconds of a tempo that wanders around `tempo` by some 12 %."""
    old_s = np.linspace(0, duration_s, max(2, round(duration_s / 0.4) + 1))
    stretch = np.exp(rng.normal(0, 0.12, old_s.size - 1)) / tempo
    return old_s, np.concatenate([[0.0], np.cumsum(np.diff(old_s) * stretch)])


def _warp_spectrum(spectrum: np.ndarray, factor: float) -> np.ndarray:
    """Spectra [T, F] with every formant at `factor` times its frequency."""
    source = np.minimum(np.arange(spectrum.shape[1]) / factor, spectrum.shape[1] - 1.001)
    low = source.astype(int)
    part = source - low
    return spectrum[:, low] * (1 - part) + spectrum[:, low + 1] * part


def revoice(
    sound: Sound,
    rng: np.random.Generator,
    *,
    pitch: float = 1.0,
    pitch_range: float = 1.0,
    formants: float = 1.0,
    breath: float = 0.0,
    tilt_db: float = 0.0,
    tempo: float = 1.0,
    whisper: bool = False,
) -> Sound:
    """Takes the voice apart (pitch, envelope, aperiodicity), changes each, and puts it together.

    Args:
        sound: samples and phones.
        rng: draws the wandering of the tempo.
        pitch: factor on the mean pitch.
        pitch_range: factor on the melody in semitones, 0 monotone.
        formants: factor on the formants' frequencies; above 1 a shorter vocal tract.
        breath: 0 to 1, noise in voiced sounds.
        tilt_db: dB an octave around 1 kHz, negative duller.
        tempo: factor on the speed.
        whisper: no voicing at all.

    Returns:
        The new samples, as loud as before, and phones.
    """
    samples, phones = sound
    wide = samples.astype(np.float64) + rng.normal(0, 1e-5, samples.size)
    f0_hz, times_s = pyworld.dio(wide, SAMPLE_RATE_HZ, frame_period=FRAME_PERIOD_MS)
    f0_hz = pyworld.stonemask(wide, f0_hz, times_s, SAMPLE_RATE_HZ)
    envelope = pyworld.cheaptrick(wide, f0_hz, times_s, SAMPLE_RATE_HZ)  # [T, F] power
    aperiodicity = pyworld.d4c(wide, f0_hz, times_s, SAMPLE_RATE_HZ)  # [T, F] in [0, 1]

    old_s, new_s = _tempo_map(samples.size / SAMPLE_RATE_HZ, tempo, rng)
    frame_s = np.arange(0, new_s[-1], FRAME_PERIOD_MS / 1000)
    frames = np.minimum((np.interp(frame_s, new_s, old_s) * 1000 / FRAME_PERIOD_MS).round().astype(int), f0_hz.size - 1)
    f0_hz, envelope, aperiodicity = f0_hz[frames], envelope[frames], aperiodicity[frames]

    voiced = f0_hz > 0
    if voiced.any():
        mean = np.log(f0_hz[voiced]).mean()
        f0_hz[voiced] = np.clip(np.exp(mean + pitch_range * (np.log(f0_hz[voiced]) - mean)) * pitch, 50, 600)
    frequency = np.linspace(0, 1, envelope.shape[1])
    envelope = np.exp(_warp_spectrum(np.log(envelope), formants))
    envelope *= 10 ** (tilt_db / 10 * np.log2(np.maximum(frequency * NYQUIST_HZ, 125) / 1000))
    aperiodicity = np.ascontiguousarray(_warp_spectrum(aperiodicity, formants))
    aperiodicity += (1 - aperiodicity) * breath * np.minimum(1, 2 * frequency)
    if whisper:
        f0_hz[:], aperiodicity[:] = 0, 1
    made = pyworld.synthesize(f0_hz, np.ascontiguousarray(envelope), aperiodicity, SAMPLE_RATE_HZ, FRAME_PERIOD_MS)
    made *= np.sqrt(np.mean(wide**2) / max(np.mean(made**2), 1e-12))
    end_s = made.size / SAMPLE_RATE_HZ
    warped = warp_times(phones, lambda time_s: min(np.interp(time_s, old_s, new_s), end_s))
    return made.astype(np.float32), [*warped[:-1], warped[-1]._replace(end_s=end_s)]


def vary_loudness(sound: Sound, rng: np.random.Generator, spread_db: float = 3.0) -> Sound:
    """A slow gain that wanders by `spread_db`, as of a head that turns or a voice that rises."""
    samples, phones = sound
    n_knots = max(2, samples.size // (SAMPLE_RATE_HZ // 2) + 1)
    gains_db = rng.normal(0, spread_db, n_knots)
    curve_db = np.interp(np.arange(samples.size), np.linspace(0, samples.size, n_knots), gains_db)
    return (samples * 10 ** (curve_db / 20)).astype(np.float32), phones


def morph(sound: Sound, rng: np.random.Generator) -> Sound:
    """A new voice drawn at random; half the time with the vocoder, else by plain resampling.

    Returns:
        Samples and phones; the length changes with the tempo.
    """
    if rng.random() < 0.5:
        sound = revoice(
            sound,
            rng,
            pitch=np.exp(rng.normal(0, 0.22)),
            pitch_range=rng.uniform(0.2, 1.8),
            formants=rng.uniform(0.85, 1.2),
            breath=max(0.0, rng.uniform(-0.5, 0.7)),
            tilt_db=rng.normal(0, 2),
            tempo=np.exp(rng.normal(0, 0.15)),
            whisper=rng.random() < 0.05,
        )
    else:
        sound = play_faster(sound, rng.uniform(0.82, 1.22))
    return vary_loudness(sound, rng) if rng.random() < 0.5 else sound
