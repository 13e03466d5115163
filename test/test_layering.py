"""Who may import whom: core <- head <- model <- streamer <- nodes and cli; only nodes/ know ROS, bag.py its bags."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "captalk_ros"

# The layer of each module or folder of the package.
LAYER_OF = {
    "__init__": "core",
    "timebase": "core",
    "motion": "core",
    "audio": "core",
    "captions": "core",
    "metrics": "core",
    "life": "core",
    "direction": "core",
    "resources": "core",
    "errors": "core",
    "bag": "bag",
    "head": "head",
    "render": "render",
    "model": "model",
    "streamer": "streamer",
    "animate": "streamer",
    "realtime": "streamer",
    "train": "train",
    "nodes": "nodes",
    "bench": "top",
    "demo": "top",
    "cli": "top",
}
# The layers that a layer may import, besides itself.
MAY_IMPORT = {
    "core": set(),
    "bag": {"core"},
    "head": {"core"},
    "render": {"core", "head", "model", "streamer"},
    "model": {"core", "head"},
    "streamer": {"core", "head", "model"},
    "train": {"core", "head", "model", "streamer", "render"},
    "nodes": {"core", "bag", "head", "model", "streamer"},
    "top": {"core", "bag", "head", "model", "streamer", "render", "train", "nodes"},
}
ROS_MODULES = {
    "rclpy",
    "rosidl_runtime_py",
    "launch",
    "launch_ros",
    "builtin_interfaces",
    "std_msgs",
    "std_srvs",
    "sensor_msgs",
    "geometry_msgs",
    "visualization_msgs",
    "diagnostic_msgs",
    "lifecycle_msgs",
    "rcl_interfaces",
}
CORE_MODULES = {"numpy", "soundfile", "soxr"}


def modules() -> list[str]:
    """Names of all modules of the package, relative to it, such as "model.text"."""
    paths = [path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts]
    return sorted(".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in paths)


def imports(module: str) -> set[str]:
    """Full names of what a module imports anywhere in its text."""
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    package = ["captalk_ros", *module.split(".")[:-1]]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


def layer(name: str) -> str:
    """Layer of a module that is named relative to the package."""
    top = name.split(".")[0]
    assert top in LAYER_OF, f"captalk_ros.{top} has no layer: give it one in {Path(__file__).name}"
    return LAYER_OF[top]


@pytest.mark.parametrize("module", modules())
def test_module_imports_only_the_layers_below(module: str):
    own = layer(module)
    for name in imports(module):
        root, _, inner = name.partition(".")
        if root == "captalk_ros" and inner.split(".")[0] not in ("", "msg", "__version__"):
            other = layer(inner)
            assert other == own or other in MAY_IMPORT[own], f"{own} module {module} imports {other} module {name}"


@pytest.mark.parametrize("module", modules())
def test_only_nodes_know_ros(module: str):
    if layer(module) == "nodes":
        return
    names = imports(module)
    ros = {name for name in names if name.split(".")[0] in ROS_MODULES or name.startswith("captalk_ros.msg")}
    bags = {name for name in names if name.split(".")[0] == "rosbags" and layer(module) != "bag"}
    assert not ros | bags, f"{module} imports {ros | bags}: only captalk_ros.nodes may, and captalk_ros.bag rosbags"


@pytest.mark.parametrize("module", [name for name in modules() if layer(name) == "core"])
def test_core_needs_numpy_and_sound_libraries_only(module: str):
    roots = {name.split(".")[0] for name in imports(module)}
    foreign = roots - sys.stdlib_module_names - CORE_MODULES - {"captalk_ros"}
    assert not foreign, f"core module {module} imports {foreign}"


def run_python(text: str) -> None:
    """Runs a program in a fresh interpreter beside the package; fails with its error text."""
    done = subprocess.run([sys.executable, "-c", text], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_everything_but_the_nodes_imports_without_ros():
    names = [f"captalk_ros.{name}".removesuffix(".__init__") for name in modules() if layer(name) != "nodes"]
    run_python(
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(ROS_MODULES)}))\n"
        f"for name in {names}: importlib.import_module(name)\n"
    )


def test_importing_the_package_or_the_command_line_loads_no_torch():
    run_python(
        "import sys, captalk_ros, importlib.util\n"
        "if importlib.util.find_spec('captalk_ros.cli'): import captalk_ros.cli\n"
        "assert not {'torch', 'transformers', 'pyvista'} & set(sys.modules), sorted(sys.modules)\n"
    )
