"""Checkpoints: `NAME.safetensors` holds the weights and `NAME.json`, the card, says what they are. No pickles."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from captalk_ros.errors import InputError
from captalk_ros.model.config import ReaderConfig, RegressionConfig, SpeechConfig
from captalk_ros.model.regression import Regression
from captalk_ros.motion import MOTION_SPACE
from captalk_ros.timebase import FPS, SAMPLE_RATE_HZ


class CheckpointError(InputError):
    """Weights that cannot be used; the message names what was found and what was expected."""


def save_checkpoint(path: Path | str, model: nn.Module, made: dict) -> None:
    """Write a model and its card.

    Args:
        path: of the `.safetensors` file; the card goes beside it.
        model: its weights are kept as float16.
        made: how it was made (data, steps, commit, scores): goes into the card as it is.
    """
    path = Path(path)
    weights = {name: value.detach().cpu().half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, path)
    card = {
        "kind": type(model).__name__.lower(),
        "config": asdict(model.config),
        "sha256": _sha256(path),
        "made": made,
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def load_checkpoint(path: Path | str) -> tuple[Regression, dict]:
    """Rebuild a model from its files.

    Args:
        path: of the `.safetensors` file.

    Returns:
        The model in evaluation mode, float32, on the CPU; and its card.

    Raises:
        CheckpointError: a missing, truncated or foreign file, or one whose rates, motion space or shapes disagree.
    """
    path = Path(path)
    card = _read_card(path)
    config = dict(card["config"])
    for name, expected in (("sample_rate_hz", SAMPLE_RATE_HZ), ("fps", FPS), ("motion_space", MOTION_SPACE)):
        if config.get(name) != expected:
            raise CheckpointError(f"{path}: {name} is {config.get(name)!r}, expected {expected!r}")
    if card["sha256"] != _sha256(path):
        raise CheckpointError(f"{path}: the weights are damaged or not those of the card (sha256 differs)")
    try:
        speech = dict(config.pop("speech"))
        speech["dilations"] = tuple(speech["dilations"])
        reader = ReaderConfig(**config.pop("reader"))
        model = Regression(RegressionConfig(speech=SpeechConfig(**speech), reader=reader, **config))
        weights = {name: value.float() for name, value in load_file(path).items()}
        model.load_state_dict(weights, strict=True)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error})") from error
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{path}: config and weights do not fit each other: {reason}") from error
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise CheckpointError(f"{path}: weights hold values that are not finite")
    return model.eval(), card


def _read_card(path: Path) -> dict:
    card_path = path.with_suffix(".json")
    for file in (path, card_path):
        if not file.is_file():
            raise CheckpointError(f"{file}: no such file; expected weights (.safetensors) with their card (.json)")
    try:
        card = json.loads(card_path.read_text())
    except ValueError as error:
        raise CheckpointError(f"{card_path}: not JSON ({error})") from error
    if not isinstance(card, dict) or not {"kind", "config", "sha256"} <= card.keys():
        raise CheckpointError(f"{card_path}: expected an object with kind, config and sha256")
    if card["kind"] != "regression":
        raise CheckpointError(f"{card_path}: kind is {card['kind']!r}, expected 'regression'")
    return card


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
