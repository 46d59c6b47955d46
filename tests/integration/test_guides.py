"""Guides and concepts: Python blocks run and print what they say, files are read, commands exist."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
import typer

from qkd_qiskit.cli.app import app
from qkd_qiskit.config import load_experiment
from qkd_qiskit.hardware import load_backend

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDES = [page for folder in ("guides", "concepts") for page in sorted((DOCS / folder).glob("*.md"))]
WITH_COMMANDS = [*GUIDES, DOCS / "install.md", DOCS / "quickstart.md"]


def named(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.S)


def run_blocks(page: Path) -> None:
    """Run a page's Python blocks in the current folder; they print what their comments promise, in order."""
    names: dict[str, object] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks(page, "python"):
            exec(compile(block, str(page), "exec"), names)
    lines = iter(printed.getvalue().splitlines())
    for promised in re.findall(r"print\(.*\)  # (.+)", "\n".join(blocks(page, "python"))):
        assert promised in lines, (promised, printed.getvalue())


def files_of(page: Path, folder: Path) -> None:
    """Write the TOML files that a page shows, by the names that its commands call them."""
    for text in blocks(page, "toml"):
        name = "my5.toml" if 'source = "custom"' in text else "my.toml"
        (folder / name).write_text(text, "utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The run that guides go on with: that of the guide on experiments."""
    folder = tmp_path_factory.mktemp("guides")
    with contextlib.chdir(folder):
        run_blocks(DOCS / "guides" / "own-experiment.md")
    return folder / "runs"


@pytest.mark.parametrize(
    "page", [page for page in GUIDES if blocks(page, "python") and page.stem != "own-experiment"], ids=named
)
def test_python_blocks_run_and_print_what_they_say(page, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "runs/mine" in page.read_text("utf-8"):
        shutil.copytree(finished, tmp_path / "runs")
    files_of(page, tmp_path)
    run_blocks(page)


def test_files_of_the_guides_are_read(tmp_path, finished):
    for name in ("own-device", "own-experiment"):
        files_of(DOCS / "guides" / f"{name}.md", tmp_path)
    assert load_backend(tmp_path / "my5.toml").n_qubits == 5
    settings = load_experiment(str(tmp_path / "my.toml"))
    assert [client.name for client in settings.clients] == ["north", "south"]


def parsed(words: list[str]) -> str:
    """Parse a command line as the program does, without running it; its command's name."""
    command: click.Command = typer.main.get_command(app)
    context, name = None, "qkd-qiskit"
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        name = words.pop(0)
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no command {name}")
        command = found
    command.make_context(name, words, parent=context)
    return name


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=named)
def test_commands_of_the_pages_exist(page):
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].endswith("qkd-qiskit") and words[1:] != ["--help"]:
                assert parsed(words[1:])


def test_a_wrong_command_is_found():
    with pytest.raises(click.UsageError, match="--outptu"):
        parsed(["run", "quickstart", "--outptu", "x"])
