"""The procedural performer: phones, loudness and pitch, acted in a direction, become `units55` motion.

It works in two steps. `articulate` and `prosody` say once what an utterance asks of the mouth and the body, whatever
the style; `perform` plays that in a direction (`captalk_ros.direction`), which may change from frame to frame.
Chance (blinks, glances, sway) is not its business: `captalk_ros.life` adds it, here as in the robot.
"""

from collections.abc import Sequence

import numpy as np

from captalk_ros.direction import BLINKS, EMPHASIS, GAZE, HEAD_BIAS, HEAD_GAIN, LOOK, MOUTH_GAIN, N_DIRECTION
from captalk_ros.life import N_CONTROLS
from captalk_ros.metrics import BILABIALS, LABIODENTALS, Phone
from captalk_ros.motion import HEAD_ROTATION, N_MOTION, UNITS, unit_indices
from captalk_ros.timebase import FPS, FRAME_SAMPLES, SAMPLE_RATE_HZ
from captalk_ros.train.phones import PHONE_NAMES

# Articulation channels, each in [0, 1].
CHANNELS = ("jaw", "pucker", "funnel", "spread", "parted", "tongue", "labiodental", "bilabial", "rest")
N_CHANNELS = len(CHANNELS)
JAW, PUCKER, FUNNEL, SPREAD, PARTED, TONGUE, LABIODENTAL, BILABIAL, REST = range(N_CHANNELS)
_BLENDED = slice(JAW, TONGUE + 1)  # co-articulated by dominance; the rest are closures, which override

FULL_JAW = 0.36  # jawOpen of the widest vowel in natural speech; a yawn would be 1

# Targets (jaw, pucker, funnel, spread, parted, tongue) and dominance (of the jaw, of the lips), after practitioners'
# jaw shares and viseme classes; tongue-only sounds have little say over the lips and borrow their neighbours'.
# fmt: off
_TARGETS: dict[str, tuple[tuple[float, ...], tuple[float, float]]] = {
    "AA": ((.90, 0, 0, 0, .10, 0), (1, .6)), "AE": ((.75, 0, 0, .35, .35, 0), (1, .7)),
    "AH": ((.50, 0, 0, 0, .20, 0), (.8, .4)), "AO": ((.78, .15, .40, 0, 0, 0), (1, .9)),
    "EH": ((.55, 0, 0, .25, .30, 0), (.9, .6)), "ER": ((.34, .30, .25, 0, .10, 0), (.8, .8)),
    "IH": ((.36, 0, 0, .28, .30, 0), (.8, .5)), "IY": ((.26, 0, 0, .60, .35, 0), (.9, .9)),
    "UH": ((.36, .40, .30, 0, 0, 0), (.8, .8)), "UW": ((.26, .85, .30, 0, 0, 0), (.9, 1)),
    "OH": ((.58, .35, .50, 0, 0, 0), (.9, 1)), "EH2": ((.48, 0, 0, .40, .30, 0), (.9, .6)),
    "B": ((.12, 0, 0, 0, 0, 0), (.8, .1)), "P": ((.12, 0, 0, 0, 0, 0), (.8, .1)), "M": ((.12, 0, 0, 0, 0, 0), (.8, .1)),
    "F": ((.14, 0, 0, .05, .10, 0), (.9, .5)), "V": ((.14, 0, 0, .05, .10, 0), (.9, .5)),
    "TH": ((.18, 0, 0, .10, .35, .30), (.8, .4)), "DH": ((.20, 0, 0, .10, .35, .25), (.6, .3)),
    "T": ((.17, 0, 0, .08, .32, 0), (.6, .15)), "D": ((.18, 0, 0, .08, .32, 0), (.6, .15)),
    "N": ((.18, 0, 0, .05, .30, 0), (.6, .15)), "L": ((.26, 0, 0, .05, .32, 0), (.6, .2)),
    "S": ((.10, 0, 0, .25, .48, 0), (1, .5)), "Z": ((.10, 0, 0, .25, .48, 0), (1, .5)),
    "SH": ((.15, .25, .60, 0, .20, 0), (1, .9)), "ZH": ((.15, .25, .60, 0, .20, 0), (1, .9)),
    "CH": ((.15, .25, .55, 0, .20, 0), (1, .9)), "JH": ((.15, .25, .55, 0, .20, 0), (1, .9)),
    "K": ((.26, 0, 0, .05, .30, 0), (.5, .1)), "G": ((.26, 0, 0, .05, .30, 0), (.5, .1)),
    "NG": ((.26, 0, 0, .05, .28, 0), (.5, .1)), "HH": ((.35, 0, 0, 0, .20, 0), (.15, .05)),
    "R": ((.22, .35, .28, 0, .12, 0), (.7, .7)), "W": ((.18, .90, .28, 0, 0, 0), (.8, 1)),
    "Y": ((.24, 0, 0, .40, .30, 0), (.7, .5)), "SIL": ((0, 0, 0, 0, 0, 0), (1, 1)),
}
_DIPHTHONGS = {"AY": ("AA", "IH", .62), "AW": ("AA", "UH", .62), "OY": ("AO", "IH", .6), "OW": ("OH", "UW", .6),
               "EY": ("EH2", "IY", .55)}
