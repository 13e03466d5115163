"""The nodes as a robot sees them: processes of their own, real ROS messages between them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from visualization_msgs.msg import Marker

from captalk_ros.audio import NS_PER_S, read_audio, to_int16, write_wav
from captalk_ros.bag import Recording, read_bag
from captalk_ros.head import open_head
from captalk_ros.motion import UNIT_INDEX, UNIT_NAMES
from captalk_ros.msg import AudioChunk, Caption, FlameFrame
from captalk_ros.nodes import convert
from captalk_ros.resources import resource_path
from captalk_ros.streamer import Streamer
from captalk_ros.timebase import FRAME_SAMPLES, SAMPLE_RATE_HZ

START_TIMEOUT_S = 120.0
TIMEOUT_S = 60.0
FRAME_NS = FRAME_SAMPLES * NS_PER_S // SAMPLE_RATE_HZ
SAMPLE_NS = NS_PER_S // SAMPLE_RATE_HZ
ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def process(name: str, **parameters: object) -> Iterator[subprocess.Popen]:
    """A node in a process of its own; it is told to end at the end of the block."""
    words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={json.dumps(value)}")]
    command = [sys.executable, "-m", f"captalk_ros.nodes.{name}", "--ros-args", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGINT)
            try:
                started.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
        started.stdout.close()


class Robot:
    """Listens to a face and talks to it."""

    def __init__(self) -> None:
        self.node = rclpy.create_node("robot")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.frames: list[tuple[int, FlameFrame]] = []  # with the time at which they came
        self.units: list[JointState] = []
        self.diagnostics: dict[str, str] = {}
        self.node.create_subscription(FlameFrame, "captalk_node/flame", self._on_frame, 100)
        self.node.create_subscription(JointState, "captalk_node/units", self.units.append, 100)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.audio = self.node.create_publisher(AudioChunk, "audio", 100)
        self.caption = self.node.create_publisher(Caption, "captalk_node/caption", 10)
        self.emotion = self.node.create_publisher(String, "captalk_node/emotion", 10)
        self.style = self.node.create_publisher(String, "captalk_node/style", 10)

    def _on_frame(self, message: FlameFrame) -> None:
        self.frames.append((self.now_ns(), message))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics = {pair.key: pair.value for status in message.status for pair in status.values}

    def now_ns(self) -> int:
        return self.node.get_clock().now().nanoseconds

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
        """Receive messages until a condition holds; fails when it does not in time."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end_s, "waited in vain"
            self.executor.spin_once(timeout_sec=0.1)

    def watch(self, n_frames: int) -> list[tuple[int, FlameFrame]]:
        """The next frames, with the time at which each came."""
        start = len(self.frames)
        self.wait_until(lambda: len(self.frames) >= start + n_frames)
        return self.frames[start : start + n_frames]

    def units_at(self, frames: list[tuple[int, FlameFrame]]) -> np.ndarray:
        """[T, 52] units of the same frames."""
        stamps = {convert.ns_of(message.header.stamp) for _, message in frames}
        self.wait_until(lambda: convert.ns_of(self.units[-1].header.stamp) >= max(stamps))
        return np.stack([u.position for u in self.units if convert.ns_of(u.header.stamp) in stamps])


