"""The page on the command line: every command on it is one that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from qkd_qiskit.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]

#: The ancestor of what the command line raises: Click's, or Typer's copy of it.
REFUSED = typer.BadParameter.__mro__[2]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_taken(line):
    program, *words = shlex.split(line)
    assert program == "qkd-qiskit"
    command = typer.main.get_command(app)
    if words == ["--install-completion"]:
        assert any("--install-completion" in param.opts for param in command.params)
        return
    if words[0] == "--log":
        assert any("--log" in param.opts for param in command.params)
        words = words[2:]
    while hasattr(command, "get_command"):
        name, *words = words
        command = command.get_command(None, name)
        assert command is not None, name
    # The file of the log would be opened.
    if "--log" in words:
        at = words.index("--log")
        words = words[:at] + words[at + 2 :]
        assert any("--log" in param.opts for param in command.params)
    # Unknown options, missing arguments and values out of range are refused here; nothing runs.
    with command.make_context("command", list(words)) as context:
        assert context.params


def test_a_wrong_line_is_refused():
    for line in ("qkd-qiskit run quickstart --client 3", "qkd-qiskit predict runs/mine", "qkd-qiskit sing"):
        with pytest.raises((REFUSED, AssertionError)):
            test_a_line_is_taken(line)
