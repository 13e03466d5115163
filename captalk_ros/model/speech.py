"""The default speech encoder: causal convolutions on a log-mel spectrum, with an auxiliary phone output."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from captalk_ros.model.config import SpeechConfig
from captalk_ros.model.layers import CausalBlock, CausalConv, LogMel
from captalk_ros.timebase import SAMPLE_RATE_HZ

SpeechState = list[Tensor]


@dataclass
class SpeechFeatures:
    """What was heard.

    Attributes:
        frames: [B, T, width], 25 a second.
        phone_logits: [B, 2 T, n_phones], 50 a second.
    """

    frames: Tensor
    phone_logits: Tensor


class SpeechEncoder(nn.Module):
    """Spectra at 100 Hz to features at 25 Hz; causal, its look-back is about 1.3 s."""

    def __init__(self, config: SpeechConfig):
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.n_mels, config.window_samples, config.hop_samples, SAMPLE_RATE_HZ)
        self.stem = CausalConv(config.n_mels, config.width, kernel=5)
        self.halve = CausalConv(config.width, config.width, kernel=4, stride=2)
        self.blocks = nn.ModuleList(CausalBlock(config.width, dilation) for dilation in config.dilations)
        self.phones = nn.Conv1d(config.width, config.n_phones, 1)
        self.frames = CausalConv(config.width, config.width, kernel=4, stride=2)

    def init_state(self, batch: int) -> SpeechState:
        """State of the convolutions, in the order in which they run."""
        return [layer.init_state(batch) for layer in (self.stem, self.halve, *self.blocks, self.frames)]

    def step(self, mel: Tensor, state: SpeechState) -> tuple[SpeechFeatures, SpeechState]:
        """Encode spectra.

        Args:
            mel: [B, 4 T, n_mels] from `log_mel`.
            state: from `init_state` or the step before.

        Returns:
            Features of T frames and the state after them.
        """
        new_state = []

        def run(layer: CausalConv | CausalBlock, x: Tensor) -> Tensor:
            x, layer_state = layer.step(x, state[len(new_state)])
            new_state.append(layer_state)
            return x

        x = functional.gelu(run(self.stem, mel.transpose(1, 2)))  # [B, width, 4 T]
        x = functional.gelu(run(self.halve, x))  # [B, width, 2 T]
        for block in self.blocks:
            x = run(block, x)
        frames = functional.gelu(run(self.frames, x))  # [B, width, T]
        return SpeechFeatures(frames.transpose(1, 2), self.phones(x).transpose(1, 2)), new_state
