"""Configurations that travel with the weights: whatever a checkpoint needs to be rebuilt and to be used rightly."""

from dataclasses import dataclass

from captalk_ros.timebase import FPS, SAMPLE_RATE_HZ


@dataclass(frozen=True)
class SpeechConfig:
    """The causal speech encoder.

    Attributes:
        n_mels: bands of the log-mel spectrum.
        hop_samples, window_samples: of the spectrum; four hops make one motion frame.
        width: channels.
        dilations: of the residual blocks at 50 Hz, in order.
        n_phones: classes of the auxiliary phone output.
    """

    n_mels: int = 80
    hop_samples: int = 160
    window_samples: int = 400
    width: int = 256
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)
    n_phones: int = 40


@dataclass(frozen=True)
class ReaderConfig:
    """The caption reader.

    Attributes:
        text_dim: size of a caption's embedding.
        width: of its hidden layers.
        n_states, n_tones: how many looks an emotion and a style choose from.
    """

    text_dim: int = 384
    width: int = 256
    n_states: int = 24
    n_tones: int = 9


@dataclass(frozen=True)
class RegressionConfig:
    """The baseline network.

    Attributes:
        speech: its speech encoder.
        reader: its caption reader.
        lookahead_frames: how many frames of audio after its own a motion frame may hear; its price is latency.
        direction_width, width: of the layers that take the direction and of the recurrent layer.
        n_motion, n_controls: sizes of the motion space and of the life controls.
    """

    speech: SpeechConfig = SpeechConfig()
    reader: ReaderConfig = ReaderConfig()
    lookahead_frames: int = 2
    direction_width: int = 256
    width: int = 256
    n_motion: int = 55
    n_controls: int = 3
    motion_space: str = "units55"
    sample_rate_hz: int = SAMPLE_RATE_HZ
    fps: int = FPS
