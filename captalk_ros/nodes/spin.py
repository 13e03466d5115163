"""Runs a node as a program: from its start to a clean end, whatever ends it."""

import gc
import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from captalk_ros.errors import InputError


def run(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """Spin a node until it is told to end, or until its `finished` future is done where it has one.

    Returns:
        The exit status: 1 where the node could not be made, with one line that says why.
    """
    rclpy.init(args=args)
    node = None
    try:
        node = make_node()
        # What is loaded stays: the garbage collector need not walk through it in the middle of a tick.
        gc.freeze()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin_until_future_complete(getattr(node, "finished", Future()))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (InputError, FileNotFoundError) as error:
        print(f"captalk_ros: {error}", file=sys.stderr)
        return 1
    finally:
        if node:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