# fmt: on

_ANTICIPATION_S, _CARRY_OVER_S = 0.055, 0.045  # time constants of dominance before and after a phone
_CLOSE_S, _OPEN_S, _MIN_HOLD_S = 0.055, 0.060, 0.052  # lips: closing, opening, and a hold that no frame can miss
_SPEECH_LEAD_S, _SPEECH_TAIL_S = 0.09, 0.07  # the mouth opens before the sound and closes after it

_LIP_PRESS = unit_indices("mouthPress"), unit_indices("mouthRollLower", "mouthRollUpper")
_PUCKER, _FUNNEL = unit_indices("mouthPucker"), unit_indices("mouthFunnel")
_STRETCH, _DIMPLE = unit_indices("mouthStretch"), unit_indices("mouthDimple")
_LOWER, _UPPER = unit_indices("mouthLowerDown"), unit_indices("mouthUpperUp")
_ROLL_LOWER, _TONGUE = unit_indices("mouthRollLower"), unit_indices("tongueOut")
_JAW_OPEN, _MOUTH_CLOSE = unit_indices("jawOpen")[0], unit_indices("mouthClose")[0]
_BROW_UP = unit_indices("browInnerUp", "browOuterUp")
_MOUTH_LOOK = [i for i in range(14, 41) if i != _MOUTH_CLOSE]  # the units of jaw and mouth
_PARTING = unit_indices("mouthUpperUp", "mouthLowerDown", "mouthFunnel", "jawOpen")


def _segments(phones: Sequence[Phone], duration_s: float) -> list[Phone]:
    """Phones with each diphthong as its two vowels, and silence from long before the first until after the last."""
    first_s, last_s = (phones[0][1], phones[-1][2]) if phones else (duration_s, duration_s)
    segments = [("SIL", -1.0, first_s)]
    for phone, start_s, end_s in [*phones, ("SIL", last_s, max(last_s, duration_s) + 1.0)]:
        if phone in _DIPHTHONGS:
            first, second, share = _DIPHTHONGS[phone]
            middle_s = start_s + share * (end_s - start_s)
            segments += [(first, start_s, middle_s), (second, middle_s, end_s)]
        elif phone == "SIL" and segments[-1][0] == "SIL":
            segments[-1] = ("SIL", segments[-1][1], end_s)
        elif phone in _TARGETS:
            segments.append((phone, start_s, end_s))
        else:
            raise ValueError(f"phone {phone!r} is not one of {' '.join(PHONE_NAMES)}")
    return segments


