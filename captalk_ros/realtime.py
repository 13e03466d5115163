"""The streamer in real time: sound and captions come when they come, frames leave when they are due.

No ROS and no wall clock: the present time is an argument. What a frame shows depends on samples and captions alone;
the present time only decides when it leaves, and up to where silence stands in for sound that did not come.
"""

import queue
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

from captalk_ros.audio import NS_PER_S, AudioError, AudioInput
from captalk_ros.streamer import MotionFrame, Streamer
from captalk_ros.timebase import FPS, FRAME_S, SAMPLE_RATE_HZ

CHUNK_NS = 20_000_000  # a chunk is late by at least this: it is sent when it was spoken
SILENCE_SLACK_NS = 100_000_000  # so much later than the latest of the last chunks, sound counts as missing
STALL_NS, PATIENCE_NS = 120_000_000, 200_000_000  # after a pause between ticks, sound that waits is let in first
CLOCK_JUMP_NS = NS_PER_S // 2
MAX_AHEAD_S = 120  # sound that waits to be heard
MAX_FRAMES_A_TICK = 3
MAX_WAITING_CAPTIONS = 8


def warm_up(streamer: Streamer) -> None:
    """Load what is loaded at its first use: step through half a second of silence and a caption, and forget them."""
    streamer.warm_captions(["neutral"])
    streamer.push_audio(np.zeros(SAMPLE_RATE_HZ // 2, np.float32))
    while streamer.step():
        pass
    streamer.reset()


class RealtimeFace:
    """Feeds a streamer with stamped sound, with silence where none comes, and gives out the frames that are due."""

    def __init__(self, streamer: Streamer) -> None:
        self.streamer = streamer
        self.audio = AudioInput()
        self._lateness_ns: deque[int] = deque([CHUNK_NS], maxlen=50)  # of the last chunks: arrival less stamp
        self._held: MotionFrame | None = None  # ready, but its sound is not to be heard yet
        self._now_ns = 0
        self._patient_until_ns = 0

    def hear(self, samples: np.ndarray, sample_rate_hz: int, stamp_ns: int, now_ns: int) -> None:
        """Take a chunk as `AudioInput.push` does; a zero stamp means now, or after what is still to be heard.

        Raises:
            AudioError: a chunk that cannot be used or lies more than 120 s ahead; it is left out.
        """
        stamp_ns = stamp_ns or max(now_ns, self.audio.next_stamp_ns or 0)
        pending_s = self.streamer.n_pending_samples / SAMPLE_RATE_HZ + len(samples) / max(1, sample_rate_hz)
        ahead_s = max(pending_s, (stamp_ns - now_ns) / NS_PER_S)
        if ahead_s > MAX_AHEAD_S:
            raise AudioError(f"sound reaches {ahead_s:.0f} s ahead of the face, expected at most {MAX_AHEAD_S} s")
        n_jumps = self.audio.n_jumps
        heard = self.audio.push(samples, sample_rate_hz, stamp_ns)
        if self.audio.n_jumps != n_jumps:
            self._lateness_ns.clear()
        self._lateness_ns.append(max(CHUNK_NS, now_ns - stamp_ns))
        self.streamer.push_audio(heard)

    def tick(self, now_ns: int) -> list[tuple[int, MotionFrame]]:
        """Go on to the present time.

        Returns:
            The frames that are due, at most 3, each with the stamp of its first sample in ns: their sound has come
            (or silence in its place) and is not in the future.
        """
        if now_ns < self._now_ns - CLOCK_JUMP_NS:
            # What waits to be shown keeps its distance from the present.
            self.audio.shift_clock(now_ns - self._now_ns)
        elif self._now_ns and now_ns > self._now_ns + STALL_NS:
            # The machine stood still: what it has received meanwhile reaches `hear` only after this tick.
            self._patient_until_ns = now_ns + PATIENCE_NS
        self._now_ns = now_ns
        silence_until_ns = now_ns - max(self._lateness_ns) - SILENCE_SLACK_NS
        is_missing = self.audio.next_stamp_ns is None or self.audio.next_stamp_ns < silence_until_ns
        is_patient = now_ns < self._patient_until_ns <= now_ns + PATIENCE_NS  # not after the clock was set back
        if is_missing and not is_patient:
            self.streamer.push_audio(self.audio.fill_silence(silence_until_ns))
        frames: list[tuple[int, MotionFrame]] = []
        while len(frames) < MAX_FRAMES_A_TICK and (frame := self._held or self.streamer.step()):
            stamp_ns = self.audio.stamp_of(frame.sample)
            if stamp_ns > now_ns:
                self._held = frame
                break
            self._held = None
            frames.append((stamp_ns, frame))
        return frames


@dataclass(frozen=True)
class CaptionChange:
    """Captions that hold from a stamp on (0: from the next frame on); an empty one stays as it is."""

    style: str
    emotion: str
    transition_s: float
    stamp_ns: int = 0


class CaptionEncoder:
    """Encodes captions on a thread of its own, as one costs about half a tick; where too many come, the newest win."""

    def __init__(self, face: RealtimeFace) -> None:
        self.active = {"style": "", "emotion": ""}  # as last asked for, also where it holds later
        self._face = face
        self._waiting: queue.Queue[CaptionChange | None] = queue.Queue(MAX_WAITING_CAPTIONS)
        self._encoded: deque[CaptionChange] = deque(maxlen=MAX_WAITING_CAPTIONS)
        self._thread = threading.Thread(target=self._encode, name="captions", daemon=True)
        self._thread.start()

    def submit(self, change: CaptionChange | None) -> None:
        """Queue a change; the oldest of a full queue is left out."""
        while True:
            try:
                return self._waiting.put_nowait(change)
            except queue.Full:
                self._waiting.get_nowait()

    def apply(self) -> None:
        """Hand encoded changes to the streamer; to be called where the streamer is stepped.

        Raises:
            InputError: captions that the streamer refuses; the rest is for the next call.
        """
        while self._encoded:
            change = self._encoded.popleft()
            at_sample = self._face.audio.sample_at(change.stamp_ns) if change.stamp_ns else None
            self._face.streamer.set_captions(change.style, change.emotion, at_sample, change.transition_s)
            self.active = {
                "style": change.style or self.active["style"],
                "emotion": change.emotion or self.active["emotion"],
            }

    def close(self) -> None:
        """End the thread once it has encoded what waits."""
        self.submit(None)
        self._thread.join()

    def _encode(self) -> None:
        while (change := self._waiting.get()) is not None:
            self._face.streamer.warm_captions([change.style, change.emotion])
            self._encoded.append(change)


class TickTimes:
    """How long the ticks of the last minute took and how many were missed."""

    def __init__(self) -> None:
        self.n_missed = 0
        self._work_s: deque[float] = deque(maxlen=60 * FPS)
        self._n_frames: deque[int] = deque(maxlen=60 * FPS)
        self._starts_s: deque[float] = deque(maxlen=60 * FPS)

    def add(self, start_s: float, work_s: float, n_frames: int) -> None:
        """Note one tick: when it began, how long its work took (s) and the frames it gave."""
        if self._starts_s:
            self.n_missed += max(0, round((start_s - self._starts_s[-1]) / FRAME_S) - 1)
        self._starts_s.append(start_s)
        self._work_s.append(work_s)
        self._n_frames.append(n_frames)

    def summary(self) -> dict[str, float]:
        """Frames a second, work of a tick (median and 99th percentile, ms) in the last minute; missed ticks in all."""
        if not self._work_s:
            return {"rate_hz": 0.0, "p50_ms": 0.0, "p99_ms": 0.0, "n_missed": 0}
        span_s = self._starts_s[-1] - self._starts_s[0] + FRAME_S
        p50_ms, p99_ms = 1e3 * np.percentile(self._work_s, [50, 99])
        rate_hz = sum(self._n_frames) / span_s
        return {"rate_hz": rate_hz, "p50_ms": float(p50_ms), "p99_ms": float(p99_ms), "n_missed": self.n_missed}
