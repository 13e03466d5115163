"""The package as users get it: its messages, what is installed, and what the set-up says when something is missing."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import yaml

import captalk_ros

ROOT = Path(__file__).resolve().parents[1]
MESSAGES = sorted((ROOT / "msg").glob("*.msg"))


def test_version_is_the_same_everywhere():
    package_version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    newest_change = re.search(r"^(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.rst").read_text(), re.MULTILINE).group(1)
    assert captalk_ros.__version__ == package_version == newest_change


def test_every_python_folder_is_a_package_that_pip_installs():
    folders = {path.parent for path in (ROOT / "captalk_ros").rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    listed = re.search(r"^packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL)
    assert set(re.findall(r'"([\w.]+)"', listed.group(1))) == names
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_cmake_builds_every_message_and_package_xml_names_what_it_needs():
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert re.findall(r"msg/(\w+)\.msg", cmake) == [path.stem for path in MESSAGES]
    package = ElementTree.parse(ROOT / "package.xml")
    named = {element.text for element in package.iter() if element.tag.endswith("depend")}
    assert set(re.findall(r"find_package\((\w+)", cmake)) <= named


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_every_message_field_follows_a_comment(path: Path):
    commented = False
    for line in path.read_text().splitlines():
        if not line:
            commented = False
        elif line.startswith("#"):
            commented = True
        else:
            assert commented, f"{path.name}: no comment in the block of `{line}`"


def test_flame_frame_survives_serialization():
    from rclpy.serialization import deserialize_message, serialize_message

    from captalk_ros.msg import FlameFrame

    sent = FlameFrame(head_model="open", index=7)
    sent.header.stamp.nanosec = 40_000_000
    sent.expression = np.linspace(0.0, 1.0, 52, dtype=np.float32)
    sent.jaw_pose = np.array([0.3, 0.0, 0.0], dtype=np.float32)
    received = deserialize_message(serialize_message(sent), FlameFrame)
    assert (received.index, received.header.stamp.nanosec) == (7, 40_000_000)
    np.testing.assert_array_equal(np.asarray(received.expression), sent.expression)
    np.testing.assert_array_equal(received.jaw_pose, sent.jaw_pose)


def test_audio_chunk_takes_numpy_samples():
    from captalk_ros.msg import AudioChunk

    samples = np.array([-32768, 0, 32767], dtype=np.int16)
    chunk = AudioChunk(sample_rate=16000, channels=1, utterance_id="hello", last=True)
    chunk.samples.frombytes(samples.tobytes())
    np.testing.assert_array_equal(np.asarray(chunk.samples, dtype=np.int16), samples)


def test_caption_says_what_an_empty_string_means():
    text = (ROOT / "msg" / "Caption.msg").read_text()
    assert "empty string leaves the caption as it is" in text and '"neutral" goes back' in text


def test_captalk_command_is_installed():
    assert shutil.which("captalk", path=str(Path(sys.executable).parent))


def set_up(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Runs the set-up script as `make env` does."""
    env = {**os.environ, **environment}
    return subprocess.run(["scripts/env.sh", *arguments], cwd=ROOT, env=env, capture_output=True, text=True)


def test_set_up_names_a_missing_system_package_in_one_line():
    done = set_up("no-such-command")
    assert done.returncode != 0
    assert done.stderr.splitlines() == ["captalk_ros: missing system packages: sudo apt-get install no-such-command"]


def test_set_up_that_is_done_does_nothing():
    done = set_up("--dev")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_parameter_file_names_parameters_that_the_nodes_have():
    parameters = yaml.safe_load((ROOT / "config" / "captalk.yaml").read_text())
    for pattern, entry in parameters.items():
        source = (ROOT / "captalk_ros" / "nodes" / f"{pattern.rpartition('/')[2]}.py").read_text()
        declared = set(re.findall(r'declare_parameter\(\s*"(\w+)"', source))
        assert set(entry["ros__parameters"]) <= declared, pattern


def test_launch_file_starts_nodes_that_exist():
    source = (ROOT / "launch" / "captalk.launch.py").read_text()
    compile(source, "captalk.launch.py", "exec")
    for name in re.findall(r'node\("(\w+)"', source):
        assert (ROOT / "captalk_ros" / "nodes" / f"{name}.py").exists(), name


def test_launch_file_describes_its_arguments():
    pytest.importorskip("launch_ros", reason="launch_ros is not on PyPI: runs with a sourced ROS 2")
    shown = subprocess.run(
        ["ros2", "launch", "--show-args", "launch/captalk.launch.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert "audio" in shown.stdout and "mesh" in shown.stdout
