"""The training set: synthetic speech as spectra, with what the performer needs to act it, and captions with meanings.

Motion itself is not stored. The performer plays each crop anew, in a new direction with new captions, so that one
utterance is acted in as many ways as there are epochs. `captalk dataset make` writes the set.
"""

import json
import multiprocessing
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from captalk_ros.audio import read_audio
from captalk_ros.errors import InputError
from captalk_ros.timebase import FRAME_S, FRAME_SAMPLES
from captalk_ros.train import acting, performer
from captalk_ros.train.phones import PHONE_NAMES, Phone, read_phones

N_UTTERANCES_PER_SHARD = 40
N_EMOTION_CAPTIONS, N_STYLE_CAPTIONS = 24_000, 16_000
PHONE_INDEX = {phone: i for i, phone in enumerate(PHONE_NAMES)}
_ARRAYS = ("mel", "articulation", "prosody", "phones")


@dataclass
class SpeechData:
    """Utterances one after the other, each with its pauses.

    Attributes:
        mel: [4 T, n_mels] float16 spectra of the augmented sound.
        articulation: [T, N_CHANNELS] float16 of the performer.
        prosody: [T, N_PROSODY] float16 of the clean sound.
        phones: [2 T] uint8 indices into `phones.PHONE_NAMES`.
    """

    mel: np.ndarray
    articulation: np.ndarray
    prosody: np.ndarray
    phones: np.ndarray

    @property
    def n_frames(self) -> int:
        """T."""
        return len(self.articulation)


@dataclass
class CaptionData:
    """Captions and what they mean.

    Attributes:
        texts: [N].
        embeddings: [N, text_dim] float16.
        meanings: [N] `acting.Style` or `acting.Emotion`.
    """

    texts: list[str]
    embeddings: np.ndarray
    meanings: list


def encode_utterance(phones: list[Phone], clean: np.ndarray, heard: np.ndarray) -> SpeechData:
    """What training keeps of one utterance.

    Args:
        phones: with their times.
        clean: [N] float32, for loudness and pitch.
        heard: [N] float32, what the network hears: the same speech, augmented.

    Raises:
        ValueError: sounds of unequal length, or values that are not finite.
    """
    if len(clean) != len(heard):
        raise ValueError(f"heard sound has {len(heard)} samples, the clean one {len(clean)}; expected equal lengths")
    if not (np.isfinite(clean).all() and np.isfinite(heard).all()):
        raise ValueError("sound holds NaN or infinity, expected values in [-1, 1]")
    n_frames = len(clean) // FRAME_SAMPLES
    half_frame_s = (np.arange(2 * n_frames) + 0.5) * FRAME_S / 2
    ends_s = np.asarray([end_s for _, _, end_s in phones])
    at = np.minimum(np.searchsorted(ends_s, half_frame_s), len(phones) - 1)
    return SpeechData(
        mel=_log_mel(heard[: n_frames * FRAME_SAMPLES]),
        articulation=performer.articulate(phones, n_frames).astype(np.float16),
        prosody=performer.prosody(clean, phones, n_frames).astype(np.float16),
        phones=np.asarray([PHONE_INDEX[phone] for phone, _, _ in phones], np.uint8)[at],
    )


def _log_mel(samples: np.ndarray) -> np.ndarray:
    import torch

    from captalk_ros.model.config import SpeechConfig
    from captalk_ros.model.layers import LogMel
    from captalk_ros.timebase import SAMPLE_RATE_HZ

    config = SpeechConfig()
    log_mel = LogMel(config.n_mels, config.window_samples, config.hop_samples, SAMPLE_RATE_HZ)
    mel, _ = log_mel.step(torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None], log_mel.init_state(1))
    return mel[0].half().numpy()


def _make_shard(job: tuple[Path, str, int, int]) -> tuple[int, list[str]]:
    """Write one shard unless it is there; returns its frames and one line for each utterance that was left out."""
    import torch

    from captalk_ros.train.augment import augment
    from captalk_ros.train.engines import SynthesisError
    from captalk_ros.train.speech import make_utterance

    directory, split, shard, seed = job
    path = directory / f"{split}-{shard:05d}.npz"
    torch.set_num_threads(1)
    parts, skipped, others = [], [], []  # others talk in the background
    if not path.exists():
        for index in range(shard * N_UTTERANCES_PER_SHARD, (shard + 1) * N_UTTERANCES_PER_SHARD):
            rng = np.random.default_rng([seed, index, 1])
            try:
                utterance = make_utterance(index, split, seed)
                heard = augment(utterance.samples, rng, others)
                others = [utterance.samples, *others[:2]]
                parts.append(encode_utterance(utterance.phones, utterance.samples, heard))
            except (ValueError, SynthesisError) as error:
                skipped.append(f"utterance {index}: {error}")
        if not parts:
            raise InputError(f"{path}: no utterance could be made ({skipped[0]})")
        _save_shard(path, parts)
    with np.load(path) as file:
        return len(file["articulation"]), skipped


def make_speech(directory: Path, split: str, n_shards: int, seed: int, n_jobs: int) -> Iterator[tuple[int, list[str]]]:
    """Make the missing shards of a split in parallel; yields (frames, skipped utterances) as each shard is done."""
    directory.mkdir(parents=True, exist_ok=True)
    jobs = [(directory, split, shard, seed) for shard in range(n_shards)]
    with multiprocessing.get_context("spawn").Pool(n_jobs) as pool:
        yield from pool.imap_unordered(_make_shard, jobs)


