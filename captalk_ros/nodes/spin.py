"""Runs a node as a program: from its start to a clean end, whatever ends it."""

import gc
import signal
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from captalk_ros.errors import InputError

WAKE_S = 0.2  # a node without work looks this often whether it is told to end


def run(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """Spin a node until it is told to end, or until its `finished` future is done where it has one.

    Returns:
        The exit status: 1 where the node could not be made, with one line that says why.
    """
    # rclpy's own handlers close the context under a running callback, whose publishing then fails.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = None
    try:
        node = make_node()
        _spin(node)
    except KeyboardInterrupt:  # while it was being made
        pass
    except (InputError, FileNotFoundError) as error:
        print(f"captalk_ros: {error}", file=sys.stderr)
        return 1
    finally:
        if node:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _spin(node: Node) -> None:
    # What is loaded stays: the garbage collector need not walk through it in the middle of a tick.
    gc.freeze()
    told_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_end.set())
    finished = getattr(node, "finished", Future())
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not told_to_end.is_set() and not finished.done():
        executor.spin_once(timeout_sec=WAKE_S)
    executor.shutdown()
