"""Training of the baseline network: `captalk train regression`."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from captalk_ros.model.config import RegressionConfig
from captalk_ros.model.regression import Regression, RegressionOutput
from captalk_ros.motion import HEAD_ROTATION, N_MOTION, UNIT_NAMES
from captalk_ros.train.batches import Batch, BatchMaker
from captalk_ros.train.captions import CaptionTeacher
from captalk_ros.train.dataset import CaptionData, SpeechData
from captalk_ros.train.lips import LipGap


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is trained; written beside the weights.

    Attributes:
        n_steps: optimiser steps.
        n_rows, n_frames: size of a batch.
        learning_rate: its peak, after a warm-up, before a cosine decay to a hundredth.
        motion_weight, gap_weight, closure_weight, phone_weight, velocity_weight: of the parts of the loss.
        seed: of weights and batches.
    """

    n_steps: int = 5000
    n_rows: int = 16
    n_frames: int = 200
    learning_rate: float = 1e-3
    motion_weight: float = 10.0
    gap_weight: float = 0.25
    closure_weight: float = 0.4
    phone_weight: float = 0.5
    velocity_weight: float = 5.0
    seed: int = 0


N_WARM_UP_STEPS = 200
N_BLIND_FRAMES = 12  # at a crop's start the network has heard too little to be judged
CLOSED_MM, CLOSED_SOFTNESS_MM = 0.7, 0.35

# Lips and jaw carry the speech and count more than the rest; rad are scaled to the size of units.
_MOTION_WEIGHTS = np.ones(N_MOTION, np.float32)
_MOTION_WEIGHTS[[i for i, name in enumerate(UNIT_NAMES) if name.startswith(("jaw", "mouth"))]] = 2.0
_MOTION_WEIGHTS[HEAD_ROTATION] = 4.0


def loss_parts(output: RegressionOutput, batch: Batch, lip_gap: LipGap, lookahead: int) -> dict[str, Tensor]:
    """The unweighted parts of the loss.

    The network's frame t belongs to the batch's frame t - lookahead. Besides the distance of the motion there is the
    lip gap in mm, and closure as a yes-or-no question: an undecided network would rather half-close the lips than err.
    """
    first, last = N_BLIND_FRAMES, batch.motion.shape[1] - lookahead

    def given(x: Tensor) -> Tensor:
        return x[:, first + lookahead :].float()

    def wanted(x: Tensor) -> Tensor:
        return x[:, first:last]

    motion, target = given(output.motion), wanted(batch.motion)
    weights = torch.from_numpy(_MOTION_WEIGHTS).to(motion.device)
    gap, target_gap = lip_gap(motion[..., :-3]), lip_gap(target[..., :-3])
    closed = (CLOSED_MM - gap) / CLOSED_SOFTNESS_MM
    shut, apart = wanted(batch.closure), wanted(batch.speech) & (target_gap > 2 * CLOSED_MM)
    phone_logits = output.phone_logits[:, 2 * (first + lookahead) :].float()
    return {
        "motion": (weights * (motion - target).abs()).mean(),
        "velocity": (weights * (motion.diff(dim=1) - target.diff(dim=1)).abs()).mean(),
        "gap": functional.smooth_l1_loss(gap, target_gap),
        "closure": functional.softplus(-closed[shut]).sum() / shut.numel() * 3
        + functional.softplus(closed[apart]).sum() / apart.numel() * 5,
        "controls": functional.smooth_l1_loss(given(output.controls), wanted(batch.controls)),
        "phones": functional.cross_entropy(
            phone_logits.flatten(0, 1), batch.phones[:, 2 * first : 2 * last].flatten(), label_smoothing=0.05
        ),
    }


def total_loss(parts: dict[str, Tensor], config: TrainingConfig) -> Tensor:
    """The weighted sum of the parts."""
    return (
        config.motion_weight * (parts["motion"] + 0.1 * parts["controls"])
        + config.velocity_weight * parts["velocity"]
        + config.gap_weight * parts["gap"]
        + config.closure_weight * parts["closure"]
        + config.phone_weight * parts["phones"]
    )


