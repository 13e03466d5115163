"""What the README says is so: its figures, its commands, its files and its ROS interface."""

import argparse
import json
import re
import shlex
from pathlib import Path

import pytest

from captalk_ros import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "weights" / "MODEL_CARD.md"]
SCORES = json.loads((ROOT / "weights" / "scores.json").read_text())
ROWS = ("closure", "opening", "false closures", "quiet", "lag ms", "correlation")


def score_table() -> str:
    """The table of scores as the pages show it."""
    lines = ["| band | closure | opening | false closures | quiet | lag | correlation |", "|---" * 7 + "|"]
    for band in ("full", "telephone"):
        figures = SCORES[band]
        shares = " | ".join(f"{100 * figures[name]:.1f} %" for name in ROWS[:4])
        lines.append(f"| {band} | {shares} | {figures['lag ms']:+.0f} ms | {figures['correlation']:.2f} |")
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_scores_are_those_of_the_weights(page):
    card = json.loads((ROOT / "weights" / "regression.json").read_text())
    assert all(scores["sha256"] == card["sha256"] for scores in SCORES.values()), "judge these weights again"
    assert score_table() in page.read_text()
    assert all(value in page.read_text() for name, value in SCORES["captions"].items() if name != "sha256")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
    assert links and all((page.parent / link).exists() for link in links)


def commands() -> list[str]:
    lines = "\n".join(page.read_text() for page in PAGES).splitlines()
    return [line.strip().split("  ")[0] for line in lines if line.startswith("    captalk ")]


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command, monkeypatch):
    command = command.replace("--copies N", "--copies 2")
    understood = argparse.ArgumentParser.parse_args

    class Understood(Exception):  # noqa: N818 (no error)
        pass

    def parse_only(parser, arguments=None, namespace=None):
        understood(parser, arguments, namespace)
        raise Understood

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    with pytest.raises(Understood):
        cli.main(shlex.split(command)[1:])


def test_topics_and_parameters_are_those_of_the_node():
    readme = (ROOT / "README.md").read_text()
    node = (ROOT / "captalk_ros" / "nodes" / "captalk_node.py").read_text()
    parameters = set(re.findall(r'declare_parameter\(\s*"(\w+)"', node))
    topics = set(re.findall(r'create_(?:publisher|subscription)\(\s*\w+, "([^"]+)"', node))
    table = "\n".join(line for line in readme.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`([^`]*)`", table))
    assert parameters | topics <= named
