"""Records a face and what moves it into an MCAP bag: `ros2 run captalk_ros recorder_node -p path:=out/bag`.

Works where rosbag2 is not installed. Messages are written as they came, with the time at which they came.

Subscribes: audio, <face>/flame, <face>/units, <face>/caption, <face>/style, <face>/emotion.
Parameters: path (of a new folder); face (captalk_node).
"""

import sys
from functools import partial

from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from captalk_ros import bag
from captalk_ros.errors import InputError
from captalk_ros.msg import AudioChunk, Caption, FlameFrame
from captalk_ros.nodes.spin import run

QUEUE_DEPTH = 500


class RecorderNode(Node):
    """Writes every message of a face to a bag, which is finished when the node is destroyed."""

    def __init__(self) -> None:
        super().__init__("recorder_node")
        path = self.declare_parameter("path", "").value
        face = self.declare_parameter("face", "captalk_node").value
        if not path:
            raise InputError("parameter path is empty, expected the folder of a new bag")
        self._bag = bag.BagWriter(path)
        best_effort = QoSProfile(depth=QUEUE_DEPTH, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        reliable = QoSProfile(depth=QUEUE_DEPTH)
        self._record("audio", AudioChunk, bag.AUDIO_TYPE, best_effort)
        self._record(f"{face}/flame", FlameFrame, bag.FLAME_TYPE, reliable)
        self._record(f"{face}/units", JointState, bag.UNITS_TYPE, reliable)
        self._record(f"{face}/caption", Caption, bag.CAPTION_TYPE, reliable)
        self._record(f"{face}/style", String, bag.STRING_TYPE, reliable)
        self._record(f"{face}/emotion", String, bag.STRING_TYPE, reliable)
        self.get_logger().info(f"recording to {path}")

    def _record(self, topic: str, message_class: type, message_type: str, qos: QoSProfile) -> None:
        topic = self.resolve_topic_name(topic)
        self._bag.add_topic(topic, message_type)
        self.create_subscription(message_class, topic, partial(self._write, topic), qos, raw=True)

    def _write(self, topic: str, message: bytes) -> None:
        self._bag.write(topic, self.get_clock().now().nanoseconds, message)

    def destroy_node(self) -> None:
        """Finish the bag."""
        self._bag.close()
        super().destroy_node()


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(RecorderNode, args)


if __name__ == "__main__":
    sys.exit(main())
