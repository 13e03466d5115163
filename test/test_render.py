"""Pictures of the head, drawn offscreen: they show a face, react to it, and come as sheet, gif and video with sound."""

import subprocess

import numpy as np
import pytest
from PIL import Image

from captalk_ros.animate import Animation
from captalk_ros.audio import write_wav
from captalk_ros.captions import Caption
from captalk_ros.errors import InputError
from captalk_ros.head import open_head
from captalk_ros.motion import N_MOTION, UNIT_INDEX, unit_vector
from captalk_ros.render import render_animation, render_image, render_sheet

N_FRAMES = 6


@pytest.fixture(scope="module")
def head():
    return open_head()


@pytest.fixture(scope="module")
def animation(head):
    motion = np.zeros((N_FRAMES, N_MOTION), np.float32)
    motion[:, UNIT_INDEX["jawOpen"]] = np.linspace(0, 0.5, N_FRAMES)
    captions = [Caption(0.0, "calm", "happy"), Caption(0.2, "", "a very long feeling\n" * 400)]
    return Animation.from_motion(motion, head, captions)


def test_image_shows_a_lit_face_that_opens_its_mouth(head):
    opened = head.vertices(head.parameters(unit_vector({"jawOpen": 0.7})))
    images = [render_image(head, vertices, size=128) for vertices in (head.template, opened)]
    assert images[0].shape == (128, 128, 3)
    assert images[0].dtype == np.uint8
    middle = images[0][40:100, 40:100].reshape(-1, 3).mean(axis=0)
    assert middle[0] > middle[2] + 20, "skin is warm"
    assert images[0][:4].mean() < 110, "the background is dark"
    changed = np.abs(images[0].astype(int) - images[1]).sum(axis=-1) > 60
    rows = np.flatnonzero(changed.any(axis=1))
    assert changed.sum() > 100
    assert rows.min() > 50, "the forehead and the eyes stay"


def test_sheet_shows_all_units(head, tmp_path):
    seen = []
    render_sheet(head, tmp_path / "units.png", lambda done, total: seen.append((done, total)), size=64)
    assert Image.open(tmp_path / "units.png").size == (9 * 64, 6 * 64)
    assert seen[-1] == (53, 53)


def test_video_has_sound_and_all_frames(animation, tmp_path):
    import imageio_ffmpeg

    write_wav(tmp_path / "in.wav", np.zeros(N_FRAMES * 640, np.float32))
    render_animation(animation, tmp_path / "out.mp4", tmp_path / "in.wav", 64)
    said = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", tmp_path / "out.mp4", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "h264" in said
    assert "yuv420p" in said
    assert "aac" in said
    assert f"frame={N_FRAMES:5d}" in said


def test_gif_and_sheet_of_frames(animation, tmp_path):
    render_animation(animation, tmp_path / "out.gif", size=64)
    assert Image.open(tmp_path / "out.gif").n_frames == N_FRAMES // 2
    render_animation(animation, tmp_path / "out.png", size=64)
    assert Image.open(tmp_path / "out.png").size == (6 * 64, 64)


def test_what_cannot_be_drawn_is_named(animation, tmp_path):
    with pytest.raises(InputError, match="avi"):
        render_animation(animation, tmp_path / "out.avi")
    with pytest.raises(InputError, match="63"):
        render_animation(animation, tmp_path / "out.mp4", size=63)
    with pytest.raises(InputError, match="absent"):
        render_animation(animation, tmp_path / "out.mp4", audio=tmp_path / "absent.wav")
