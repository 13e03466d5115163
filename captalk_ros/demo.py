"""Speech through the real nodes, recorded and filmed: `python -m captalk_ros.demo [--wav F] [--style T] [--emotion T]`.

The nodes run as processes of their own; this program only starts them, and reads the bag when they are done.
"""

import argparse
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from rich.progress import Progress

from captalk_ros.animate import Animation
from captalk_ros.audio import NS_PER_S, read_audio, write_wav
from captalk_ros.bag import Recording, read_bag
from captalk_ros.captions import Caption
from captalk_ros.errors import InputError
from captalk_ros.head import open_head
from captalk_ros.render import render_animation
from captalk_ros.resources import resource_path
from captalk_ros.timebase import FRAME_S, FRAME_SAMPLES, SAMPLE_RATE_HZ

DEFAULT_EMOTION = "delighted and very happy | sad, close to tears"
REST_S = 2.0  # recorded after the last word: the face comes to rest
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.1
FRAME_NS = round(FRAME_S * NS_PER_S)
MAX_DOMAIN_ID = 101  # higher ones meet ports that Linux gives to others


class DemoError(InputError):
    """A node did not do its part; the message names its log."""


def timeline(emotion: str, style: str, duration_s: float) -> list[Caption]:
    """Captions for speech of a length: emotions with `|` between them share it evenly, the style holds throughout."""
    emotions = [part.strip() for part in (emotion or DEFAULT_EMOTION).split("|")]
    part_s = duration_s / len(emotions)
    return [Caption(k * part_s, style if k == 0 else "", part) for k, part in enumerate(emotions)]


@dataclasses.dataclass
class Process:
    """A node that runs, and the file that its log goes to."""

    name: str
    process: subprocess.Popen
    log: Path

    def wait_for(self, text: str, timeout_s: float) -> None:
        """Wait until the node has logged a text.

        Raises:
            DemoError: it ended, or said nothing of the kind in time.
        """
        end_s = time.monotonic() + timeout_s
        while text not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > end_s:
                raise DemoError(f"{self.name} did not start: {self.last_line()} (log: {self.log})")
            time.sleep(POLL_S)

    def wait(self, timeout_s: float) -> None:
        """Wait until the node has ended by itself.

        Raises:
            DemoError: it failed, or goes on.
        """
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise DemoError(f"{self.name} did not end within {timeout_s:.0f} s (log: {self.log})") from None
        if status:
            raise DemoError(f"{self.name} failed: {self.last_line()} (log: {self.log})")

    def last_line(self) -> str:
        """The last line of the log."""
        return (self.log.read_text().splitlines() or ["it said nothing"])[-1]


@contextmanager
def node(name: str, folder: Path, **parameters: object) -> Iterator[Process]:
    """Run a node of this package in a process of its own; it is told to end at the end of the block."""
    arguments = [f"{key}:={json.dumps(value, ensure_ascii=False)}" for key, value in parameters.items()]
    command = [sys.executable, "-m", f"captalk_ros.nodes.{name}", "--ros-args"]
    command += [word for argument in arguments for word in ("-p", argument)]
    log = folder / f"{name}.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield Process(name, process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_nodes(wav: Path, captions: list[Caption], duration_s: float, folder: Path) -> None:
    """Speak the file to the face while a bag is recorded in `folder`/bag.

    Raises:
        DemoError: a node failed.
    """
    # Own processes on this machine only, whatever else runs in the network.
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, MAX_DOMAIN_ID))
    captions_file = folder / "captions.json"
    captions_file.write_text(json.dumps([dataclasses.asdict(caption) for caption in captions], ensure_ascii=False))
    with ExitStack() as stack:
        face = stack.enter_context(node("captalk_node", folder))
        recorder = stack.enter_context(node("recorder_node", folder, path=str(folder / "bag")))
        texts = stack.enter_context(node("caption_file_node", folder, path=str(captions_file)))
        recorder.wait_for("recording", START_TIMEOUT_S)
        face.wait_for("ready", START_TIMEOUT_S)
        # Face, recorder and captions listen; speech that starts before all of them do would be lost on one.
        speech = stack.enter_context(node("audio_file_node", folder, path=str(wav), listeners=3, wait_s=30.0))
        speech.wait(START_TIMEOUT_S + duration_s)
        texts.wait(POLL_S)
        time.sleep(REST_S)