def _learning_rate(step: int, config: TrainingConfig) -> float:
    warm = min(1.0, (step + 1) / N_WARM_UP_STEPS)
    return config.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * step / config.n_steps)))


class Trainer:
    """Trains a `Regression`; what it knows lies in one folder and is taken up again from there.

    Args:
        directory: of the run: `state.safetensors`, `config.json`, `log.jsonl`.
        config: of the training.
        speech: the utterances.
        captions: of style and emotion, with their meanings.
        device: torch's name of the device.
    """

    def __init__(
        self,
        directory: Path,
        config: TrainingConfig,
        speech: SpeechData,
        captions: tuple[CaptionData, CaptionData],
        device: str = "cpu",
    ):
        torch.manual_seed(config.seed)
        self.directory, self.config, self.device = directory, config, device
        directory.mkdir(parents=True, exist_ok=True)
        self.model = Regression(RegressionConfig()).to(device)
        self.lip_gap = LipGap().to(device)
        self.captions = CaptionTeacher(self.model.reader, captions)  # it shares no weights with the motion
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=config.learning_rate, weight_decay=0.02)
        self.step = 0
        self._resume()
        self.batches = BatchMaker(speech, config.n_rows, config.n_frames, config.seed + self.step)

    def run(self) -> Iterator[dict[str, float]]:
        """Teach the caption reader unless that is done, then train to the end; yields the loss parts of every step."""
        self.model.train()
        if self.step == 0:
            self.captions.teach()
        while self.step < self.config.n_steps:
            for group in self.optimizer.param_groups:
                group["lr"] = _learning_rate(self.step, self.config)
            parts = self._update(self.batches.draw())
            self.step += 1
            if self.step % 250 == 0 or self.step == self.config.n_steps:
                self.save()
            if self.step % 20 == 0:
                with (self.directory / "log.jsonl").open("a") as log:
                    log.write(json.dumps({"step": self.step, "time": round(time.time()), **parts}) + "\n")
            yield parts

    def _update(self, batch: Batch) -> dict[str, float]:
        batch = Batch(**{name: value.to(self.device) for name, value in vars(batch).items()})
        state = self.model.init_state(self.config.n_rows)
        with torch.autocast(self.device, dtype=torch.bfloat16):
            output, _ = self.model.step_mel(batch.mel, batch.direction, state)
        parts = loss_parts(output, batch, self.lip_gap, self.model.config.lookahead_frames)
        loss = total_loss(parts, self.config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return {"loss": float(loss.detach()), **{name: float(part.detach()) for name, part in parts.items()}}

    def save(self) -> None:
        """Write the run's state, so that an interrupted training goes on where it was."""
        from safetensors.torch import save_file

        tensors = {f"model.{name}": value.contiguous() for name, value in self.model.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in state.items()}
        unfinished = self.directory / "state.part"
        save_file(tensors, unfinished, metadata={"step": str(self.step)})
        unfinished.rename(self.directory / "state.safetensors")
        configs = {"model": asdict(self.model.config), "training": asdict(self.config)}
        (self.directory / "config.json").write_text(json.dumps(configs, indent=2) + "\n")

    def _resume(self) -> None:
        from safetensors import safe_open

        path = self.directory / "state.safetensors"
        if not path.exists():
            return
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            self.step = int(file.metadata()["step"])
        self.model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def export(trainer: Trainer, path: Path) -> None:
    """Write the trained weights and their card."""
    from captalk_ros.model.checkpoint import save_checkpoint

    made = {"training": asdict(trainer.config), "steps": trainer.step, "commit": _commit()}
    save_checkpoint(path, trainer.model, made)


def _commit() -> str:
    """The source's git commit, or "unknown" outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def plot_log(directory: Path) -> None:
    """Draw the run's loss curves: `log.png`."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    rows = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    names = [name for name in rows[0] if name not in ("step", "time")]
    figure, axes = pyplot.subplots(1, len(names), figsize=(3 * len(names), 2.6), layout="constrained")
    for name, axis in zip(names, axes, strict=True):
        axis.plot([row["step"] for row in rows], [row[name] for row in rows], linewidth=0.8)
        axis.set(title=name, xlabel="step", yscale="log")
    figure.savefig(directory / "log.png", dpi=100)
    pyplot.close(figure)
