"""Heads in FLAME's format: the open head, the user's own FLAME file, and their evaluation."""

from captalk_ros.head.flame import FlameParameters, Head, HeadError, load_baked, open_head

__all__ = ["FlameParameters", "Head", "HeadError", "load_baked", "load_head", "open_head"]


def load_head(path) -> Head:
    """A head from a file: one that `captalk head bake` wrote, or the user's FLAME model (.pkl or .npz).

    Raises:
        HeadError: no such file, or not a head; the message says what was found.
    """
    from captalk_ros.head.flame_file import load_any

    return load_any(path)
