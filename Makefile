# captalk_ros from a clone: `make demo` shows it, `make test` checks it; both set everything up first.
#
#   make env     Python environment in .venv with ROS 2 (or the sourced one) and our messages
#   make demo    speech through the real nodes into a bag and a video; WAV=, STYLE=, EMOTION= take your own
#   make test    lint and all tests; those of synthetic speech want flite, espeak-ng and festival
#   make format  lay out the Python files
#   make clean   remove what was built and made, but not .venv

SHELL := /bin/bash
VENV := .venv
# The virtual environment first; where a ROS 2 was sourced, our messages lie in install/ instead of .venv.
ACTIVATE := . $(VENV)/bin/activate && { [ ! -f install/local_setup.bash ] || . install/local_setup.bash; }

WAV ?=
STYLE ?=
EMOTION ?=

.PHONY: help env dev demo lint test format clean

help:
	@sed -n '3,/^$$/s/^# *//p' Makefile

env:
	@PYTHON="$(PYTHON)" scripts/env.sh

demo: env
	@$(ACTIVATE) && python -m captalk_ros.demo --wav "$(WAV)" --style "$(STYLE)" --emotion "$(EMOTION)"

dev:
	@PYTHON="$(PYTHON)" scripts/env.sh --dev

lint: dev
	@$(ACTIVATE) && ruff check . && ruff format --check .

test: lint
	@$(ACTIVATE) && python -m pytest

format: dev
	@$(ACTIVATE) && ruff check --fix . ; $(ACTIVATE) && ruff format .

clean:
	rm -rf build install log out .pytest_cache .ruff_cache
