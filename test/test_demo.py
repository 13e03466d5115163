"""The demo from end to end: real nodes in processes of their own, a bag, a video, and its figures."""

import os
import subprocess
import sys
from pathlib import Path

import imageio
import numpy as np
import pytest

from captalk_ros.audio import NS_PER_S, read_audio, write_wav
from captalk_ros.bag import read_bag
from captalk_ros.demo import main, timeline
from captalk_ros.resources import resource_path
from captalk_ros.timebase import FPS, SAMPLE_RATE_HZ

SPEECH_S = 4.0
RATE_TOLERANCE_HZ = 0.5


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess]:
    """The folder and the outcome of a demo with the first seconds of its own speech and the user's captions."""
    folder = tmp_path_factory.mktemp("demo")
    wav = folder / "speech.wav"
    write_wav(wav, read_audio(resource_path("config", "demo.wav"))[: int(SPEECH_S * SAMPLE_RATE_HZ)])
    command = [sys.executable, "-m", "captalk_ros.demo", "--wav", str(wav), "--out", str(folder / "out")]
    done = subprocess.run([*command, "--emotion", "overjoyed: really | sad"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "out", done


def test_every_frame_of_the_speech_is_in_the_bag_at_its_sound(demo):
    recording = read_bag(demo[0] / "bag")
    frames, sound = recording.frames, recording.sound
    spoken = frames.stamps_ns >= sound.start_ns
    assert spoken.sum() >= SPEECH_S * FPS - 1
    np.testing.assert_array_equal(np.diff(frames.index), 1)
    np.testing.assert_allclose(
        np.diff(frames.stamps_ns[spoken]), NS_PER_S / FPS, rtol=0, atol=NS_PER_S / SAMPLE_RATE_HZ
    )
    assert np.isfinite(frames.expression).all()


@pytest.mark.skipif(os.getloadavg()[0] > os.cpu_count(), reason="other programs take the processors")
def test_frames_come_25_times_a_second(demo):
    assert read_bag(demo[0] / "bag").frames.rate_hz == pytest.approx(FPS, abs=RATE_TOLERANCE_HZ)


def test_emotion_changes_in_the_middle_of_the_speech(demo):
    recording = read_bag(demo[0] / "bag")
    assert [emotion for _, _, emotion in recording.captions] == ["overjoyed: really", "sad"]
    smile = recording.units[:, recording.unit_names.index("mouthSmileLeft")]
    since_start_s = (recording.units_stamps_ns - recording.sound.start_ns) / 1e9
    glad = smile[(since_start_s > 0.5) & (since_start_s < 0.5 * SPEECH_S)].mean()
    sad = smile[(since_start_s > 0.5 * SPEECH_S + 1.0) & (since_start_s < SPEECH_S)].mean()
    assert glad > sad + 0.05


def test_video_shows_every_frame_with_sound(demo):
    with imageio.get_reader(demo[0] / "demo.mp4") as video:
        meta = video.get_meta_data()
    assert meta["fps"] == FPS
    assert meta["duration"] >= SPEECH_S - 0.2
    assert meta["audio_codec"]


def test_it_prints_where_things_are_and_how_it_went(demo):
    folder, done = demo
    for word in ("a second", "latency", "real-time factor", str(folder / "bag"), str(folder / "demo.mp4")):
        assert word in done.stdout


def test_captions_share_the_speech():
    captions = timeline("happy | sad", "calm", 6.0)
    assert [(caption.time_s, caption.style, caption.emotion) for caption in captions] == [
        (0.0, "calm", "happy"),
        (3.0, "", "sad"),
    ]


def test_unknown_sound_is_one_line(capsys, tmp_path):
    assert main(["--wav", str(tmp_path / "none.wav"), "--out", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
