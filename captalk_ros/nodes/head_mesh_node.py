"""The face as a mesh for RViz, at a rate of its own: `ros2 run captalk_ros head_mesh_node`.

One marker a region (skin, lips, teeth ...), each of one colour, so that RViz shades them; nothing is computed while
nobody looks.

Subscribes: <face>/flame (captalk_ros/FlameFrame, best effort).
Publishes: ~/mesh (visualization_msgs/Marker), with the stamp and frame_id of the frame shown.
Parameters: face (captalk_node); rate_hz (10, from 1 to 25); hidden (names of regions that are left out: lashes).
"""

import sys

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from visualization_msgs.msg import Marker

from captalk_ros.errors import InputError
from captalk_ros.head import open_head
from captalk_ros.msg import FlameFrame
from captalk_ros.nodes import convert
from captalk_ros.nodes.spin import run

WARNING_PERIOD_S = 5.0
NEWEST_ONLY = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
# RGB in [0, 1]; a region that is not named here is painted as skin.
COLOURS = {
    "skin": (0.87, 0.69, 0.60),
    "lips": (0.74, 0.42, 0.40),
    "mouth": (0.45, 0.16, 0.16),
    "teeth": (0.93, 0.90, 0.84),
    "tongue": (0.75, 0.38, 0.36),
    "lashes": (0.15, 0.10, 0.08),
    "sclera": (0.95, 0.95, 0.94),
    "iris": (0.28, 0.42, 0.50),
    "pupil": (0.03, 0.03, 0.03),
}


class HeadMeshNode(Node):
    """Shows the newest frame."""

    def __init__(self) -> None:
        super().__init__("head_mesh_node")
        face = self.declare_parameter("face", "captalk_node").value
        rate_hz = self.declare_parameter("rate_hz", 10.0).value
        hidden = self.declare_parameter("hidden", ["lashes"]).value
        self._head = open_head()
        if not 1 <= rate_hz <= 25:
            raise InputError(f"parameter rate_hz is {rate_hz}, expected 1 to 25")
        for name in hidden:
            if name not in self._head.regions:
                raise InputError(f"parameter hidden names {name!r}, expected some of {', '.join(self._head.regions)}")
        self._faces = {name: self._head.faces[rows] for name, rows in self._head.regions.items() if name not in hidden}
        self._markers: dict[str, convert.TriangleMarker] = {}
        self._frame_id: str | None = None
        self._newest: FlameFrame | None = None
        self._publisher = self.create_publisher(Marker, "~/mesh", QoSProfile(depth=2 * len(self._faces)))
        self.create_subscription(FlameFrame, f"{face}/flame", self._on_frame, NEWEST_ONLY)
        self.create_timer(1 / rate_hz, self._show)

    def _on_frame(self, message: FlameFrame) -> None:
        if message.head_model == self._head.name:
            self._newest = message
        else:
            text = f"frame left out: it is of head {message.head_model!r}, expected {self._head.name!r}"
            self.get_logger().warning(text, throttle_duration_sec=WARNING_PERIOD_S)

    def _show(self) -> None:
        message, self._newest = self._newest, None
        if message is None or not self._publisher.get_subscription_count():
            return
        if message.header.frame_id != self._frame_id:
            self._make_markers(message.header.frame_id)
        vertices = self._head.vertices(convert.read_flame_frame(message))
        stamp_ns = convert.ns_of(message.header.stamp)
        for name, faces in self._faces.items():
            self._publisher.publish(self._markers[name].serialize(np.take(vertices, faces, axis=0), stamp_ns))

    def _make_markers(self, frame_id: str) -> None:
        self._frame_id = frame_id
        for index, (name, faces) in enumerate(self._faces.items()):
            colour = COLOURS.get(name, COLOURS["skin"])
            self._markers[name] = convert.TriangleMarker(len(faces), colour, name, index, frame_id)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(HeadMeshNode, args)


if __name__ == "__main__":
    sys.exit(main())
