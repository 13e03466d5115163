"""What happens to speech between a mouth and a recogniser: rooms, noise, microphones, telephones, levels.

Every effect keeps the length and the timing (filters have zero phase, the direct path of a room comes without delay),
so labels stay where they are.
"""

from collections.abc import Sequence

import numpy as np

from captalk_ros.timebase import SAMPLE_RATE_HZ

CLEAN_SHARE = 0.25
LEVEL_DBFS = (-35.0, -3.0)  # peak
SNR_DB = (8.0, 40.0)
RT60_S = (0.1, 0.6)
NOISES = ("white", "pink", "brown", "hum", "clicks", "babble")


def _gain(decibel: float) -> float:
    return 10 ** (decibel / 20)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) + 1e-9


def _filter(samples: np.ndarray, gains_db: np.ndarray, knots_hz: np.ndarray) -> np.ndarray:
    """Zero-phase filter whose gain is interpolated between knots over the logarithm of frequency."""
    n_fft = samples.size + 1024  # room for the ringing at either end
    frequency_hz = np.maximum(np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ), 1.0)
    gains = 10 ** (np.interp(np.log(frequency_hz), np.log(knots_hz), gains_db) / 20)
    return np.fft.irfft(np.fft.rfft(samples, n_fft) * gains, n_fft)[: samples.size]


def colour(samples: np.ndarray, rng: np.random.Generator, strength_db: float = 5.0) -> np.ndarray:
    """A microphone's or a loudspeaker's frequency response: random gains in octaves and a tilt."""
    knots_hz = 62.5 * 2.0 ** np.arange(8)  # to 8 kHz
    gains_db = rng.normal(0, strength_db, 8) + rng.normal(0, 1.5) * (np.arange(8) - 3.5)
    gains_db[0] -= rng.uniform(0, 20)
    return _filter(samples, gains_db, knots_hz)


