"""Phone times of recordings: near the true ones where those are known, and a reason for each recording left out."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from captalk_ros.audio import write_wav
from captalk_ros.errors import InputError
from captalk_ros.timebase import SAMPLE_RATE_HZ
from captalk_ros.train.align import align
from captalk_ros.train.engines import speak_flite
from captalk_ros.train.phones import SIL, Phone, read_phones

TEXT = "People in the middle of Rome buy bread, not apples."

pytestmark = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.fixture(scope="module")
def spoken() -> tuple[np.ndarray, list[Phone]]:
    """The sentence as a voice says it, with the phone times that the voice was made with."""
    return speak_flite(TEXT, "slt")


def write_transcripts(directory: Path, rows: dict[str, str], header: str = "file\ttranscript") -> None:
    (directory / "transcripts.tsv").write_text("\n".join([header, *(f"{file}\t{text}" for file, text in rows.items())]))


def test_boundaries_come_near_the_true_ones(spoken, tmp_path):
    samples, true = spoken
    write_wav(tmp_path / "a.wav", samples)
    write_transcripts(tmp_path, {"a.wav": TEXT})
    assert list(align(tmp_path)) == [("a.wav", None)]
    found, expected = ([p for p in phones if p.name != SIL] for phones in (read_phones(tmp_path)["a.wav"], true))
    assert [phone.name for phone in found] == [phone.name for phone in expected]
    errors_s = np.array([phone.end_s - other.end_s for phone, other in zip(found, expected, strict=True)])
    closures_s = errors_s[[phone.name in ("P", "B", "M") for phone in expected]]
    assert np.median(np.abs(errors_s)) < 0.015 and abs(np.median(errors_s)) < 0.01
    assert len(closures_s) == 7 and np.abs(closures_s).max() < 0.03


def test_phones_cover_the_sound_whatever_its_format_and_level(spoken, tmp_path):
    samples, _ = spoken
    before, after = np.zeros(SAMPLE_RATE_HZ), np.zeros(8_000)
    stereo = np.repeat(np.concatenate([before, 0.05 * samples, after])[:, None], 2, axis=1)
    soundfile.write(tmp_path / "quiet.flac", np.repeat(stereo, 2, axis=0), 2 * SAMPLE_RATE_HZ)
    (tmp_path / "transcripts.tsv").write_text(f"speaker\tfile\ttext\nslt\tquiet.flac\t{TEXT.upper()}\n")
    assert list(align(tmp_path)) == [("quiet.flac", None)]
    phones = read_phones(tmp_path)["quiet.flac"]
    assert phones[0].start_s == 0 and phones[-1].end_s == pytest.approx(len(stereo) / SAMPLE_RATE_HZ, abs=1e-3)
    assert all(phone.end_s == following.start_s for phone, following in itertools.pairwise(phones))
    assert phones[0].name == SIL == phones[-1].name and 0.95 < phones[0].end_s < 1.25


def test_doubtful_recordings_are_left_out_with_a_reason(spoken, tmp_path):
    samples, _ = spoken
    rng = np.random.default_rng(0)
    sounds = {
        "good": (samples, TEXT),
        "unknown": (samples, "people in the middle of Xyzzyville buy bread"),
        "number": (samples, "people buy 12 apples"),
        "wordless": (samples, "..."),
        "other": (samples, "whose fault is this? I shall never know, she said sadly."),
        "noise": (0.1 * rng.standard_normal(len(samples)), TEXT),
        "half": (np.concatenate([samples, samples]), TEXT),
        "short": (samples[:2_000], "people"),
    }
    for name, (sound, _) in sounds.items():
        write_wav(tmp_path / f"{name}.wav", sound)
    write_transcripts(tmp_path, {f"{name}.wav": text for name, (_, text) in sounds.items()} | {"gone.wav": TEXT})
    reasons = {file.removesuffix(".wav"): reason for file, reason in align(tmp_path)}
    assert list(read_phones(tmp_path)) == ["good.wav"]
    assert reasons.pop("good") is None and all(reasons.values())
    assert "'xyzzyville' is not in the dictionary" in reasons["unknown"] and "'12'" in reasons["number"]
    assert "no words" in reasons["wordless"] and "long" in reasons["short"] and "no such file" in reasons["gone"]
    assert all(len(reason.splitlines()) == 1 for reason in reasons.values())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "transcripts.tsv: no such file; expected tab-separated columns file, transcript"),
        ("", "has columns none"),
        ("file\tspeaker\na.wav\tme\n", "has columns file, speaker"),
        ("file\ttext\n", "no rows"),
        ("file\ttext\na.wav\thello\na.wav\thello\n", "tsv:3: file 'a.wav'"),
        ("file\ttext\na.wav\thello\n", "none of 1 recordings"),
    ],
)
def test_transcripts_that_cannot_be_used_are_one_line(tmp_path, table, message):
    if table is not None:
        (tmp_path / "transcripts.tsv").write_text(table)
    (tmp_path / "phones.tsv").write_text("older")
    with pytest.raises(InputError) as caught:
        list(align(tmp_path))
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert (tmp_path / "phones.tsv").read_text() == "older"
