"""Training as a person runs it: data in shards, damaged ones named, and a run that goes on where it stopped."""

from pathlib import Path

import numpy as np
import pytest
import torch

from captalk_ros.audio import write_wav
from captalk_ros.direction import LOOK
from captalk_ros.head import open_head
from captalk_ros.model.checkpoint import load_checkpoint
from captalk_ros.model.config import ReaderConfig
from captalk_ros.model.reader import CaptionReader
from captalk_ros.motion import N_UNITS
from captalk_ros.train import captions, dataset
from captalk_ros.train.acting import emotion_direction
from captalk_ros.train.batches import BatchMaker, transition_weights
from captalk_ros.train.lips import LipGap
from captalk_ros.train.regression import Trainer, TrainingConfig, export

TINY = TrainingConfig(n_steps=3, n_rows=2, n_frames=40)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Noise with phones, and a few captions: enough to run everything, not to learn."""
    recordings, directory = tmp_path_factory.mktemp("recordings"), tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    rows = ["file\tphone\tstart_s\tend_s"]
    for name in ("a.wav", "b.wav"):
        write_wav(recordings / name, (0.1 * rng.standard_normal(64_000)).astype(np.float32))
        rows += [f"{name}\tSIL\t0\t0.5", f"{name}\tB\t0.5\t0.6", f"{name}\tAA\t0.6\t2.0", f"{name}\tM\t2.0\t4.0"]
    rows.append("missing.wav\tAA\t0\t1")
    (recordings / "phones.tsv").write_text("\n".join(rows))
    left_out = [file for file, reason in dataset.add_recordings(recordings, directory, "noise", 2, seed=0) if reason]
    assert left_out == ["missing.wav"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "N_EMOTION_CAPTIONS", 24)
        patch.setattr(dataset, "N_STYLE_CAPTIONS", 16)
        dataset.make_captions(directory, "train", seed=0)
    return directory


def trainer(run: Path, data: Path, config: TrainingConfig = TINY) -> Trainer:
    return Trainer(run, config, dataset.load_speech(data, "train"), dataset.load_captions(data, "train"))


def test_speech_and_captions_come_back_as_they_were_made(data):
    speech = dataset.load_speech(data, "train")
    assert speech.n_frames == 400 and len(speech.mel) == 1600 and len(speech.phones) == 800
    styles, emotions = dataset.load_captions(data, "train")
    assert len(styles.texts) == len(styles.meanings) == 16 and len(emotions.texts) == len(emotions.meanings) == 24
    assert np.allclose(np.linalg.norm(emotions.embeddings.astype(np.float32), axis=1), 1, atol=1e-2)


def test_equal_seeds_give_equal_batches(data):
    speech = dataset.load_speech(data, "train")
    first, again, other = (BatchMaker(speech, 2, 40, seed).draw() for seed in (1, 1, 2))
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(first).items())
    assert not torch.equal(first.motion, other.motion)


def test_directions_cross_fade():
    weights = transition_weights(100, 3, np.random.default_rng(0))
    assert np.allclose(weights.sum(axis=1), 1) and weights[0, 0] == 1 and weights[-1, 2] > 0


def test_a_damaged_shard_is_named(data, tmp_path):
    (tmp_path / "train-00000.npz").write_bytes(next(data.glob("train-*.npz")).read_bytes()[:5000])
    with pytest.raises(ValueError, match="damaged shard"):
        dataset.load_speech(tmp_path, "train")
    with pytest.raises(ValueError, match="no test shards"):
        dataset.load_speech(tmp_path, "test")


def test_clips_that_do_not_fit_are_refused():
    good = np.zeros(6400, np.float32)
    with pytest.raises(ValueError, match="6400 samples, the clean one 640"):
        dataset.encode_utterance([("SIL", 0.0, 0.4)], good[:640], good)
    with pytest.raises(ValueError, match="NaN"):
        dataset.encode_utterance([("SIL", 0.0, 0.4)], good, good * np.nan)


def test_a_run_goes_on_where_it_stopped_and_exports_weights(data, tmp_path, monkeypatch):
    monkeypatch.setattr(captions, "N_STEPS", 3)
    first = trainer(tmp_path / "run", data)
    losses = [parts["loss"] for parts in first.run()]
    assert len(losses) == 3 and np.isfinite(losses).all()
    again = trainer(tmp_path / "run", data, TrainingConfig(n_steps=5, n_rows=2, n_frames=40))
    assert again.step == 3
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True))
    assert len(list(again.run())) == 2
    export(again, tmp_path / "weights.safetensors")
    _, card = load_checkpoint(tmp_path / "weights.safetensors")
    assert card["made"]["steps"] == 5 and card["made"]["training"]["n_rows"] == 2


def test_the_trained_lip_gap_is_the_heads():
    units = np.random.default_rng(0).uniform(0, 0.5, (200, N_UNITS)).astype(np.float32)
    head = open_head()
    gap = LipGap(head)(torch.from_numpy(units)).clamp(min=0).numpy()
    assert np.allclose(gap, head.lip_gap_mm(head.parameters(units)), atol=0.3)


def test_the_reader_learns_its_captions(data, monkeypatch):
    monkeypatch.setattr(captions, "N_STEPS", 150)
    torch.manual_seed(0)
    reader = CaptionReader(ReaderConfig())
    learned = dataset.load_captions(data, "train")
    captions.CaptionTeacher(reader, learned).teach()
    read = reader.eval().read_emotion(torch.from_numpy(learned[1].embeddings).float()).detach().numpy()
    wanted = np.stack([emotion_direction(emotion) for emotion in learned[1].meanings])
    assert np.abs(read[:, LOOK] - wanted[:, LOOK]).mean() < 0.5 * np.abs(wanted[:, LOOK]).mean()