def band_limit(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Passes a band, falling by 60 dB within a quarter octave beyond either end."""
    knots_hz = np.array([low_hz / 1.2, low_hz, high_hz, high_hz * 1.2])
    return _filter(samples, np.array([-60.0 if low_hz > 20 else 0.0, 0.0, 0.0, -60.0]), knots_hz)


def mu_law(samples: np.ndarray) -> np.ndarray:
    """There and back through 8-bit mu-law (ITU-T G.711), as over a telephone; the input is scaled to full range."""
    scale = max(float(np.abs(samples).max()), 1e-9)
    compressed = np.sign(samples) * np.log1p(255 * np.abs(samples) / scale) / np.log(256)
    coarse = np.round(compressed * 127) / 127
    return scale * np.sign(coarse) * np.expm1(np.abs(coarse) * np.log(256)) / 255


def telephone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """300 to 3400 Hz, mostly with mu-law coding."""
    narrow = band_limit(samples, rng.uniform(150, 350), rng.uniform(3200, 3800))
    return mu_law(narrow) if rng.random() < 0.7 else narrow


def reverberate(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A small room: noise that decays by 60 dB in `RT60_S`, behind a direct path without delay."""
    rt60_s = rng.uniform(*RT60_S)
    n_tail = int(rt60_s * SAMPLE_RATE_HZ)
    decay = 10 ** (-3 * np.arange(n_tail) / n_tail)
    tail = rng.normal(size=n_tail) * decay
    tail[: int(rng.uniform(0.001, 0.008) * SAMPLE_RATE_HZ)] = 0  # the way to the nearest wall
    response = tail * _gain(rng.uniform(-18, 0)) / np.linalg.norm(tail)
    response[0] = 1
    n_fft = 1 << (samples.size + n_tail).bit_length()
    return np.fft.irfft(np.fft.rfft(samples, n_fft) * np.fft.rfft(response, n_fft), n_fft)[: samples.size]


def _shaped_noise(n_samples: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls with frequency to the power of `exponent` (0 white, 1 pink, 2 brown)."""
    spectrum = np.fft.rfft(rng.normal(size=n_samples))
    return np.fft.irfft(spectrum / np.maximum(np.arange(spectrum.size), n_samples / 400) ** (exponent / 2), n_samples)


def _hum(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    time_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    base_hz = rng.choice([50.0, 60.0, rng.uniform(80, 300)])
    tones = [rng.random() / k * np.sin(2 * np.pi * (k * base_hz * time_s + rng.random())) for k in range(1, 8)]
    return np.sum(tones, axis=0) + 0.05 * rng.normal(size=n_samples)


def _clicks(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Knocks and keys: short decaying bursts at random times."""
    noise = 0.01 * rng.normal(size=n_samples)
    for _ in range(1 + rng.poisson(2 * n_samples / SAMPLE_RATE_HZ)):
        burst = rng.normal(size=400) * np.exp(-np.arange(400) / rng.uniform(10, 100))
        at = rng.integers(n_samples)
        noise[at : at + 400] += burst[: n_samples - at]
    return noise


def _babble(n_samples: int, others: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Several voices at once, from any place in other utterances."""
    mixed = np.zeros(n_samples)
    for i in rng.integers(len(others), size=rng.integers(3, 7)):
        voice = others[i] / _rms(others[i])
        mixed += np.roll(np.resize(voice, n_samples), rng.integers(n_samples)) * _gain(rng.uniform(-8, 0))
    return mixed


def add_noise(samples: np.ndarray, rng: np.random.Generator, others: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Adds one of `NOISES` at an SNR within `SNR_DB`; babble only where other utterances are given."""
    kind = NOISES[rng.integers(len(NOISES) - (not others))]
    n_samples = samples.size
    if kind == "hum":
        noise = _hum(n_samples, rng)
    elif kind == "clicks":
        noise = _clicks(n_samples, rng)
    elif kind == "babble":
        noise = _babble(n_samples, others, rng)
    else:
        noise = _shaped_noise(n_samples, {"white": 0.0, "pink": 1.0, "brown": 2.0}[kind], rng)
    lowest_db = 14.0 if kind == "babble" else SNR_DB[0]  # louder babble hides who speaks
    return samples + noise * _rms(samples) / _rms(noise) * _gain(-rng.uniform(lowest_db, SNR_DB[1]))


def damage(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a poor recorder does: clips, shifts the zero, counts in few bits."""
    peak = float(np.abs(samples).max()) + 1e-9
    if rng.random() < 0.4:
        limit = peak * rng.uniform(0.25, 0.8)
        samples = np.clip(samples, -limit, limit)
    if rng.random() < 0.4:
        samples = samples + peak * rng.uniform(-0.05, 0.05)
    if rng.random() < 0.4:
        step = peak * 2.0 ** -rng.integers(7, 12)
        samples = np.round(samples / step) * step
    return samples


def augment(samples: np.ndarray, rng: np.random.Generator, others: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Speech as it might arrive: about a quarter nearly clean, the rest through rooms, noise and machines.

    Args:
        samples: float32 [N], 16 kHz.
        rng: decides everything.
        others: samples of other utterances, for babble.

    Returns:
        float32 [N] within [-1, 1], every sound at its old time, the peak within `LEVEL_DBFS`.
    """
    sound = samples.astype(np.float64)
    if rng.random() < CLEAN_SHARE:
        sound = sound + _rms(sound) * _gain(rng.uniform(-70, -45)) * rng.normal(size=sound.size)
    else:
        if rng.random() < 0.6:
            sound = colour(sound, rng)
        if rng.random() < 0.45:
            sound = reverberate(sound, rng)
        if rng.random() < 0.7:
            sound = add_noise(sound, rng, others)
        band = rng.random()
        if band < 0.25:
            sound = telephone(sound, rng)
        elif band < 0.55:
            sound = band_limit(sound, rng.uniform(10, 120), rng.uniform(3000, 7500))
        if rng.random() < 0.2:
            sound = damage(sound, rng)
    sound *= _gain(rng.uniform(*LEVEL_DBFS)) / max(float(np.abs(sound).max()), 1e-6)
    return sound.astype(np.float32)
