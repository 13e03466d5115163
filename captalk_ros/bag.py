"""Bags (MCAP) of a face: written from serialized messages, read into arrays. Needs rosbags, but no ROS."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from captalk_ros.audio import NS_PER_S, AudioInput
from captalk_ros.errors import InputError
from captalk_ros.resources import resource_path

AUDIO_TYPE = "captalk_ros/msg/AudioChunk"
CAPTION_TYPE = "captalk_ros/msg/Caption"
FLAME_TYPE = "captalk_ros/msg/FlameFrame"
UNITS_TYPE = "sensor_msgs/msg/JointState"
STRING_TYPE = "std_msgs/msg/String"
OUR_TYPES = (AUDIO_TYPE, CAPTION_TYPE, FLAME_TYPE)
ROSBAG2_VERSION = 9


class BagError(InputError):
    """A bag that cannot be written or read; the message is one line."""


class BagWriter:
    """Writes serialized messages of our types and the common ones into a new bag folder; use it in a `with`.

    Raises:
        BagError: the folder exists already.
    """

    def __init__(self, path: str | Path) -> None:
        self._types = get_typestore(Stores.ROS2_JAZZY)
        for name in OUR_TYPES:
            definition = resource_path("msg", f"{name.rpartition('/')[2]}.msg").read_text()
            self._types.register(get_types_from_msg(definition, name))
        try:
            self._writer = Writer(Path(path), version=ROSBAG2_VERSION, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except WriterError:
            raise BagError(f"{path}: exists already, expected a new folder") from None
        self._connections = {}

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_topic(self, topic: str, message_type: str) -> None:
        """Open a topic of a type such as "std_msgs/msg/String"."""
        self._connections[topic] = self._writer.add_connection(topic, message_type, typestore=self._types)

    def write(self, topic: str, receive_ns: int, message: bytes) -> None:
        """Write one serialized message with the time at which it came."""
        self._writer.write(self._connections[topic], receive_ns, message)

    def close(self) -> None:
        """Finish the bag; without this it has no index."""
        self._writer.close()


@dataclass(frozen=True)
class Sound:
    """What was heard, as the face heard it.

    Attributes:
        samples: [N] float32 mono at 16 kHz.
        start_ns: stamp of the first sample.
        stamps_ns: [C] int64, of the chunks.
        receive_ns: [C] int64, when they came.
    """

    samples: np.ndarray
    start_ns: int
    stamps_ns: np.ndarray
    receive_ns: np.ndarray


@dataclass(frozen=True)
class Frames:
    """The FlameFrames of a bag; T frames, E expression and S shape coefficients; rotations in rad.

    Attributes:
        stamps_ns: [T] int64, of their audio.
        receive_ns: [T] int64, when they came.
        index: [T] int64.
        head_model: of all of them.
        shape: [S] float32.
        expression: [T, E] float32.
        neck_pose: [T, 3] float32.
        jaw_pose: [T, 3] float32.
        eye_pose: [T, 6] float32, left then right.
        eyelids: [T, 2] float32.
    """

    stamps_ns: np.ndarray
    receive_ns: np.ndarray
    index: np.ndarray
    head_model: str
    shape: np.ndarray
    expression: np.ndarray
    neck_pose: np.ndarray
    jaw_pose: np.ndarray
    eye_pose: np.ndarray
    eyelids: np.ndarray

    @property
    def rate_hz(self) -> float:
        """Frames a second, by the time they came."""
        if len(self.receive_ns) < 2:
            return 0.0
        return (len(self.receive_ns) - 1) * NS_PER_S / int(self.receive_ns[-1] - self.receive_ns[0])

    @property
    def latency_s(self) -> np.ndarray:
        """[T] from the first sample of a frame to its arrival, s."""
        return (self.receive_ns - self.stamps_ns) / NS_PER_S


@dataclass(frozen=True)
class Recording:
    """A face's bag.

    Attributes:
        frames: the motion; None where there is none.
        units: [T, n] float32 unit values; units_stamps_ns [T] int64 of their audio; unit_names (n of them).
        sound: None where there is none.
        captions: (receive time in ns, style, emotion) of each change, in order; plain texts included.
    """

    frames: Frames | None
    units: np.ndarray
    units_stamps_ns: np.ndarray
    unit_names: tuple[str, ...]
    sound: Sound | None
    captions: list[tuple[int, str, str]]


def read_bag(path: str | Path) -> Recording:
    """Read a bag folder (or its .mcap file) of one face.

    Raises:
        BagError: missing, unfinished or damaged.
    """
    by_type: dict[str, list[tuple[str, int, object]]] = defaultdict(list)
    for message_type, topic, receive_ns, message in read_messages(path):
        by_type[message_type].append((topic, receive_ns, message))
    units = [message for _, _, message in by_type[UNITS_TYPE]]
    return Recording(
        frames=_frames(by_type[FLAME_TYPE]) if by_type[FLAME_TYPE] else None,
        units=np.asarray([message.position for message in units], np.float32),
        units_stamps_ns=_stamps(units),
        unit_names=tuple(units[0].name) if units else (),
        sound=_sound(by_type[AUDIO_TYPE]) if by_type[AUDIO_TYPE] else None,
        captions=_captions(by_type[CAPTION_TYPE], by_type[STRING_TYPE]),
    )


def read_messages(path: str | Path) -> Iterator[tuple[str, str, int, object]]:
    """Messages in the order they came: type, topic, receive time in ns, message with the fields of its type.

    Raises:
        BagError: missing, unfinished or damaged.
    """
    path = Path(path)
    folder = path.parent if path.suffix == ".mcap" else path
    if not (folder / "metadata.yaml").is_file():
        raise BagError(f"{path}: no finished bag there (no metadata.yaml)")
    try:
        with AnyReader([folder]) as reader:
            for connection, receive_ns, data in reader.messages():
                yield connection.msgtype, connection.topic, receive_ns, _deserialize(reader, data, connection.msgtype)
    except (AnyReaderError, FileNotFoundError) as error:
        raise BagError(f"{path}: cannot be read as a bag ({' '.join(str(error).split())})") from None


def _deserialize(reader: AnyReader, data: bytes, message_type: str) -> object:
    """A message without what ROS leaves behind it: where its last array is empty, up to 8 bytes of padding."""
    for n_padding in (0, 4, 8):
        try:
            return reader.deserialize(data[: len(data) - n_padding], message_type)
        except AnyReaderError:
            if n_padding == 8:
                raise


def _stamp_ns(message: object) -> int:
    return message.header.stamp.sec * NS_PER_S + message.header.stamp.nanosec


def _stamps(messages: list) -> np.ndarray:
    return np.asarray([_stamp_ns(message) for message in messages], np.int64)


def _frames(entries: list[tuple[str, int, object]]) -> Frames:
    messages = [message for _, _, message in entries]

    def stack(name: str) -> np.ndarray:
        return np.asarray([getattr(message, name) for message in messages], np.float32)

    return Frames(
        stamps_ns=_stamps(messages),
        receive_ns=np.asarray([receive_ns for _, receive_ns, _ in entries], np.int64),
        index=np.asarray([message.index for message in messages], np.int64),
        head_model=messages[0].head_model,
        shape=np.asarray(messages[0].shape, np.float32),
        expression=stack("expression"),
        neck_pose=stack("neck_pose"),
        jaw_pose=stack("jaw_pose"),
        eye_pose=np.concatenate([stack("left_eye_pose"), stack("right_eye_pose")], axis=1),
        eyelids=stack("eyelids"),
    )


def _sound(entries: list[tuple[str, int, object]]) -> Sound:
    stream = AudioInput()
    parts = []
    for _, receive_ns, chunk in entries:
        samples = np.asarray(chunk.samples, np.int16).reshape(-1, max(1, chunk.channels))
        parts.append(stream.push(samples, chunk.sample_rate, _stamp_ns(chunk) or receive_ns))
    return Sound(
        samples=np.concatenate(parts),
        start_ns=stream.stamp_of(0),
        stamps_ns=_stamps([chunk for _, _, chunk in entries]),
        receive_ns=np.asarray([receive_ns for _, receive_ns, _ in entries], np.int64),
    )


def _captions(changes: list[tuple[str, int, object]], texts: list[tuple[str, int, object]]) -> list:
    captions = [(receive_ns, message.style, message.emotion) for _, receive_ns, message in changes]
    for topic, receive_ns, message in texts:
        is_style = topic.endswith("/style")
        captions.append((receive_ns, message.data if is_style else "", "" if is_style else message.data))
    return sorted(captions)
