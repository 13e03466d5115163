"""Causal layers with explicit state: `step(x, state) -> (y, state)` serves whole sequences and single frames alike."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW_STEPS = 8  # up to here a plain matrix product beats the convolution, whose set-up takes longer than its work


class CausalConv(nn.Module):
    """A 1-D convolution that sees the present and the past only; its state is the input it still needs.

    Args:
        n_in, n_out: channels.
        kernel, dilation, stride: as in `torch.nn.Conv1d`; a step's length must be a multiple of the stride.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int = 1, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv1d(n_in, n_out, kernel, dilation=dilation, stride=stride)
        self.n_past = (kernel - 1) * dilation + 1 - stride

    def init_state(self, batch: int) -> Tensor:
        """Silence before the first sample: [B, n_in, n_past]."""
        return self.conv.weight.new_zeros(batch, self.conv.in_channels, self.n_past)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """[B, n_in, T] -> [B, n_out, T / stride]."""
        conv, n_steps = self.conv, x.shape[2] // self.conv.stride[0]
        x = torch.cat([state, x], dim=2)
        if n_steps > FEW_STEPS:
            y = conv(x)
        else:
            last, stride = (n_steps - 1) * conv.stride[0] + 1, conv.stride[0]
            starts = range(0, conv.kernel_size[0] * conv.dilation[0], conv.dilation[0])
            taps = torch.stack([x[:, :, start : start + last : stride] for start in starts], dim=2)
            y = conv.weight.flatten(1) @ taps.flatten(1, 2) + conv.bias[:, None]  # [n_out, K] @ [B, K, T / stride]
        return y, x[:, :, x.shape[2] - self.n_past :]


class CausalBlock(nn.Module):
    """A residual block: normalise, dilated causal convolution, GELU, mix channels. Shape [B, C, T] throughout."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.norm = ChannelNorm(width)
        self.conv = CausalConv(width, width, kernel=3, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)

    def init_state(self, batch: int) -> Tensor:
        """State of the convolution."""
        return self.conv.init_state(batch)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """[B, C, T] -> [B, C, T]."""
        y, state = self.conv.step(self.norm(x), state)
        return x + self.mix(functional.gelu(y)), state


class ChannelNorm(nn.Module):
    """Root-mean-square normalisation over the channels of each moment; [B, C, T]."""

    def __init__(self, width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, C, T]."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-5) * self.scale


def mel_filters(n_mels: int, n_fft: int, rate_hz: int, low_hz: float = 60.0, high_hz: float = 7600.0) -> Tensor:
    """Triangular filters on the mel scale (O'Shaughnessy 1987), each of unit sum: [n_fft // 2 + 1, n_mels]."""

    def mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    edges_hz = 700.0 * (10.0 ** (torch.linspace(mel(low_hz), mel(high_hz), n_mels + 2) / 2595.0) - 1.0)
    bins_hz = torch.linspace(0.0, rate_hz / 2, n_fft // 2 + 1)[:, None]
    left, centre, right = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    filters = torch.minimum((bins_hz - left) / (centre - left), (right - bins_hz) / (right - centre)).clamp(min=0.0)
    return filters / filters.sum(dim=0).clamp(min=1e-6)


class LogMel(nn.Module):
    """Causal log-mel spectrum; a spectrum ends with the last sample of its hop. Has no weights.

    The level is taken as it is: whole-utterance normalisation would need the future.
    """

    def __init__(self, n_mels: int, window_samples: int, hop_samples: int, rate_hz: int):
        super().__init__()
        self.window_samples, self.hop_samples = window_samples, hop_samples
        self.n_fft = 1 << (window_samples - 1).bit_length()
        self.register_buffer("window", torch.hann_window(window_samples), persistent=False)
        self.register_buffer("filters", mel_filters(n_mels, self.n_fft, rate_hz), persistent=False)

    def init_state(self, batch: int) -> Tensor:
        """The samples before the first: [B, window - hop]."""
        return self.window.new_zeros(batch, self.window_samples - self.hop_samples)

    def step(self, samples: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N] samples in [-1, 1], N a multiple of the hop -> [B, N / hop, n_mels], about in [-2, 2]."""
        samples = torch.cat([state, samples], dim=1)
        frames = samples.unfold(1, self.window_samples, self.hop_samples) * self.window  # [B, T, window]
        power = torch.fft.rfft(frames, self.n_fft).abs().square() @ self.filters
        return torch.log10(power + 1e-7) / 2.0 + 1.0, samples[:, samples.shape[1] - state.shape[1] :]