def _ease(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _plateau(time_s, start_s, end_s, rise_s, fall_s) -> np.ndarray:
    """1 from start_s to end_s, easing up before and down after: [N] intervals at [T] times -> [T, N]."""
    t = np.asarray(time_s)[:, None]
    return np.minimum(_ease((t - (start_s - rise_s)) / rise_s), _ease(((end_s + fall_s) - t) / fall_s))


def _closure(time_s: np.ndarray, intervals: list[tuple[float, float]], rise_s: float, fall_s: float) -> np.ndarray:
    if not intervals:
        return np.zeros(len(time_s))
    start_s, end_s = np.asarray(intervals).T
    return _plateau(time_s, start_s, end_s, rise_s, fall_s).max(axis=1)


def _hold(phone: str, start_s: float, end_s: float) -> tuple[float, float]:
    """When the lips are shut: a stop opens at its burst, about 70 % in (JALI); m holds nearly to its end."""
    release_s = start_s + (0.9 if phone == "M" else 0.7) * (end_s - start_s)
    middle_s, half_s = (start_s + release_s) / 2, max(release_s - start_s, _MIN_HOLD_S) / 2
    return middle_s - half_s, middle_s + half_s


def articulate(phones: Sequence[Phone], n_frames: int) -> np.ndarray:
    """Articulation channels at the frame times k / 25 s.

    Dominance functions blend the targets of neighbouring phones (Cohen and Massaro 1993); closures override (JALI).

    Args:
        phones: ARPAbet phones in time order.
        n_frames: T.

    Returns:
        [T, N_CHANNELS] float32 in [0, 1].

    Raises:
        ValueError: an unknown phone label.
    """
    time_s = np.arange(n_frames) / FPS
    channels = np.zeros((n_frames, N_CHANNELS), np.float32)
    segments = _segments(phones, n_frames / FPS)
    start_s, end_s = np.asarray([[s, e] for _, s, e in segments]).T
    targets = np.asarray([_TARGETS[p][0] for p, _, _ in segments])
    jaw_weight, lip_weight = np.asarray([_TARGETS[p][1] for p, _, _ in segments]).T
    silent = np.asarray([p == "SIL" for p, _, _ in segments])
    start_s = np.where(silent, np.minimum(start_s + _SPEECH_TAIL_S, end_s), start_s)
    end_s = np.where(silent, np.maximum(end_s - _SPEECH_LEAD_S, start_s), end_s)
    before = np.maximum(start_s - time_s[:, None], 0.0) / _ANTICIPATION_S  # [T, N]
    after = np.maximum(time_s[:, None] - end_s, 0.0) / _CARRY_OVER_S
    nearness = np.exp(-before - after) + 1e-9
    for column in range(_BLENDED.start, _BLENDED.stop):
        dominance = nearness * (jaw_weight if column == JAW else lip_weight)
        channels[:, column] = dominance @ targets[:, column] / dominance.sum(axis=1)
    channels[:, BILABIAL] = _closure(
        time_s, [_hold(p, s, e) for p, s, e in segments if p in BILABIALS], _CLOSE_S, _OPEN_S
    )
    channels[:, LABIODENTAL] = _closure(
        time_s, [(s, s + 0.85 * (e - s)) for p, s, e in segments if p in LABIODENTALS], _CLOSE_S, _OPEN_S
    )
    quiet = [(s, e) for s, e, is_silent in zip(start_s, end_s, silent, strict=True) if is_silent and e - s > 0.06]
    channels[:, REST] = _closure(time_s, quiet, 0.08, 0.08)
    return channels


# Prosody channels: loudness in [0, 1] against the utterance's own level, accent and pitch in about [-1, 1], and
# whether somebody speaks, in [0, 1].
LOUDNESS, ACCENT, PITCH, SPEAKING = range(4)
N_PROSODY = 4


def _smooth(x: np.ndarray, width_s: float, rate_hz: float = FPS) -> np.ndarray:
    """Zero-phase smoothing with a Hann window of `width_s`."""
    n = max(3, int(width_s * rate_hz) | 1)
    window = np.hanning(n + 2)[1:-1]
    return np.convolve(np.pad(x, n // 2, mode="edge"), window / window.sum(), mode="valid")


def pitch_hz(samples: np.ndarray) -> np.ndarray:
    """Pitch at 25 Hz by autocorrelation of 60 ms windows, 0 where unvoiced: [N] samples -> [T] Hz."""
    n_frames, n_fft, width = len(samples) // FRAME_SAMPLES, 2048, 960
    padded = np.pad(samples, (width // 2, width))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[: n_frames * FRAME_SAMPLES : FRAME_SAMPLES]
    spectrum = np.fft.rfft((windows - windows.mean(axis=1, keepdims=True)) * np.hanning(width), n_fft)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, n_fft)
    shortest, longest = SAMPLE_RATE_HZ // 400, SAMPLE_RATE_HZ // 65
    lags = correlation[:, shortest:longest] / (correlation[:, :1] + 1e-6)
    best = lags.argmax(axis=1)
    voiced = lags[np.arange(n_frames), best] > 0.4
    return np.where(voiced, SAMPLE_RATE_HZ / (best + shortest), 0.0)


def prosody(samples: np.ndarray, phones: Sequence[Phone], n_frames: int) -> np.ndarray:
    """Loudness, accents, pitch and speech activity at the frame times.

    Args:
        samples: [N] float32 clean speech at 16 kHz.
        phones: as in `articulate`.
        n_frames: T; the samples are padded or cut to it.

    Returns:
        [T, N_PROSODY] float32.
    """
    samples = np.pad(samples, (0, max(0, n_frames * FRAME_SAMPLES - len(samples))))[: n_frames * FRAME_SAMPLES]
    level_db = 20 * np.log10(np.sqrt(np.mean(samples.reshape(n_frames, -1) ** 2, axis=1)) + 1e-5)
    speaking = np.zeros(n_frames)
    for phone, start_s, end_s in phones:
        if phone != "SIL" or end_s - start_s < 0.15:
            speaking[int(start_s * FPS) : int(np.ceil(end_s * FPS))] = 1.0
    spoken = speaking > 0.5
    top_db = np.percentile(level_db[spoken], 90) if spoken.any() else 0.0
    loudness = np.clip((level_db - top_db + 30) / 30, 0, 1) * speaking
    syllables, phrase = _smooth(loudness, 0.2), _smooth(loudness, 0.9)
    hz = pitch_hz(samples)
    voiced = (hz > 0) & spoken
    semitones = 12 * np.log2(np.where(voiced, hz, 1) / np.median(hz[voiced])) if voiced.any() else np.zeros(n_frames)
    pitch = _smooth(np.where(voiced, np.clip(semitones / 6, -1, 1), 0), 0.3)
    accent = np.clip(3.0 * (syllables - phrase), -1, 1)
    return np.stack([loudness, accent, pitch, _smooth(speaking, 0.25)], axis=1).astype(np.float32)


def perform(articulation: np.ndarray, prosody: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Play an utterance in a direction.

    Args:
        articulation: [T, N_CHANNELS] from `articulate`.
        prosody: [T, N_PROSODY] from `prosody`.
        direction: [T, N_DIRECTION] as `acting.direct` gives it, one row a frame (or [1, ...] for all).

    Returns:
        Motion [T, 55] float32 without chance, and life controls [T, N_CONTROLS] float32 for `captalk_ros.life`.
    """
    direction = np.broadcast_to(direction, (len(articulation), N_DIRECTION))
    motion = np.zeros((len(articulation), N_MOTION), np.float32)
    motion[:, UNITS] = _face(articulation, prosody, direction)
    _, accent, pitch, speaking = prosody.T
    head_gain = direction[:, HEAD_GAIN]
    nod = head_gain * direction[:, EMPHASIS] * (0.04 * accent - 0.028 * pitch)
    motion[:, HEAD_ROTATION] = direction[:, HEAD_BIAS] * np.minimum(1.0, 0.4 + 0.6 * head_gain)[:, None]
    motion[:, HEAD_ROTATION.start] += nod
    motion[:, HEAD_ROTATION.start + 2] += 0.02 * head_gain * pitch
    controls = np.zeros((len(articulation), N_CONTROLS), np.float32)
    controls[:, 0] = head_gain * (0.45 + 0.55 * speaking)
    controls[:, 1] = direction[:, BLINKS] * (0.28 + 0.12 * speaking)
    controls[:, 2] = direction[:, GAZE]
    return motion, controls


def _face(articulation: np.ndarray, prosody: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The 52 units: speech, then the look, then closures over both -> [T, 52]."""
    channel = articulation.T[:, :, None]  # each [T, 1]
    loud, accent, pitch, speaking = prosody.T[:, :, None]
    mouth = direction[:, [MOUTH_GAIN]]
    lips = mouth**0.6
    shut = np.maximum(channel[BILABIAL], channel[REST])
    look = direction[:, LOOK].copy()
    look[:, _MOUTH_LOOK] *= 1 - 0.35 * speaking * (1 - channel[REST])
    look[:, _PARTING] *= 1 - shut

    units = np.zeros_like(look)
    jaw = channel[JAW] * (0.72 + 0.4 * loud) * mouth
    jaw = jaw / (1 + 0.12 * np.maximum(jaw - 1, 0) ** 2)  # a theatrical mouth nears its limit softly
    units[:, [_JAW_OPEN]] = FULL_JAW * jaw
    units[:, _PUCKER] = 0.85 * channel[PUCKER] * lips
    units[:, _FUNNEL] = 0.8 * channel[FUNNEL] * lips * (1 - 0.9 * shut)
    units[:, _STRETCH] = 0.38 * channel[SPREAD] * lips
    units[:, _DIMPLE] = 0.15 * channel[SPREAD] * lips
    parted = channel[PARTED] * (0.5 + 0.5 * lips) * (1 - shut)
    units[:, _LOWER] = 0.42 * parted
    units[:, _UPPER] = 0.22 * parted + 0.18 * channel[LABIODENTAL] * (1 - shut)
    units[:, _ROLL_LOWER] = 0.55 * channel[LABIODENTAL]
    units[:, _TONGUE] = 0.5 * channel[TONGUE] * (1 - shut)
    units[:, _BROW_UP] += direction[:, [EMPHASIS]] * np.maximum(0.16 * accent + 0.12 * pitch, 0) * speaking

    units += look
    press, roll = _LIP_PRESS
    units[:, press] += 0.22 * channel[BILABIAL]
    units[:, roll] += 0.14 * channel[BILABIAL]
    units[:, [_JAW_OPEN]] *= 1 - 0.9 * channel[REST]
    units[:, [_MOUTH_CLOSE]] = shut * (units[:, [_JAW_OPEN]] + 0.02)
    return np.clip(units, 0.0, 1.0)
