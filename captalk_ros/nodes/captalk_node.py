"""Speech and captions in, face motion out, 25 frames a second: `ros2 run captalk_ros captalk_node`.

Subscribes: audio (captalk_ros/AudioChunk, best effort), ~/caption (captalk_ros/Caption), ~/style and ~/emotion
(std_msgs/String: from the next frame on).
Publishes: ~/flame (captalk_ros/FlameFrame) and ~/units (sensor_msgs/JointState, 52 ARKit names), both reliable and
stamped with their sound; /diagnostics at 1 Hz.
Parameters: weights (the shipped ones), device (auto, cpu, cuda), seed, style, emotion, transition_s, head_frame.
"""

import sys
import time

import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from captalk_ros.captions import DEFAULT_TRANSITION_S, MAX_CHARACTERS, clean_caption, is_too_long
from captalk_ros.errors import InputError
from captalk_ros.head import open_head
from captalk_ros.msg import AudioChunk, Caption, FlameFrame
from captalk_ros.nodes import convert
from captalk_ros.nodes.spin import run
from captalk_ros.realtime import CaptionChange, CaptionEncoder, RealtimeFace, TickTimes, warm_up
from captalk_ros.streamer import Streamer
from captalk_ros.timebase import FRAME_S

DEVICES = {"": None, "auto": None, "cpu": "cpu", "cuda": "cuda"}
# Best effort matches every publisher; deep, as some send a whole sentence in one go.
AUDIO_QOS = QoSProfile(depth=500, reliability=QoSReliabilityPolicy.BEST_EFFORT)
QUEUE_DEPTH = 10
MAX_READ_CHARACTERS = 10 * MAX_CHARACTERS  # of a caption, before it is looked at more closely
WARNING_PERIOD_S = 5.0


class CaptalkNode(Node):
    """Parameters and messages around a `RealtimeFace`."""

    def __init__(self) -> None:
        super().__init__("captalk_node")
        weights = self.declare_parameter("weights", "").value
        device = self.declare_parameter("device", "auto").value
        seed = self.declare_parameter("seed", 0).value
        style = self.declare_parameter("style", "").value
        emotion = self.declare_parameter("emotion", "").value
        self._transition_s = self.declare_parameter("transition_s", DEFAULT_TRANSITION_S).value
        self._head_frame = self.declare_parameter("head_frame", "head").value
        if device not in DEVICES:
            raise InputError(f"parameter device is {device!r}, expected auto, cpu or cuda")
        torch.set_num_threads(1)  # the network is small: threads cost more than they bring
        self._head = open_head()
        streamer = Streamer.load(weights or None, seed=seed, device=DEVICES[device])
        warm_up(streamer)
        self._face = RealtimeFace(streamer)
        self._captions = CaptionEncoder(self._face)
        self._times = TickTimes()
        self._n_jumps = 0
        self._n_bad_chunks = 0
        self._flame = self.create_publisher(FlameFrame, "~/flame", QUEUE_DEPTH)
        self._units = self.create_publisher(JointState, "~/units", QUEUE_DEPTH)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", QUEUE_DEPTH)
        self.create_subscription(AudioChunk, "audio", self._on_audio, AUDIO_QOS)
        self.create_subscription(Caption, "~/caption", self._on_caption, QUEUE_DEPTH)
        self.create_subscription(String, "~/style", lambda text: self._change(style=text.data), QUEUE_DEPTH)
        self.create_subscription(String, "~/emotion", lambda text: self._change(emotion=text.data), QUEUE_DEPTH)
        self._change(style, emotion)
        self.create_timer(FRAME_S, self._on_tick)
        self.create_timer(1.0, self._on_second)
        self.get_logger().info(f"ready on {streamer.device}, head {self._head.name}, 25 frames a second")

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=WARNING_PERIOD_S)

    def _on_audio(self, message: AudioChunk) -> None:
        try:
            self._face.hear(*convert.read_audio_chunk(message), self._now_ns())
        except InputError as error:
            self._n_bad_chunks += 1
            self._warn(f"sound left out: {error}")

    def _on_caption(self, message: Caption) -> None:
        self._change(message.style, message.emotion, message.transition_s, convert.ns_of(message.header.stamp))

    def _change(self, style: str = "", emotion: str = "", transition_s: float = 0.0, stamp_ns: int = 0) -> None:
        """Queue new captions; a transition of 0 takes the parameter."""
        if not 0 <= transition_s < 60:
            self._warn(f"caption left out: transition_s is {transition_s}, expected 0 to 60")
            return
        style, emotion = style[:MAX_READ_CHARACTERS], emotion[:MAX_READ_CHARACTERS]
        if is_too_long(style) or is_too_long(emotion):
            self._warn(f"caption cut: expected at most {MAX_CHARACTERS} characters")
        style, emotion = clean_caption(style), clean_caption(emotion)
        if style or emotion:
            self._captions.submit(CaptionChange(style, emotion, transition_s or self._transition_s, stamp_ns))

    def _on_tick(self) -> None:
        start_s = time.perf_counter()
        try:
            self._captions.apply()
        except InputError as error:
            self._warn(f"caption left out: {error}")
        frames = self._face.tick(self._now_ns())
        for stamp_ns, frame in frames:
            parameters = self._head.parameters(frame.units, frame.head_rotation)
            self._flame.publish(
                convert.flame_frame(parameters, frame.index, stamp_ns, self._head.name, self._head_frame)
            )
            self._units.publish(convert.joint_state(frame.units, stamp_ns, self._head_frame))
        if self._face.audio.n_jumps > self._n_jumps:
            self._n_jumps = self._face.audio.n_jumps
            self._warn(f"the stamps of the sound jumped ({self._n_jumps} times so far): following them")
        self._times.add(start_s, time.perf_counter() - start_s, len(frames))

    def _on_second(self) -> None:
        times = self._times.summary()
        values = {
            "rate_hz": f"{times['rate_hz']:.2f}",
            "step_p50_ms": f"{times['p50_ms']:.2f}",
            "step_p99_ms": f"{times['p99_ms']:.2f}",
            "missed_ticks": str(times["n_missed"]),
            "bad_chunks": str(self._n_bad_chunks),
            "clock_jumps": str(self._n_jumps),
            "device": str(self._face.streamer.device),
            **self._captions.active,
        }
        level = DiagnosticStatus.OK if times["p99_ms"] < FRAME_S * 1e3 else DiagnosticStatus.WARN
        summary = f"{times['rate_hz']:.1f} frames a second"
        self._diagnostics.publish(
            convert.diagnostics(self.get_fully_qualified_name(), level, summary, values, self._now_ns())
        )

    def destroy_node(self) -> None:
        """End the caption thread and say how the ticks went."""
        self._captions.close()
        times = self._times.summary()
        self.get_logger().info(
            f"ticks: {times['rate_hz']:.2f} frames/s, work p50 {times['p50_ms']:.2f} ms, "
            f"p99 {times['p99_ms']:.2f} ms, {times['n_missed']} missed"
        )
        super().destroy_node()


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(CaptalkNode, args)


if __name__ == "__main__":
    sys.exit(main())
