"""Teaches the caption reader what thousands of wordings mean."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from captalk_ros.direction import NEUTRAL
from captalk_ros.model.reader import CaptionReader
from captalk_ros.train import acting
from captalk_ros.train.dataset import CaptionData

N_STEPS, LEARNING_RATE = 4000, 1e-3
N_CAPTIONS = 256  # of each kind a step
NOISE = 0.025  # on every number of an embedding, whose length is 1: unseen wordings lie beside the seen ones
STATES, TONES = tuple(acting.STATES), tuple(acting.TONES)


class CaptionTeacher:
    """Draws captions and judges how they are read.

    Args:
        reader: is given the looks of the states and tones that it may choose from.
        captions: of style and emotion, with their meanings.
    """

    def __init__(self, reader: CaptionReader, captions: tuple[CaptionData, CaptionData]):
        self.reader = reader
        styles, emotions = captions
        for buffer, directions in (
            (reader.states, [acting.state_direction(state) for state in STATES]),
            (reader.tones, [acting.look_direction(look) for look in acting.TONES.values()]),
        ):
            buffer.copy_(torch.from_numpy(np.stack(directions) - NEUTRAL))
        self.emotion_embeddings, self.style_embeddings = (
            torch.from_numpy(data.embeddings).float() for data in (emotions, styles)
        )
        # A mixture asks for its parts by their intensities; neutral has no intensity to be learned.
        self.shares = torch.zeros(len(emotions.meanings), len(STATES))
        for row, emotion in enumerate(emotions.meanings):
            for state, intensity in emotion:
                self.shares[row, STATES.index(state)] = intensity
        self.intensities = self.shares.sum(dim=1)
        self.shares /= self.intensities[:, None]
        self.is_felt = 1.0 - self.shares[:, STATES.index("neutral")]
        self.tones = torch.tensor([0 if s.tone is None else 1 + TONES.index(s.tone) for s in styles.meanings])
        self.amplitudes = torch.tensor(
            [
                (acting.MOUTH_AMPLITUDES[s.mouth or "natural"], acting.HEAD_AMPLITUDES[s.head or "natural"])
                for s in styles.meanings
            ]
        )

    def teach(self, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Train the reader; takes a minute or two on one core."""
        optimizer = torch.optim.AdamW(self.reader.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, N_STEPS)
        self.reader.train()
        for step in range(N_STEPS):
            optimizer.zero_grad(set_to_none=True)
            self.loss().backward()
            optimizer.step()
            schedule.step()
            progress(step + 1, N_STEPS)

    def loss(self) -> Tensor:
        """How wrongly a random draw of captions is read: choices by cross-entropy, amounts by squared error."""
        reader, device = self.reader, self.reader.states.device
        rows = torch.randint(len(self.shares), (N_CAPTIONS,))
        heard = self.emotion_embeddings[rows].to(device)
        noisy = heard + NOISE * torch.randn_like(heard)
        felt = self.is_felt[rows].to(device)
        miss = reader.intensity(noisy)[:, 0] - self.intensities[rows].to(device)
        loss = functional.cross_entropy(reader.state(noisy), self.shares[rows].to(device)) + (felt * miss**2).mean()
        rows = torch.randint(len(self.tones), (N_CAPTIONS,))
        heard = self.style_embeddings[rows].to(device)
        noisy = heard + NOISE * torch.randn_like(heard)
        loss = loss + functional.cross_entropy(reader.tone(noisy), self.tones[rows].to(device))
        return loss + functional.mse_loss(reader.amplitudes(heard), self.amplitudes[rows].to(device))
