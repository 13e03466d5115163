"""Starts the talking face: `ros2 launch captalk_ros captalk.launch.py [audio:=speech.wav] [mesh:=true]`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = {
    "namespace": ("", "namespace of all nodes and topics"),
    "config": (
        PathJoinSubstitution([FindPackageShare("captalk_ros"), "config", "captalk.yaml"]),
        "parameter file",
    ),
    "weights": ("", "network to load; empty: the one that comes with the package"),
    "device": ("", "cpu or cuda; empty: a GPU where there is one"),
    "audio": ("", "sound file to speak; empty: audio comes from elsewhere"),
    "captions": ("", "captions that go with the sound file, a JSON timeline"),
    "mesh": ("false", "whether to publish the head as a mesh for RViz"),
    "rviz": ("false", "whether to start RViz with the mesh"),
}


def node(name: str, parameters: dict | None = None, condition: IfCondition | None = None) -> Node:
    """A node of this package in the chosen namespace; `parameters` go before those of the file."""
    return Node(
        package="captalk_ros",
        executable=name,
        name=name,
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("config"), parameters or {}],
        condition=condition,
        output="screen",
    )


def generate_launch_description() -> LaunchDescription:
    audio = LaunchConfiguration("audio")
    return LaunchDescription(
        [DeclareLaunchArgument(name, default_value=default, description=text) for name, (default, text) in ARGUMENTS.items()]
        + [
            node("captalk_node", {name: LaunchConfiguration(name) for name in ("weights", "device")}),
            node(
                "audio_file_node",
                {"path": audio, "captions": LaunchConfiguration("captions")},
                IfCondition(PathJoinSubstitution([audio])),
            ),
            node("head_mesh_node", condition=IfCondition(LaunchConfiguration("mesh"))),
        ]
    )
