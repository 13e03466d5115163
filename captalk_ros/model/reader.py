"""Reads captions: the embedding of a style or an emotion caption becomes a direction."""

import torch
from torch import Tensor, nn

from captalk_ros.direction import GAINS, HEAD_GAIN, LOOK, MOUTH_GAIN, N_DIRECTION, NEUTRAL
from captalk_ros.model.config import ReaderConfig


class CaptionReader(nn.Module):
    """A choice among known looks, and amounts beside it.

    A regression of the direction itself would answer doubt with a faint mixture of looks, a pale face. So the reader
    names the states it takes a caption for and, apart from that, how strong it is; probabilities are squared, so that
    the likely ones prevail. A style is a tone, chosen alike, and the amplitudes of mouth and head.
    """

    def __init__(self, config: ReaderConfig):
        super().__init__()
        self.config = config

        def layers(n_out: int, dropout: float) -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(config.text_dim, config.width), nn.GELU(), nn.Dropout(dropout), nn.Linear(config.width, n_out)
            )

        self.state, self.intensity = layers(config.n_states, 0.5), layers(1, 0.3)
        self.tone, self.amplitudes = layers(config.n_tones + 1, 0.5), layers(2, 0.3)
        # The looks that may be chosen, less the neutral direction; they travel with the weights.
        self.register_buffer("states", torch.zeros(config.n_states, N_DIRECTION))
        self.register_buffer("tones", torch.zeros(config.n_tones, N_DIRECTION))
        self.register_buffer("neutral", torch.from_numpy(NEUTRAL.copy()), persistent=False)

    def read_emotion(self, embedding: Tensor) -> Tensor:
        """[..., text_dim] -> direction [..., N_DIRECTION]."""
        look = _sharpen(self.state(embedding)) @ self.states
        intensity = self.intensity(embedding).clamp(0.0, 1.5)
        return self._clip(self.neutral + torch.cat([intensity * look[..., : GAINS.start], look[..., GAINS]], dim=-1))

    def read_style(self, embedding: Tensor) -> Tensor:
        """[..., text_dim] -> direction [..., N_DIRECTION]."""
        direction = self.neutral + _sharpen(self.tone(embedding))[..., 1:] @ self.tones
        mouth, head = self.amplitudes(embedding).clamp(0.0, 3.0).unbind(dim=-1)
        direction[..., MOUTH_GAIN] *= mouth
        direction[..., HEAD_GAIN] *= head
        return self._clip(direction)

    @staticmethod
    def _clip(direction: Tensor) -> Tensor:
        direction[..., LOOK] = direction[..., LOOK].clamp(0.0, 1.0)
        return direction


def _sharpen(logits: Tensor) -> Tensor:
    """Probabilities, squared and normalised anew."""
    return torch.softmax(2.0 * logits, dim=-1)