def add_recordings(
    recordings: Path, directory: Path, name: str, n_copies: int, seed: int
) -> Iterator[tuple[str, str | None]]:
    """Add recordings of people whose phone times are known to the training split.

    Args:
        recordings: folder of sound files and `phones.tsv`.
        directory: of the training data.
        name: of the set; its shards are `train-NAME-NNNNN.npz`.
        n_copies: differently augmented copies of each; the weight of the set.
        seed: of the augmentation.

    Yields:
        The name of each recording that is done, and why it was left out, or None.

    Raises:
        PhoneFileError: no table of phones, or a damaged one.
    """
    from captalk_ros.train.augment import augment

    parts: list[SpeechData] = []
    n_shards = 0
    rng = np.random.default_rng([seed, sum(name.encode())])
    others: list[np.ndarray] = []
    for file, phones in sorted(read_phones(recordings).items()):
        reason = None
        try:
            clean = read_audio(recordings / file)
            parts += [encode_utterance(phones, clean, augment(clean, rng, others)) for _ in range(n_copies)]
            others = [clean, *others[:2]]
        except ValueError as error:
            reason = str(error)
        if len(parts) >= 4 * N_UTTERANCES_PER_SHARD:
            _save_shard(directory / f"train-{name}-{n_shards:05d}.npz", parts)
            n_shards, parts = n_shards + 1, []
        yield file, reason
    if parts:
        _save_shard(directory / f"train-{name}-{n_shards:05d}.npz", parts)


def _save_shard(path: Path, parts: list[SpeechData]) -> None:
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS})
    unfinished.rename(path)


def load_speech(directory: Path, split: str) -> SpeechData:
    """All shards of a split, in order.

    Raises:
        InputError: no shards, or a damaged one.
    """
    paths = sorted(directory.glob(f"{split}-*.npz"))
    if not paths:
        raise InputError(f"{directory}: no {split} shards; `captalk dataset make` writes them")
    columns: dict[str, list[np.ndarray]] = {name: [] for name in _ARRAYS}
    for path in paths:
        try:
            with np.load(path) as shard:
                for name in _ARRAYS:
                    columns[name].append(shard[name])
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise InputError(f"{path}: damaged shard ({error}); remove it and make it again") from error
    return SpeechData(**{name: np.concatenate(parts) for name, parts in columns.items()})


def random_style(rng: np.random.Generator) -> acting.Style:
    """A style whose traits are drawn apart from each other; each may be left open."""

    def trait(levels: dict, open_share: float) -> str | None:
        return None if rng.random() < open_share else str(rng.choice(list(levels)))

    return acting.Style(
        trait(acting.MOUTH_AMPLITUDES, 0.15), trait(acting.HEAD_AMPLITUDES, 0.15), trait(acting.TONES, 0.5)
    )


BASIC_STATES = ("neutral", "happy", "sad", "angry", "surprised", "afraid", "disgusted", "contemptuous")


def random_emotion(rng: np.random.Generator) -> acting.Emotion:
    """An emotion: two times in three one of the eight basic ones, else a freer state; one in eight is mixed."""

    def state() -> str:
        return str(rng.choice(BASIC_STATES if rng.random() < 2 / 3 else list(acting.STATES)))

    first = (state(), float(rng.choice(acting.INTENSITIES)))
    if rng.random() < 1 / 8 and first[0] != "neutral":
        second = (state(), acting.INTENSITIES[0])
        if second[0] not in ("neutral", first[0]):
            return first, second
    return (first,)


def make_captions(directory: Path, split: str, seed: int) -> None:
    """Write and embed the captions of a split: `captions-SPLIT.npz`; nothing happens where it is there."""
    from captalk_ros.model.text import TextEncoder
    from captalk_ros.train import wordings

    path = directory / f"captions-{split}.npz"
    if path.exists():
        return
    rng = np.random.default_rng([seed, sum(split.encode())])
    share = 1 if split == "train" else 20
    emotions = [random_emotion(rng) for _ in range(N_EMOTION_CAPTIONS // share)]
    styles = [random_style(rng) for _ in range(N_STYLE_CAPTIONS // share)]
    encoder = TextEncoder()
    arrays = {}
    for name, meanings, write in (
        ("emotion", emotions, wordings.emotion_caption),
        ("style", styles, wordings.style_caption),
    ):
        texts = [write(meaning, rng, split) for meaning in meanings]
        arrays[f"{name}_texts"] = np.asarray(texts)
        arrays[f"{name}_embeddings"] = encoder.encode(texts).astype(np.float16)
    arrays["emotions"] = np.asarray([json.dumps(emotion) for emotion in emotions])
    arrays["styles"] = np.asarray([json.dumps((style.mouth, style.head, style.tone)) for style in styles])
    np.savez_compressed(path, **arrays)


def load_captions(directory: Path, split: str) -> tuple[CaptionData, CaptionData]:
    """Style and emotion captions of a split, each with its meaning."""
    with np.load(directory / f"captions-{split}.npz") as file:
        styles = [acting.Style(*json.loads(text)) for text in file["styles"]]
        emotions = [tuple(map(tuple, json.loads(text))) for text in file["emotions"]]
        return tuple(
            CaptionData(list(file[f"{name}_texts"]), file[f"{name}_embeddings"], meanings)
            for name, meanings in (("style", styles), ("emotion", emotions))
        )
