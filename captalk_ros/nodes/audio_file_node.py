"""Publishes a sound file as chunks at the pace of speech: `ros2 run captalk_ros audio_file_node -p path:=a.wav`.

A chunk leaves when its last sample has been spoken, as from a microphone; its stamp is that of its first sample.

Publishes: audio (captalk_ros/AudioChunk, reliable).
Parameters: path; chunk_ms (20); listeners (1): how many to wait for, wait_s (10): at most so long; lead_s (0.5): from
then to the first sample; loop (false).
"""

import sys
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future

from captalk_ros.audio import NS_PER_S, read_audio, to_int16
from captalk_ros.errors import InputError
from captalk_ros.msg import AudioChunk
from captalk_ros.nodes import convert
from captalk_ros.nodes.spin import run
from captalk_ros.timebase import SAMPLE_RATE_HZ

POLL_S = 0.05
LINGER_NS = NS_PER_S // 4  # best-effort listeners do not tell what they have received
QUEUE_DEPTH = 100


class AudioFileNode(Node):
    """Speaks a file once, or over and over; `finished` is done a moment after the last chunk."""

    def __init__(self) -> None:
        super().__init__("audio_file_node")
        path = self.declare_parameter("path", "").value
        chunk_ms = self.declare_parameter("chunk_ms", 20).value
        self._n_awaited = self.declare_parameter("listeners", 1).value
        self._wait_s = self.declare_parameter("wait_s", 10.0).value
        self._lead_s = self.declare_parameter("lead_s", 0.5).value
        self._loop = self.declare_parameter("loop", False).value
        if not 5 <= chunk_ms <= 1_000:
            raise InputError(f"parameter chunk_ms is {chunk_ms}, expected 5 to 1000")
        self._samples = to_int16(read_audio(path))
        self._chunk_samples = SAMPLE_RATE_HZ * chunk_ms // 1_000
        self._utterance_id = Path(path).stem
        self._publisher = self.create_publisher(AudioChunk, "audio", QoSProfile(depth=QUEUE_DEPTH))
        self._sent = 0  # samples of this round
        self._start_ns: int | None = None  # stamp of sample 0
        self._made_ns = self._now_ns()
        self.finished = Future()
        self._waiting = self.create_timer(POLL_S, self._wait)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _wait(self) -> None:
        """Begin as soon as enough listen, or they did not come."""
        listeners = self._publisher.get_subscription_count()
        if listeners < self._n_awaited and self._now_ns() - self._made_ns < self._wait_s * NS_PER_S:
            return
        self.destroy_timer(self._waiting)
        duration_s = len(self._samples) / SAMPLE_RATE_HZ
        self.get_logger().info(f"speaking {self._utterance_id}, {duration_s:.1f} s, to {listeners} listener(s)")
        self._start_ns = self._now_ns() + round(self._lead_s * NS_PER_S)
        self.create_timer(self._chunk_samples / SAMPLE_RATE_HZ / 2, self._speak)

    def _speak(self) -> None:
        """Send every chunk that has been spoken by now."""
        while self._sent < len(self._samples):
            end = min(self._sent + self._chunk_samples, len(self._samples))
            if self._now_ns() < self._stamp_ns(end):
                return
            chunk = convert.audio_chunk(
                self._samples[self._sent : end],
                SAMPLE_RATE_HZ,
                self._stamp_ns(self._sent),
                self._utterance_id,
                last=end == len(self._samples),
            )
            self._publisher.publish(chunk)
            self._sent = end
        if self._loop:
            self._start_ns, self._sent = self._stamp_ns(self._sent), 0
        elif self._now_ns() > self._stamp_ns(self._sent) + LINGER_NS and not self.finished.done():
            self.get_logger().info(f"spoke {self._utterance_id}")
            self.finished.set_result(None)

    def _stamp_ns(self, sample: int) -> int:
        return self._start_ns + sample * NS_PER_S // SAMPLE_RATE_HZ


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(AudioFileNode, args)


if __name__ == "__main__":
    sys.exit(main())
