"""Heads in FLAME's format: the open head, the user's own FLAME file, and their evaluation."""

from captalk_ros.head.flame import FlameParameters, Head, HeadError, open_head

__all__ = ["FlameParameters", "Head", "HeadError", "open_head"]
