"""Finds the files that come with the package: weights, configuration, launch files."""

import os
import sys
from pathlib import Path

_PACKAGE = "captalk_ros"


def resource_directories() -> list[Path]:
    """Where resources are looked for, in this order.

    The source tree; `share/captalk_ros` of each ament prefix; the same of this interpreter's prefix; beside the
    installed package.
    """
    package = Path(__file__).resolve().parent
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    prefixes += [*package.parents, Path(sys.prefix)]
    return [package.parent, *(prefix / "share" / _PACKAGE for prefix in prefixes), package]


def resource_path(*parts: str) -> Path:
    """The path of a resource, for example `resource_path("weights", "open_head.npz")`.

    Raises:
        FileNotFoundError: it is in none of `resource_directories()`.
    """
    for directory in resource_directories():
        path = directory.joinpath(*parts)
        if path.exists():
            return path
    name = "/".join(parts)
    raise FileNotFoundError(f"{name} is missing: it was looked for beside the package and in share/{_PACKAGE}")
