"""The one clock of the package: time is counted in audio samples, every other rate derives from here."""

SAMPLE_RATE_HZ = 16_000
FPS = 25
FRAME_SAMPLES = SAMPLE_RATE_HZ // FPS  # 640 samples, 40 ms
FRAME_S = 1.0 / FPS


def frame_time_s(frame: int) -> float:
    """Time of a motion frame: that of the first sample of its audio, in seconds."""
    return frame * FRAME_SAMPLES / SAMPLE_RATE_HZ


def seconds_to_samples(time_s: float) -> int:
    """Nearest sample index at 16 kHz for a time in seconds."""
    return round(time_s * SAMPLE_RATE_HZ)