@pytest.fixture(scope="module")
def robot() -> Iterator[Robot]:
    """A robot with a face, on a domain of its own."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 101))
    rclpy.init()
    robot = Robot()
    with process("captalk_node", device="cpu", seed=3) as face:
        robot.face = face
        robot.wait_until(lambda: robot.frames or face.poll() is not None, START_TIMEOUT_S)
        assert face.poll() is None, face.stdout.read()
        robot.wait_until(lambda: robot.audio.get_subscription_count() and robot.caption.get_subscription_count())
        yield robot
    robot.executor.shutdown()
    robot.node.destroy_node()
    rclpy.shutdown()


def stamps_of(frames: list[tuple[int, FlameFrame]]) -> np.ndarray:
    return np.array([convert.ns_of(message.header.stamp) for _, message in frames])


def rate_hz(frames: list[tuple[int, FlameFrame]]) -> float:
    """Frames a second by the times at which they came; a busy machine delays some, and they are caught up with."""
    return (len(frames) - 1) * NS_PER_S / (frames[-1][0] - frames[0][0])


def lip_gaps_mm(frames: list[tuple[int, FlameFrame]]) -> np.ndarray:
    head = open_head()
    return np.array([head.lip_gap_mm(convert.read_flame_frame(message)) for _, message in frames])


def test_without_sound_the_face_rests_alive_with_its_mouth_closed(robot):
    robot.wait_until(lambda: len(robot.frames) >= 125 and abs(rate_hz(robot.frames[-100:]) - 25.0) <= 0.5)
    frames = robot.frames[-125:]
    assert set(np.diff(stamps_of(frames))) == {FRAME_NS}
    assert np.array_equal(np.diff([message.index for _, message in frames]), np.ones(124))
    assert np.mean(lip_gaps_mm(frames) <= 1.5) >= 0.95
    units = robot.units_at(frames)
    assert tuple(robot.units[0].name) == UNIT_NAMES
    assert units.shape == (125, 52) and units.std(axis=0).max() > 0.01, "a frozen face"


def test_a_spoken_file_is_shown_in_time_and_recorded(robot, tmp_path):
    wav, folder = tmp_path / "speech.wav", tmp_path / "bag"
    speech = read_audio(resource_path("config", "demo.wav"))[: 5 * SAMPLE_RATE_HZ]
    write_wav(wav, speech)
    with process("recorder_node", path=str(folder)) as recorder:
        robot.wait_until(folder.exists, START_TIMEOUT_S)
        robot.wait_until(lambda: robot.emotion.get_subscription_count() == 2)
        with process("audio_file_node", path=str(wav), listeners=2, wait_s=TIMEOUT_S) as speaker:
            robot.wait_until(lambda: speaker.poll() is not None, START_TIMEOUT_S)
            assert speaker.returncode == 0, speaker.stdout.read()
        spoken_ns = robot.now_ns()
        robot.wait_until(lambda: stamps_of(robot.frames[-1:])[0] > spoken_ns)
    assert recorder.returncode == 0
    recording = read_bag(folder)
    frames, sound = recording.frames, recording.sound
    assert np.array_equal(sound.samples, to_int16(speech) / np.float32(32_768))
    assert np.array_equal(sound.stamps_ns, sound.start_ns + np.arange(250) * 320 * SAMPLE_NS)
    assert set(np.diff(frames.index)) == {1}
    # Each frame has its units; the recording may begin or end between the two.
    assert len(np.setxor1d(frames.stamps_ns, recording.units_stamps_ns)) <= 2
    assert np.abs(np.diff(frames.stamps_ns) - FRAME_NS).max() <= SAMPLE_NS
    assert np.all(frames.latency_s > 0)
    # Made again from the recorded sound alone, the mouth does the same at the recorded stamps, and at no others.
    shown, made = jaw_shown_and_made(recording)
    shifts = range(-5, 6)
    agreement = [np.corrcoef(shown[5:-5], made[5 + shift : len(made) - 5 + shift])[0, 1] for shift in shifts]
    assert shifts[int(np.argmax(agreement))] == 0 and max(agreement) > 0.99


def jaw_shown_and_made(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """[100] jawOpen of the recorded frames from half a second before the sound on, and of ones made from the sound."""
    frames, sound = recording.frames, recording.sound
    first = np.searchsorted(frames.stamps_ns, sound.start_ns - NS_PER_S // 2)
    n_before = round((sound.start_ns - frames.stamps_ns[first]) / SAMPLE_NS)
    streamer = Streamer.load(device="cpu")
    rest = np.zeros(50 * FRAME_SAMPLES + n_before, np.float32)  # the real face has been at rest for a while, too
    streamer.push_audio(np.concatenate([rest, sound.samples]))
    made = np.stack([frame.units[UNIT_INDEX["jawOpen"]] for frame in iter(streamer.step, None)])
    shown = np.isin(recording.units_stamps_ns, frames.stamps_ns[first : first + 100])
    return recording.units[shown, UNIT_INDEX["jawOpen"]], made[50:150]


def test_an_emotion_changes_the_face_and_a_scheduled_caption_waits_for_its_time(robot):
    smile = [UNIT_INDEX["mouthSmileLeft"], UNIT_INDEX["mouthSmileRight"]]
    robot.emotion.publish(String(data="delighted and very happy"))
    robot.wait_until(lambda: robot.diagnostics.get("emotion") == "delighted and very happy")
    happy = robot.units_at(robot.watch(50)[25:])[:, smile].mean()
    start, change_ns = len(robot.frames), robot.now_ns() + 2 * NS_PER_S
    robot.caption.publish(convert.caption(style="calm", emotion="sad, close to tears", stamp_ns=change_ns))
    robot.wait_until(lambda: robot.diagnostics.get("emotion") == "sad, close to tears")
    robot.wait_until(lambda: stamps_of(robot.frames[-1:])[0] > change_ns + 3 * NS_PER_S // 2)
    frames = robot.frames[start:]
    smiles, stamps = robot.units_at(frames)[:, smile].mean(axis=1), stamps_of(frames)
    before, after = smiles[stamps < change_ns], smiles[stamps > change_ns + NS_PER_S // 2]
    assert happy > 0.1 and before.mean() > 0.7 * happy
    assert after.mean() < 0.5 * happy


def test_bad_messages_are_left_out_and_the_face_goes_on(robot):
    now_ns, silence = robot.now_ns(), np.zeros(320, np.int16)
    robot.watch(5)
    bad = [
        convert.audio_chunk(silence[:0], 16_000, now_ns),
        convert.audio_chunk(silence, 7, now_ns),
        convert.audio_chunk(silence, 4_000_000, now_ns),
        AudioChunk(sample_rate=16_000, channels=0, samples=[1, 2]),
        AudioChunk(sample_rate=16_000, channels=7, samples=[1, 2]),
        convert.audio_chunk(silence, 16_000, now_ns + 3_600 * NS_PER_S),
    ]
    for message in bad:
        robot.audio.publish(message)
    for text in ("", "   ", "glücklich, 嬉しい, سعيد", "very happy " * 1_000, "\x00\x07", "🙂" * 50):
        robot.caption.publish(convert.caption(style=text, emotion=text))
        robot.emotion.publish(String(data=text))
        robot.style.publish(String(data=text))
    for transition_s in (-1.0, float("nan"), float("inf"), 1e30):
        robot.caption.publish(convert.caption(emotion="sad", transition_s=transition_s))
    robot.emotion.publish(String(data="neutral"))
    robot.wait_until(lambda: robot.diagnostics.get("emotion") == "neutral")
    robot.wait_until(lambda: int(robot.diagnostics["bad_chunks"]) >= len(bad))
    frames = robot.watch(75)
    assert set(np.diff([message.index for _, message in frames])) == {1}
    assert all(np.isfinite(message.expression).all() and np.isfinite(message.jaw_pose).all() for _, message in frames)


def test_stamps_that_jump_back_are_followed(robot):
    behind_ns = 3_600 * NS_PER_S

    def newest_is_behind_ns() -> int:
        robot.audio.publish(convert.audio_chunk(np.zeros(320, np.int16), 16_000, robot.now_ns() - offset_ns))
        return robot.now_ns() - stamps_of(robot.frames[-1:])[0]

    offset_ns = behind_ns
    robot.wait_until(lambda: newest_is_behind_ns() > behind_ns // 2)
    offset_ns = 0
    robot.wait_until(lambda: newest_is_behind_ns() < behind_ns // 2)
    assert set(np.diff([message.index for _, message in robot.watch(50)])) == {1}


def test_any_rate_channel_count_and_reliability_is_heard(robot):
    best_effort = QoSProfile(depth=100, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    publisher = robot.node.create_publisher(AudioChunk, "audio", best_effort)
    robot.wait_until(lambda: publisher.get_subscription_count() == 1)
    speech = read_audio(resource_path("config", "demo.wav"))[:SAMPLE_RATE_HZ]
    stereo = to_int16(np.stack([np.repeat(speech, 3)] * 2, axis=1))  # 48 kHz by repetition is rough, but loud
    robot.wait_until(lambda: "bad_chunks" in robot.diagnostics)
    bad = robot.diagnostics["bad_chunks"]
    publisher.publish(convert.audio_chunk(stereo, 48_000, robot.now_ns()))
    robot.wait_until(lambda: lip_gaps_mm(robot.frames[-1:])[0] > 3.0)
    assert robot.diagnostics["bad_chunks"] == bad
    robot.node.destroy_publisher(publisher)


def test_the_mesh_is_shown_in_step_with_the_frames(robot):
    data: list[bytes] = []  # as the points are too many for Python to read while frames come
    subscription = robot.node.create_subscription(Marker, "head_mesh_node/mesh", data.append, 100, raw=True)
    with process("head_mesh_node", rate_hz=5.0):
        n_regions = len(open_head().regions) - 1
        robot.wait_until(lambda: len(data) >= 3 * n_regions, START_TIMEOUT_S)
    robot.node.destroy_subscription(subscription)
    markers = [deserialize_message(marker, Marker) for marker in data[: 2 * n_regions]]
    shown = {convert.ns_of(marker.header.stamp) for marker in markers}
    robot.wait_until(lambda: stamps_of(robot.frames[-1:])[0] >= max(shown))
    assert shown <= set(stamps_of(robot.frames).tolist())
    assert len({marker.ns for marker in markers}) == n_regions
    skin = next(marker for marker in markers if marker.ns == "skin")
    points = np.array([[p.x, p.y, p.z] for p in skin.points])
    assert len(points) == 3 * len(open_head().regions["skin"])
    assert 0.15 < np.ptp(points[:, 1]) < 0.6, "a head's height, m"


def test_the_work_of_a_tick_is_told(robot):
    robot.wait_until(lambda: float(robot.diagnostics.get("rate_hz", 0)) > 0)
    assert 0 < float(robot.diagnostics["step_p50_ms"]) <= float(robot.diagnostics["step_p99_ms"])
    assert robot.diagnostics["device"] == "cpu" and int(robot.diagnostics["missed_ticks"]) >= 0


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("captalk_node", {"weights": "nowhere.safetensors"}, "nowhere"),
        ("audio_file_node", {"path": "nowhere.wav"}, "nowhere.wav: no such file"),
        ("audio_file_node", {"path": str(ROOT / "config" / "demo.wav"), "chunk_ms": 0}, "chunk_ms is 0"),
        ("recorder_node", {"path": str(ROOT / "config")}, "exists already"),
        ("recorder_node", {}, "path is empty"),
        ("head_mesh_node", {"rate_hz": 1_000.0}, "rate_hz is 1000"),
    ],
)
def test_a_users_mistake_is_one_line(name, parameters, says):
    with process(name, **parameters) as node:
        said = node.communicate(timeout=TIMEOUT_S)[0]
    assert node.returncode == 1
    assert says in said and "Traceback" not in said and len(said.strip().splitlines()) == 1


def test_the_face_ends_cleanly_when_told_to(robot):
    """The last test: it takes the face away."""
    assert robot.face.poll() is None
    robot.face.send_signal(signal.SIGTERM)
    said = robot.face.communicate(timeout=TIMEOUT_S)[0]
    assert robot.face.returncode == 0
    assert "frames/s" in said and "Traceback" not in said