def film(recording: Recording, captions: list[Caption], folder: Path) -> Path:
    """Draw the recorded frames, with the recorded sound, as `folder`/demo.mp4; returns its path."""
    frames, sound = recording.frames, recording.sound
    _, rows, unit_rows = np.intersect1d(frames.stamps_ns, recording.units_stamps_ns, return_indices=True)
    keep = frames.stamps_ns[rows] >= sound.start_ns
    rows, unit_rows = rows[keep], unit_rows[keep]
    head = open_head()
    motion = np.concatenate([recording.units[unit_rows], frames.neck_pose[rows]], axis=1)
    animation = dataclasses.replace(
        Animation.from_motion(motion, head, captions),
        expression=frames.expression[rows],
        jaw_pose=frames.jaw_pose[rows],
        neck_pose=frames.neck_pose[rows],
        eye_pose=frames.eye_pose[rows],
    )
    samples = sound.samples[round((frames.stamps_ns[rows[0]] - sound.start_ns) * SAMPLE_RATE_HZ / NS_PER_S) :]
    padding = max(0, len(rows) * FRAME_SAMPLES - len(samples))
    audio, video = folder / "demo.wav", folder / "demo.mp4"
    write_wav(audio, np.pad(samples, (0, padding)))
    animation.save(folder / "demo.npz")
    with Progress() as bar:
        task = bar.add_task("drawing the video", total=len(rows))
        render_animation(animation, video, audio, progress=lambda done, _: bar.update(task, completed=done))
    return video


def figures(recording: Recording, face_log: str) -> list[str]:
    """The lines that matter: rate, latency while there is sound, fit of the stamps, work of a tick."""
    frames, sound = recording.frames, recording.sound
    end_ns = sound.start_ns + len(sound.samples) * NS_PER_S // SAMPLE_RATE_HZ
    spoken = (frames.stamps_ns >= sound.start_ns) & (frames.stamps_ns < end_ns)
    median_ms, most_ms = 1e3 * np.percentile(frames.latency_s[spoken], [50, 99])
    drift_ms = np.max(np.abs(np.diff(frames.stamps_ns) - FRAME_NS)) / 1e6
    lines = [
        f"{len(frames.index)} frames, {frames.rate_hz:.2f} a second, {np.sum(np.diff(frames.index) != 1)} lost",
        f"latency from a frame's first sample to its arrival: median {median_ms:.0f} ms, 99 % within {most_ms:.0f} ms",
        f"stamps at most {drift_ms:.3f} ms off the 40 ms steps of their sound",
    ]
    work = re.search(r"work p50 ([\d.]+) ms, p99 ([\d.]+) ms", face_log)
    if work:
        p50_ms, p99_ms = float(work[1]), float(work[2])
        factor = p50_ms / (1e3 * FRAME_S)
        lines.append(
            f"work of a tick: median {p50_ms:.1f} ms, 99 % within {p99_ms:.1f} ms, real-time factor {factor:.2f}"
        )
    return lines


def run_demo(wav: Path, style: str, emotion: str, folder: Path) -> list[str]:
    """Run it all into a new or old folder; returns what to tell the user.

    Raises:
        InputError: unusable sound, or a node that failed.
    """
    duration_s = len(read_audio(wav)) / SAMPLE_RATE_HZ
    captions = timeline(emotion, style, duration_s)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "bag", ignore_errors=True)
    print(
        f"speaking {wav.name} ({duration_s:.1f} s): {' | '.join(caption.emotion for caption in captions)}", flush=True
    )
    run_nodes(wav, captions, duration_s, folder)
    recording = read_bag(folder / "bag")
    if recording.frames is None or recording.sound is None:
        raise DemoError(f"the bag lacks frames or sound (logs: {folder})")
    video = film(recording, captions, folder)
    log = (folder / "captalk_node.log").read_text()
    return [*figures(recording, log), f"bag:   {folder / 'bag'}", f"video: {video}"]


def main(arguments: list[str] | None = None) -> int:
    """Run the demo from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.partition(":")[0])
    parser.add_argument("--wav", default="", help="speech (default: a sentence made by flite)")
    parser.add_argument("--style", default="", help="how it speaks")
    parser.add_argument(
        "--emotion", default="", help=f"what it feels, changes marked by | (default: {DEFAULT_EMOTION})"
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for bag, video and logs")
    args = parser.parse_args(arguments)
    wav = Path(args.wav) if args.wav else resource_path("config", "demo.wav")
    try:
        print("\n".join(run_demo(wav, args.style, args.emotion, args.out)))
    except InputError as error:
        print(f"captalk_ros: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
