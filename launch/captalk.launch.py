"""Starts the talking face: `ros2 launch captalk_ros captalk.launch.py [audio:=a.wav] [mesh:=true] [rviz:=true]`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, NotEqualsSubstitution, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

CONFIG = PathJoinSubstitution([FindPackageShare("captalk_ros"), "config"])
ARGUMENTS = {
    "namespace": ("", "namespace of all nodes and topics"),
    "config": (PathJoinSubstitution([CONFIG, "captalk.yaml"]), "parameter file"),
    "weights": ("", "network to load; empty: the one that comes with the package"),
    "device": ("auto", "cpu, cuda, or auto: a GPU where there is one"),
    "audio": ("", "sound file to speak; empty: the sound comes from elsewhere"),
    "captions": ("", "JSON timeline of captions that begins with the sound"),
    "mesh": ("false", "whether to publish the head as a mesh"),
    "rviz": ("false", "whether to start RViz on the mesh, with the head upright in the frame world"),
}


def text(argument: str) -> ParameterValue:
    """A launch argument as a string parameter, whatever it looks like."""
    return ParameterValue(LaunchConfiguration(argument), value_type=str)


def given(argument: str) -> IfCondition:
    """True where a launch argument is not empty."""
    return IfCondition(NotEqualsSubstitution(LaunchConfiguration(argument), ""))


def node(name: str, condition: IfCondition | None = None, **parameters: ParameterValue) -> Node:
    """A node of this package in the chosen namespace; `parameters` go before those of the file."""
    return Node(
        package="captalk_ros",
        executable=name,
        name=name,
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("config"), parameters],
        condition=condition,
        output="screen",
    )


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    nodes = [
        node("captalk_node", weights=text("weights"), device=text("device")),
        node("caption_file_node", given("captions"), path=text("captions")),
        node("audio_file_node", given("audio"), path=text("audio")),
        node("head_mesh_node", IfCondition(LaunchConfiguration("mesh"))),
    ]
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", PathJoinSubstitution([CONFIG, "captalk.rviz"])],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    # From the head's axes (x left, y up, z forward) to ROS's (x forward, y left, z up).
    upright = Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        arguments=["--roll", "1.5708", "--yaw", "1.5708", "--frame-id", "world", "--child-frame-id", "head"],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription([*arguments, *nodes, upright, rviz])
