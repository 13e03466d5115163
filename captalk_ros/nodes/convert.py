"""The only place where messages are built and read: between ROS and the plain values of the core."""

from array import array

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker

from captalk_ros.audio import NS_PER_S, AudioError
from captalk_ros.head import FlameParameters
from captalk_ros.motion import UNIT_NAMES
from captalk_ros.msg import AudioChunk, Caption, FlameFrame

_CDR_HEADER_BYTES = 4


def time_of(stamp_ns: int) -> Time:
    """Nanoseconds as a message."""
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


def ns_of(stamp: Time) -> int:
    """A message's stamp in nanoseconds."""
    return stamp.sec * NS_PER_S + stamp.nanosec


def header(stamp_ns: int, frame_id: str = "") -> Header:
    """A header with a stamp in nanoseconds."""
    return Header(stamp=time_of(stamp_ns), frame_id=frame_id)


def audio_chunk(
    samples: np.ndarray, sample_rate_hz: int, stamp_ns: int, utterance_id: str = "", last: bool = False
) -> AudioChunk:
    """int16 [n] or [n, channels] as a message; `stamp_ns` is that of the first sample."""
    return AudioChunk(
        header=header(stamp_ns),
        sample_rate=sample_rate_hz,
        channels=1 if samples.ndim == 1 else samples.shape[1],
        samples=array("h", np.ascontiguousarray(samples, np.int16).tobytes()),
        utterance_id=utterance_id,
        last=last,
    )


def read_audio_chunk(message: AudioChunk) -> tuple[np.ndarray, int, int]:
    """The samples int16 [n, channels], their rate in Hz and the stamp of the first in ns (0: now).

    Raises:
        AudioError: no channels, or samples that do not fill them.
    """
    samples = np.asarray(message.samples, np.int16)
    if message.channels == 0 or len(samples) % message.channels:
        raise AudioError(f"{len(samples)} samples in {message.channels} channels, expected as many in each channel")
    return samples.reshape(-1, message.channels), message.sample_rate, ns_of(message.header.stamp)


def caption(style: str = "", emotion: str = "", transition_s: float = 0.0, stamp_ns: int = 0) -> Caption:
    """Captions as a message; see Caption.msg for what empty and zero mean."""
    return Caption(header=header(stamp_ns), style=style, emotion=emotion, transition_s=float(transition_s))


def flame_frame(
    parameters: FlameParameters, index: int, stamp_ns: int, head_model: str, frame_id: str = ""
) -> FlameFrame:
    """One frame of FLAME parameters (without batch axes) as a message."""
    return FlameFrame(
        header=header(stamp_ns, frame_id),
        head_model=head_model,
        index=index,
        shape=_floats([] if parameters.shape is None else parameters.shape),
        expression=_floats(parameters.expression),
        neck_pose=parameters.neck_pose,
        jaw_pose=parameters.jaw_pose,
        left_eye_pose=parameters.eye_pose[:3],
        right_eye_pose=parameters.eye_pose[3:],
        eyelids=parameters.eyelids,
    )


def read_flame_frame(message: FlameFrame) -> FlameParameters:
    """The FLAME parameters of a message, float32, without batch axes."""
    return FlameParameters(
        shape=np.asarray(message.shape, np.float32),
        expression=np.asarray(message.expression, np.float32),
        neck_pose=np.asarray(message.neck_pose, np.float32),
        jaw_pose=np.asarray(message.jaw_pose, np.float32),
        eye_pose=np.concatenate([message.left_eye_pose, message.right_eye_pose]).astype(np.float32),
        eyelids=np.asarray(message.eyelids, np.float32),
    )


def joint_state(units: np.ndarray, stamp_ns: int, frame_id: str = "") -> JointState:
    """[52] ARKit units in [0, 1] as positions of joints that bear their names."""
    return JointState(
        header=header(stamp_ns, frame_id), name=UNIT_NAMES, position=array("d", units.astype(np.float64).tobytes())
    )


def _floats(values: np.ndarray) -> array:
    return array("f", np.ascontiguousarray(values, np.float32).tobytes())


class TriangleMarker:
    """Serialized markers of a fixed number of triangles of one colour, so that RViz shades them.

    A marker of a head has tens of thousands of points, each an object for rclpy: the message is serialized once and
    only its stamp and its numbers are written anew.

    Args:
        n_triangles: of every marker.
        colour: RGB in [0, 1].
        name, index: namespace and id, by which RViz replaces the marker before.
        frame_id: frame of the points.
    """

    def __init__(
        self, n_triangles: int, colour: tuple[float, float, float], name: str, index: int, frame_id: str
    ) -> None:
        marker = Marker(header=header(0, frame_id), ns=name, id=index, type=Marker.TRIANGLE_LIST)
        marker.pose.orientation.w = 1.0
        marker.scale.x = marker.scale.y = marker.scale.z = 1.0
        marker.color = ColorRGBA(r=colour[0], g=colour[1], b=colour[2], a=1.0)
        sample = Point(x=1.25e77, y=-2.5e-77, z=5.125e33)  # as good as certainly nowhere else in the message
        marker.points = [sample] * (3 * n_triangles)
        self._data = bytearray(serialize_message(marker))
        start = self._data.index(np.array([sample.x, sample.y, sample.z]).tobytes())
        self._points = np.frombuffer(self._data, np.float64, 9 * n_triangles, start).reshape(n_triangles, 3, 3)
        self._stamp = np.frombuffer(self._data, np.uint32, 2, _CDR_HEADER_BYTES)  # the first fields of the message

    def serialize(self, corners: np.ndarray, stamp_ns: int) -> bytes:
        """The marker with these triangles [n_triangles, 3, 3] (corner, then xyz in m), for `Publisher.publish`."""
        self._points[:] = corners
        self._stamp[:] = divmod(stamp_ns, NS_PER_S)
        return bytes(self._data)


def diagnostics(name: str, level: bytes, message: str, values: dict[str, str], stamp_ns: int) -> DiagnosticArray:
    """One status with its values."""
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    status = DiagnosticStatus(level=level, name=name, hardware_id="captalk_ros", message=message, values=pairs)
    return DiagnosticArray(header=header(stamp_ns), status=[status])
