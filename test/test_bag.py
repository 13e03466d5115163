"""Bags: what is written with a receive time is read back as arrays, and bad bags are refused in one line."""

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from std_msgs.msg import String

from captalk_ros import bag
from captalk_ros.head import open_head
from captalk_ros.motion import N_UNITS, UNIT_NAMES
from captalk_ros.nodes import convert

START_NS = 1_700_000_000_000_000_000
FRAME_NS = 40_000_000
LATE_NS = 160_000_000
N_FRAMES = 50


@pytest.fixture(scope="module")
def units() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (N_FRAMES, N_UNITS)).astype(np.float32)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return np.random.default_rng(1).integers(-9_000, 9_000, 32_000).astype(np.int16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, units, sound):
    folder, head = tmp_path_factory.mktemp("bag") / "face", open_head()
    topics = {"/audio": bag.AUDIO_TYPE, "/face/flame": bag.FLAME_TYPE, "/face/units": bag.UNITS_TYPE}
    texts = {"/face/caption": bag.CAPTION_TYPE, "/face/style": bag.STRING_TYPE, "/face/emotion": bag.STRING_TYPE}
    with bag.BagWriter(folder) as writer:
        for topic, message_type in {**topics, **texts}.items():
            writer.add_topic(topic, message_type)

        def write(topic, receive_ns, message):
            writer.write(topic, receive_ns, serialize_message(message))

        for at in range(0, len(sound), 320):
            stamp_ns = START_NS + at * 62_500
            write("/audio", stamp_ns + 20_000_000, convert.audio_chunk(sound[at : at + 320], 16_000, stamp_ns))
        for index, row in enumerate(units):
            stamp_ns = START_NS + index * FRAME_NS
            parameters = head.parameters(row, np.array([0.1, 0.2, 0.3], np.float32))
            flame = convert.flame_frame(parameters, index, stamp_ns, head.name)
            write("/face/flame", stamp_ns + LATE_NS, flame)
            write("/face/units", stamp_ns + LATE_NS, convert.joint_state(row, stamp_ns))
        write("/face/caption", START_NS + 1, convert.caption("calm", "sad"))
        write("/face/style", START_NS + 2, String(data="lively"))
        write("/face/emotion", START_NS + 3, String(data="glad"))
    return folder


def test_frames_come_back_with_their_times(folder, units):
    frames, head = bag.read_bag(folder).frames, open_head()
    parameters = head.parameters(units)
    assert np.array_equal(frames.stamps_ns, START_NS + np.arange(N_FRAMES) * FRAME_NS)
    assert np.array_equal(frames.index, np.arange(N_FRAMES)) and frames.head_model == head.name
    for name in ("expression", "jaw_pose", "eye_pose", "eyelids"):
        assert getattr(frames, name) == pytest.approx(getattr(parameters, name), abs=1e-6), name
    assert frames.neck_pose[7] == pytest.approx([0.1, 0.2, 0.3])
    assert frames.rate_hz == pytest.approx(25.0)
    assert frames.latency_s == pytest.approx(np.full(N_FRAMES, 0.16))


def test_units_sound_and_captions_come_back(folder, units, sound):
    recording = bag.read_bag(folder)
    assert recording.unit_names == UNIT_NAMES and np.array_equal(recording.units, units)
    assert np.array_equal(recording.units_stamps_ns, recording.frames.stamps_ns)
    assert np.array_equal(recording.sound.samples, sound / np.float32(32_768))
    assert recording.sound.start_ns == START_NS
    assert [text for _, *text in recording.captions] == [["calm", "sad"], ["lively", ""], ["", "glad"]]


def test_the_mcap_file_itself_can_be_named(folder):
    (path,) = folder.glob("*.mcap")
    assert len(bag.read_bag(path).frames.index) == N_FRAMES


def test_a_bag_is_never_written_over(folder):
    with pytest.raises(bag.BagError, match="exists already"):
        bag.BagWriter(folder)


def test_an_empty_bag_holds_nothing(tmp_path):
    with bag.BagWriter(tmp_path / "empty") as writer:
        writer.add_topic("/face/flame", bag.FLAME_TYPE)
    recording = bag.read_bag(tmp_path / "empty")
    assert recording.frames is None and recording.sound is None and recording.captions == []


def test_bad_bags_are_refused_in_one_line(tmp_path, folder):
    with pytest.raises(bag.BagError, match="no finished bag"):
        bag.read_bag(tmp_path / "nowhere")
    cut = tmp_path / "cut"
    cut.mkdir()
    for path in folder.iterdir():
        data = path.read_bytes()
        (cut / path.name).write_bytes(data[: len(data) // 2] if path.suffix == ".mcap" else data)
    with pytest.raises(bag.BagError, match="cannot be read as a bag") as refusal:
        bag.read_bag(cut)
    assert "\n" not in str(refusal.value)
    (cut / "metadata.yaml").write_text("nonsense")
    with pytest.raises(bag.BagError):
        bag.read_bag(cut)
