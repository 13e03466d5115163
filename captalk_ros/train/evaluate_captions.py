"""Judging what captions do to the face: `captalk eval captions FILE.tsv`.

The table has the columns kind, state_or_mouth, intensity_or_head and text. A kind is `emotion` (state), `gradedNN` (a
triple: slight, plain, strong) or `style` (levels of mouth and head); others are passed over.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from captalk_ros.errors import InputError
from captalk_ros.life import HEAD_SWAY, Life
from captalk_ros.motion import HEAD_ROTATION, UNITS, unit_indices
from captalk_ros.streamer import Streamer
from captalk_ros.timebase import FPS, FRAME_SAMPLES
from captalk_ros.train import acting
from captalk_ros.train.dataset import BASIC_STATES
from captalk_ros.train.lips import LipGap

N_UNHEARD_FRAMES = FPS  # at the start, which are not judged
# The units that articulation leaves alone: these carry an emotion while somebody speaks.
LOOK_UNITS = unit_indices(
    "browDown", "browInnerUp", "browOuterUp", "eyeSquint", "eyeWide", "eyeBlink", "eyeLookDown", "cheekSquint",
    "noseSneer", "mouthSmile", "mouthFrown",
)  # fmt: skip


@dataclass(frozen=True)
class HeldOut:
    """One row of the table."""

    kind: str
    first: str
    second: str
    text: str


def read_captions(path: Path) -> list[HeldOut]:
    """Rows of a table of captions.

    Raises:
        InputError: no such file, or other columns.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected columns kind, state_or_mouth, intensity_or_head, text")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or any(len(row) != 4 for row in rows):
        raise InputError(f"{path}: expected four columns kind, state_or_mouth, intensity_or_head, text in every row")
    return [HeldOut(*row) for row in rows[1:]]


@torch.inference_mode()
def perform_captions(
    streamer: Streamer, samples: np.ndarray, texts: list[str], line: str
) -> tuple[np.ndarray, np.ndarray]:
    """The same speech under each caption, without chance.

    Args:
        streamer: whose network and text encoder are used.
        samples: [N] speech.
        texts: n captions.
        line: `style` or `emotion`; the other is left without a caption.

    Returns:
        Motion [n, T, 55] and life controls [n, T, 3].
    """
    model = streamer.model
    n_frames = len(samples) // FRAME_SAMPLES
    reader = model.reader
    embeddings = torch.from_numpy(streamer.text.encode(texts)).to(streamer.device)
    directions = reader.read_style(embeddings) if line == "style" else reader.read_emotion(embeddings)
    heard = torch.from_numpy(samples[: n_frames * FRAME_SAMPLES])[None].to(streamer.device)
    motions, controls = [], []
    for part in directions.split(32):
        direction = part[:, None].expand(-1, n_frames, -1)
        output, _ = model.step(heard.expand(len(part), -1), direction, model.init_state(len(part)))
        motions.append(output.motion.cpu().numpy())
        controls.append(output.controls.cpu().numpy())
    kept = slice(N_UNHEARD_FRAMES, None)
    return np.concatenate(motions)[:, kept], np.concatenate(controls)[:, kept]


def nearest_states(looks: np.ndarray, states: tuple[str, ...]) -> list[str]:
    """The state whose look, at any intensity, is nearest to each look [n, len(LOOK_UNITS)]."""
    prototypes = np.stack(
        [[acting.direct(acting.Style(), ((state, i),))[LOOK_UNITS] for i in acting.INTENSITIES] for state in states]
    )  # [states, intensities, units]
    distances = np.linalg.norm(looks[:, None, None] - prototypes, axis=-1).min(axis=2)
    return [states[k] for k in distances.argmin(axis=1)]


def evaluate_captions(path: Path, streamer: Streamer, samples: np.ndarray) -> dict[str, str]:
    """Figures by name, ready to print.

    Raises:
        InputError: see `read_captions`.
    """
    rows = read_captions(path)
    figures = {}
    emotions = [row for row in rows if row.kind == "emotion" or row.kind.startswith("graded")]
    motion, _ = perform_captions(streamer, samples, [row.text for row in emotions], "emotion")
    looks = motion[..., LOOK_UNITS].mean(axis=1) - _neutral_look(streamer, samples)
    for name, states in (("8 basic states", BASIC_STATES), ("all states", tuple(acting.STATES))):
        chosen = [k for k, row in enumerate(emotions) if row.kind == "emotion" and row.first in states]
        right = np.asarray(nearest_states(looks[chosen], states)) == [emotions[k].first for k in chosen]
        figures[f"emotion, {name}"] = f"{100 * right.mean():.1f} % of {len(chosen)} captions"
    figures["graded captions in order"] = _graded(emotions, looks)
    styles = [row for row in rows if row.kind == "style"]
    motion, controls = perform_captions(streamer, samples, [row.text for row in styles], "style")
    gap = LipGap()(torch.from_numpy(motion[..., UNITS].clip(0, 1))).clamp(min=0).std(dim=1).numpy()
    turns = _head_deviation(motion, controls)
    figures["lip gap deviation, mm"] = _by_level(acting.MOUTH_AMPLITUDES, [row.first for row in styles], gap)
    figures["head deviation, degrees"] = _by_level(acting.HEAD_AMPLITUDES, [row.second for row in styles], turns)
    return figures


def _by_level(levels: dict[str, float], given: list[str], values: np.ndarray) -> str:
    """The mean of the values at each level."""
    means = {level: values[[name == level for name in given]] for level in levels}
    return ", ".join(f"{level} {mean.mean():.2f}" for level, mean in means.items() if len(mean))


def _neutral_look(streamer: Streamer, samples: np.ndarray) -> np.ndarray:
    """What speech alone does to the look units."""
    motion, _ = perform_captions(streamer, samples, ["neutral"], "emotion")
    return motion[0][:, LOOK_UNITS].mean(axis=0)


def _graded(rows: list[HeldOut], looks: np.ndarray) -> str:
    """How many triples grow along their state's look."""
    triples: dict[str, dict[str, float]] = {}
    for row, look in zip(rows, looks, strict=True):
        if row.kind.startswith("graded"):
            prototype = acting.direct(acting.Style(), ((row.first, 1.0),))[LOOK_UNITS]
            triples.setdefault(row.kind, {})[row.second] = float(look @ prototype / (prototype @ prototype))
    grown = [t["slight"] < t["plain"] < t["strong"] for t in triples.values()]
    return f"{100 * np.mean(grown):.1f} % of {len(grown)} triples"


def _head_deviation(motion: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """Deviation [n] of the head's rotation in degrees, sway included."""
    life = Life(0)
    sway = np.stack([life.step(np.asarray([1.0, 0.3, 1.0]))[HEAD_ROTATION] for _ in range(motion.shape[1])])
    rotation = motion[..., HEAD_ROTATION] + controls[..., [HEAD_SWAY]] * sway
    return np.degrees(rotation.std(axis=1).mean(axis=1))
