"""Speed, latency and memory of the streaming core on this machine: `captalk bench`."""

import platform
import resource
import time
from pathlib import Path

import numpy as np
import torch

from captalk_ros.head import Head
from captalk_ros.streamer import Streamer
from captalk_ros.timebase import FRAME_S, FRAME_SAMPLES, SAMPLE_RATE_HZ

N_CAPTIONS = 20
CHUNK_SAMPLES = 320  # 20 ms, as a microphone gives them


def bench(streamer: Streamer, head: Head, audio_s: float) -> dict[str, str]:
    """Measure one stream of noise, a frame at a time, as a node would run it.

    Args:
        streamer: is reset.
        head: that the frames are put on.
        audio_s: how much audio, in s.

    Returns:
        Figures by name, ready to print.
    """
    caption_ms = _caption_ms(streamer)
    streamer.reset()
    streamer.set_captions(style="lively", emotion="a bit excited")
    samples = 0.05 * np.random.default_rng(0).standard_normal(int(audio_s * SAMPLE_RATE_HZ)).astype(np.float32)
    work_s, first_frame_at = [], None
    for start in range(0, len(samples), CHUNK_SAMPLES):
        streamer.push_audio(samples[start : start + CHUNK_SAMPLES])
        began_s = time.perf_counter()
        frame = streamer.step()
        if frame is not None:
            head.parameters(frame.units, frame.head_rotation)
            work_s.append(time.perf_counter() - began_s)
            first_frame_at = first_frame_at or start + CHUNK_SAMPLES
    work_ms = 1000 * np.asarray(work_s[5:])
    return {
        "machine": f"{_processor()}, {torch.get_num_threads()} thread, device {streamer.device}",
        "parameters of the network": f"{sum(p.numel() for p in streamer.model.parameters()) / 1e6:.2f} M",
        "work a frame, p50 / p99": f"{np.percentile(work_ms, 50):.2f} / {np.percentile(work_ms, 99):.2f} ms",
        "frames over 40 ms": f"{int((work_ms > 1000 * FRAME_S).sum())} of {len(work_ms)}",
        "real-time factor": f"{work_ms.mean() / 1000 / FRAME_S:.3f}",
        "sound needed before the first frame": f"{1000 * first_frame_at / SAMPLE_RATE_HZ:.0f} ms",
        "arithmetic for 4 s of audio": f"{_gflop(streamer):.2f} GFLOP",
        "a new caption": f"{caption_ms:.1f} ms (off the timer's path)",
        "peak memory of this process": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
    }


def _caption_ms(streamer: Streamer) -> float:
    streamer.warm_captions(["warm up"])
    began_s = time.perf_counter()
    for number in range(N_CAPTIONS):
        streamer.warm_captions([f"angry for the {number}th time about the delay"])
    return 1000 * (time.perf_counter() - began_s) / N_CAPTIONS


def _gflop(streamer: Streamer) -> float:
    """Floating-point operations of the matrix products and convolutions in 4 s of audio, in units of 10^9."""
    from torch.utils.flop_counter import FlopCounterMode

    streamer.reset()
    streamer.push_audio(np.zeros(FRAME_SAMPLES * 100, np.float32))
    with FlopCounterMode(display=False) as counter:
        while streamer.step() is not None:
            pass
    return counter.get_total_flops() / 1e9 + _recurrent_gflop(streamer)


def _recurrent_gflop(streamer: Streamer) -> float:
    """The counter does not see inside recurrent layers: two operations a weight and frame."""
    return 2 * 100 * sum(p.numel() for n, p in streamer.model.recurrent.named_parameters() if "weight" in n) / 1e9


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()
