"""The baseline: a plain streaming regression of motion on speech and two captions.

The yardstick for the CapTalk generator: the same inputs, the same look-ahead, the mean of the motion and no codes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from captalk_ros.direction import N_DIRECTION
from captalk_ros.model.config import RegressionConfig
from captalk_ros.model.reader import CaptionReader
from captalk_ros.model.speech import SpeechEncoder, SpeechState


@dataclass
class RegressionState:
    """Everything a stream remembers.

    Attributes:
        samples: [B, window - hop] the last audio samples.
        speech: state of the speech encoder.
        hidden: [1, B, width] of the recurrent layer.
    """

    samples: Tensor
    speech: SpeechState
    hidden: Tensor


@dataclass
class RegressionOutput:
    """Predictions for the frames `lookahead_frames` before those just heard.

    Attributes:
        motion: [B, T, n_motion], units not yet clipped to [0, 1].
        controls: [B, T, n_controls] for `captalk_ros.life`.
        phone_logits: [B, 2 T, n_phones], of the audio of the motion's frames.
    """

    motion: Tensor
    controls: Tensor
    phone_logits: Tensor


class Regression(nn.Module):
    """Speech encoder, caption reader, one recurrent layer and an output layer; causal, delayed by the look-ahead."""

    def __init__(self, config: RegressionConfig):
        super().__init__()
        self.config = config
        self.speech = SpeechEncoder(config.speech)
        self.reader = CaptionReader(config.reader)
        width = config.direction_width
        self.direction = nn.Sequential(nn.Linear(N_DIRECTION, width), nn.GELU(), nn.Linear(width, width))
        n_heard = config.speech.width + width
        self.recurrent = nn.GRU(n_heard, config.width, batch_first=True)
        self.hidden = nn.Linear(config.width + n_heard, config.width)
        self.output = nn.Linear(config.width, config.n_motion + config.n_controls)

    def init_state(self, batch: int) -> RegressionState:
        """The state before a stream's first sample."""
        return RegressionState(
            samples=self.speech.log_mel.init_state(batch),
            speech=self.speech.init_state(batch),
            hidden=self.output.weight.new_zeros(1, batch, self.config.width),
        )

    def step(
        self, samples: Tensor, direction: Tensor, state: RegressionState
    ) -> tuple[RegressionOutput, RegressionState]:
        """Hear T frames of audio, and give the motion of the T frames that lie the look-ahead before them.

        Args:
            samples: [B, 640 T] float32 in [-1, 1].
            direction: [B, T, N_DIRECTION] of the frames that are given (`captalk_ros.direction`).
            state: from `init_state` or the step before.
        """
        mel, heard = self.speech.log_mel.step(samples, state.samples)
        output, state = self.step_mel(mel, direction, state)
        state.samples = heard
        return output, state

    def step_mel(
        self, mel: Tensor, direction: Tensor, state: RegressionState
    ) -> tuple[RegressionOutput, RegressionState]:
        """As `step`, from spectra [B, 4 T, n_mels]; training keeps these instead of samples."""
        heard, speech_state = self.speech.step(mel, state.speech)
        x = torch.cat([heard.frames, self.direction(direction)], dim=2)  # [B, T, n_heard]
        memory, hidden = self.recurrent(x, state.hidden)
        y = self.output(functional.gelu(self.hidden(torch.cat([memory, x], dim=2))))
        motion, controls = y.split([self.config.n_motion, self.config.n_controls], dim=2)
        output = RegressionOutput(motion, functional.softplus(controls), heard.phone_logits)
        return output, RegressionState(state.samples, speech_state, hidden)
