"""The command line as a user types it: what it makes, and one line for each mistake."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from captalk_ros.motion import UNIT_NAMES
from captalk_ros.resources import resource_path
from captalk_ros.timebase import SAMPLE_RATE_HZ

GRADES = (("slight", "a bit"), ("plain", "quite"), ("strong", "so very"))
SPEECH = resource_path("config", "demo.wav")


def captalk(*arguments: object, status: int = 0) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "captalk_ros.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def refused(*arguments: object) -> str:
    """The one line that a mistake is answered with."""
    lines = captalk(*arguments, status=2).stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("captalk: ")
    return lines[0]


@pytest.fixture
def short_speech(tmp_path):
    samples, rate_hz = soundfile.read(SPEECH, dtype="float32")
    soundfile.write(tmp_path / "speech.wav", samples[: 2 * rate_hz], rate_hz)
    return tmp_path / "speech.wav"


def test_animate_writes_the_documented_arrays(short_speech, tmp_path):
    captions = [{"time_s": 0, "style": "lively", "emotion": "happy"}, {"time_s": 1.0, "emotion": "furious"}]
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    captalk("animate", short_speech, "-o", tmp_path / "a.npz", "--captions", tmp_path / "captions.json", "--seed", 3)
    with np.load(tmp_path / "a.npz") as a:
        shapes = {name: a[name].shape for name in a.files}
        assert list(a["unit_names"]) == list(UNIT_NAMES)
        assert float(a["fps"]) == 25 and str(a["head_model"])
        assert np.allclose(a["time_s"], np.arange(50) / 25)
    expected = {"units": 52, "head_rotation": 3, "jaw_pose": 3, "neck_pose": 3, "eye_pose": 6}
    assert all(shapes[name] == (50, width) for name, width in expected.items())
    assert shapes["lip_gap_mm"] == (50,) and shapes["expression"][0] == 50


@pytest.mark.parametrize(
    ("rate_hz", "channels", "subtype", "suffix"),
    [
        (8_000, 1, "PCM_16", "wav"),
        (44_100, 2, "PCM_24", "wav"),
        (192_000, 1, "FLOAT", "wav"),
        (48_000, 2, None, "flac"),
    ],
)
def test_animate_reads_what_people_have(tmp_path, rate_hz, channels, subtype, suffix):
    path = tmp_path / f"tone.{suffix}"
    tone = 0.3 * np.sin(np.arange(rate_hz // 2) * 2 * np.pi * 200 / rate_hz)
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate_hz, subtype=subtype)
    captalk("animate", path, "-o", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as a:
        assert abs(len(a["units"]) - 13) <= 1 and np.isfinite(a["units"]).all()


def test_clipped_and_broken_samples_still_give_a_face(tmp_path):
    samples = np.sign(np.sin(np.arange(SAMPLE_RATE_HZ) / 30)).astype(np.float32) * 3
    samples[100:200] = np.nan
    soundfile.write(tmp_path / "bad.wav", samples, SAMPLE_RATE_HZ, subtype="FLOAT")
    captalk("animate", tmp_path / "bad.wav", "-o", tmp_path / "a.npz", "--emotion", "x" * 10_000)
    with np.load(tmp_path / "a.npz") as a:
        assert all(np.isfinite(a[name]).all() for name in ("units", "head_rotation", "expression", "lip_gap_mm"))


def test_sound_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not a sound")
    whole = SPEECH.read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    for name, reason in (("no.wav", "no such file"), ("empty.wav", "empty"), ("text.wav", "cannot"), ("cut.wav", "")):
        assert name in (line := refused("animate", tmp_path / name, "-o", tmp_path / "a.npz")) and reason in line


def test_captions_and_weights_that_are_none_are_refused(short_speech, tmp_path):
    bad = tmp_path / "captions.json"
    bad.write_text('{"time_s": 0}')
    out = tmp_path / "a.npz"
    assert "expected a list" in refused("animate", short_speech, "-o", out, "--captions", bad)
    assert "no such file" in refused("animate", short_speech, "-o", out, "--weights", tmp_path / "w.safetensors")
    assert not out.exists()


def test_render_refuses_what_is_no_animation(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    assert "lacks" in refused("render", tmp_path / "other.npz", "-o", tmp_path / "o.mp4")
    assert "no such file" in refused("render", tmp_path / "none.npz", "-o", tmp_path / "o.mp4")


def test_eval_real_judges_recordings_with_phones(short_speech, tmp_path):
    rows = ["file phone start_s end_s", "speech.wav SIL 0 0.2", "speech.wav AA 0.2 0.6", "speech.wav B 0.6 2"]
    (tmp_path / "phones.tsv").write_text("\n".join(rows).replace(" ", "\t"))
    for band in ("full", "telephone"):
        printed = captalk("eval", "real", tmp_path, "--band", band).stdout
        assert all(word in printed for word in ("closure", "opening", "false closures", "quiet", "lag", "correlation"))
    assert "phones.tsv" in refused("eval", "real", tmp_path / "nowhere")


def test_eval_captions_judges_a_table(tmp_path):
    rows = ["kind\tstate_or_mouth\tintensity_or_head\ttext", "emotion\tangry\t\tfurious"]
    rows += [f"graded00\tsad\t{grade}\t{word} sad" for grade, word in GRADES]
    rows += ["style\tlarge\tstill\twide open mouth, head perfectly still"]
    (tmp_path / "captions.tsv").write_text("\n".join(rows))
    printed = captalk("eval", "captions", tmp_path / "captions.tsv", "--save", tmp_path / "scores.json").stdout
    assert "100.0 % of 1 captions" in printed and "of 1 triples" in printed
    assert json.loads((tmp_path / "scores.json").read_text())["captions"]["sha256"]
    assert "no such file" in refused("eval", "captions", tmp_path / "none.tsv")


def test_training_without_data_is_refused(tmp_path):
    assert "no train shards" in refused("train", "regression", tmp_path)
    assert "phones.tsv" in refused("dataset", "add", tmp_path, tmp_path)


def test_every_verb_teaches():
    verbs = ["animate", "render", "eval real", "bench", "head sheet", "head bake", "dataset make"]
    verbs += ["dataset add", "dataset align", "eval captions", "train regression"]
    for verb in ["", *verbs]:
        assert "usage: captalk" in captalk(*verb.split(), "--help").stdout
