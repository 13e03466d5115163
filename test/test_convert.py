"""Messages and plain values: what goes through a message comes back."""

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from visualization_msgs.msg import Marker

from captalk_ros.audio import AudioError
from captalk_ros.head import open_head
from captalk_ros.motion import N_UNITS, UNIT_NAMES
from captalk_ros.msg import AudioChunk, FlameFrame
from captalk_ros.nodes import convert

STAMP_NS = 1_700_000_000_123_456_789


def over_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


@pytest.mark.parametrize("shape", [(320,), (320, 1), (320, 2), (1, 6)])
def test_sound_comes_back(shape):
    samples = np.random.default_rng(0).integers(-32_768, 32_768, shape).astype(np.int16)
    message = over_the_wire(convert.audio_chunk(samples, 44_100, STAMP_NS, "hello", last=True))
    back, rate_hz, stamp_ns = convert.read_audio_chunk(message)
    assert np.array_equal(back, samples.reshape(shape[0], -1))
    assert (rate_hz, stamp_ns, message.utterance_id, message.last) == (44_100, STAMP_NS, "hello", True)


@pytest.mark.parametrize(("channels", "n_samples"), [(0, 4), (3, 4), (2, 1)])
def test_sound_that_does_not_fill_its_channels_is_refused(channels, n_samples):
    message = AudioChunk(sample_rate=16_000, channels=channels, samples=[0] * n_samples)
    with pytest.raises(AudioError, match=f"{n_samples} samples in {channels} channels"):
        convert.read_audio_chunk(message)


def test_a_stamp_of_zero_stays_zero():
    assert convert.ns_of(convert.time_of(0)) == 0
    assert convert.ns_of(AudioChunk().header.stamp) == 0


def test_motion_comes_back_as_flame_parameters():
    rng, head = np.random.default_rng(0), open_head()
    parameters = head.parameters(rng.uniform(0, 1, N_UNITS).astype(np.float32), np.array([0.1, -0.2, 0.05], np.float32))
    message = over_the_wire(convert.flame_frame(parameters, 17, STAMP_NS, head.name, "head"))
    back = convert.read_flame_frame(message)
    for name in ("shape", "expression", "jaw_pose", "neck_pose", "eye_pose", "eyelids"):
        assert np.array_equal(getattr(back, name), getattr(parameters, name)), name
    assert (message.index, message.head_model, message.header.frame_id) == (17, head.name, "head")
    assert isinstance(message, FlameFrame) and convert.ns_of(message.header.stamp) == STAMP_NS


def test_units_go_out_under_their_names():
    units = np.linspace(0, 1, N_UNITS, dtype=np.float32)
    message = over_the_wire(convert.joint_state(units, STAMP_NS, "head"))
    assert tuple(message.name) == UNIT_NAMES and np.array_equal(message.position, units)
    assert convert.ns_of(message.header.stamp) == STAMP_NS


def test_a_marker_written_by_array_reads_as_a_marker():
    template = convert.TriangleMarker(2, (0.5, 0.25, 0.125), "lips", 3, "a_frame")
    for seed in range(2):
        corners = np.random.default_rng(seed).normal(size=(2, 3, 3)).astype(np.float32)
        marker = deserialize_message(template.serialize(corners, STAMP_NS + seed), Marker)
        points = np.array([[point.x, point.y, point.z] for point in marker.points])
        assert np.array_equal(points, corners.reshape(6, 3))
        assert convert.ns_of(marker.header.stamp) == STAMP_NS + seed
        assert (marker.ns, marker.id, marker.header.frame_id, marker.type) == ("lips", 3, "a_frame", 11)
        assert (marker.color.r, marker.color.g, marker.color.b, marker.color.a) == (0.5, 0.25, 0.125, 1.0)
        assert marker.scale.x == marker.pose.orientation.w == 1.0 and marker.text == ""


def test_the_whole_head_fits_into_markers():
    head = open_head()
    sizes = [len(rows) for rows in head.regions.values()]
    assert sum(sizes) == len(head.faces)
    for index, size in enumerate(sizes):
        data = convert.TriangleMarker(size, (1.0, 1.0, 1.0), "part", index, "head").serialize(np.zeros((size, 3, 3)), 0)
        assert len(deserialize_message(data, Marker).points) == 3 * size


def test_diagnostics_name_their_values():
    message = convert.diagnostics("/captalk_node", b"\1", "slow", {"rate_hz": "24"}, STAMP_NS)
    (status,) = over_the_wire(message).status
    assert (status.level, status.name, status.message) == (b"\1", "/captalk_node", "slow")
    assert [(pair.key, pair.value) for pair in status.values] == [("rate_hz", "24")]


def test_captions_go_through():
    message = over_the_wire(convert.caption("calm", "sad", 0.5, STAMP_NS))
    assert (message.style, message.emotion, message.transition_s) == ("calm", "sad", 0.5)
    assert convert.ns_of(message.header.stamp) == STAMP_NS
