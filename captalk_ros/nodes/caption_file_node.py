"""Publishes a timeline of captions when speech begins: `ros2 run captalk_ros caption_file_node -p path:=a.json`.

Each caption is stamped with its place in the sound, so that it takes effect there whenever it arrives.

Subscribes: audio (captalk_ros/AudioChunk, best effort): the first chunk is the beginning of the timeline.
Publishes: <face>/caption (captalk_ros/Caption, reliable).
Parameters: path (a JSON list of {"time_s", "style", "emotion", "transition_s"}); face (captalk_node).
"""

import sys

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.task import Future

from captalk_ros.audio import NS_PER_S
from captalk_ros.captions import read_timeline
from captalk_ros.msg import AudioChunk, Caption
from captalk_ros.nodes import convert
from captalk_ros.nodes.spin import run

POLL_S = 0.05


class CaptionFileNode(Node):
    """Speaks no word: `finished` is done when the face has received the captions."""

    def __init__(self) -> None:
        super().__init__("caption_file_node")
        path = self.declare_parameter("path", "").value
        face = self.declare_parameter("face", "captalk_node").value
        self._timeline = read_timeline(path)
        self._publisher = self.create_publisher(Caption, f"{face}/caption", QoSProfile(depth=len(self._timeline) + 1))
        self.finished = Future()
        self._waiting = self.create_timer(POLL_S, self._wait)

    def _wait(self) -> None:
        """Listen only once the face listens: a file node that waits for a listener must not begin before that."""
        if self._publisher.get_subscription_count():
            self.destroy_timer(self._waiting)
            self.create_subscription(AudioChunk, "audio", self._on_audio, qos_profile_sensor_data)

    def _on_audio(self, message: AudioChunk) -> None:
        """Send the timeline, counted from the first chunk."""
        if self.finished.done():
            return
        start_ns = convert.ns_of(message.header.stamp) or self.get_clock().now().nanoseconds
        for caption in self._timeline:
            stamp_ns = start_ns + round(caption.time_s * NS_PER_S)
            self._publisher.publish(convert.caption(caption.style, caption.emotion, caption.transition_s, stamp_ns))
        self._publisher.wait_for_all_acked(Duration(seconds=2))
        self.get_logger().info(f"{len(self._timeline)} captions from {start_ns / NS_PER_S:.3f} s on")
        self.finished.set_result(None)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(CaptionFileNode, args)


if __name__ == "__main__":
    sys.exit(main())
