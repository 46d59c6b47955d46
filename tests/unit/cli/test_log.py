"""The log of a command."""

from __future__ import annotations

import logging

import pytest
import typer

from qkd_qiskit import services
from qkd_qiskit.cli import main
from qkd_qiskit.cli.app import COMMANDS, app
from qkd_qiskit.cli.log import PACKAGE, command_log, shown_progress, with_log_option


def leaves(command, name):
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    else:
        for key, each in inner.items():
            yield from leaves(each, f"{name} {key}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_log_once(name):
    group = typer.main.get_command(app)
    with group.make_context("qkd-qiskit", ["--help"], resilient_parsing=True) as context:
        found = list(leaves(group.get_command(context, name), name))
        # A second look gives no second option.
        found += list(leaves(with_log_option(group.get_command(context, name)), name))
    for full, command in found:
        assert sum("--log" in getattr(param, "opts", ()) for param in command.params) == 1, full


@pytest.mark.parametrize("where", ["before", "behind"])
def test_what_the_package_logs_is_in_the_file_with_times(where, tmp_path, monkeypatch, capsys):
    def predict_file(*_, **__):
        logging.getLogger("qkd_qiskit.somewhere").info("it is noon")
        logging.getLogger("qkd_qiskit.somewhere").warning("it rains")
        raise services.output.ReportingError("nothing to predict")

    monkeypatch.setattr(services, "predict_file", predict_file)
    path = tmp_path / "logs" / "run.log"
    option = ["--log", str(path)]
    command = ["predict", "RUN", "--input", "x.npy"]
    before = PACKAGE.handlers[:], PACKAGE.level
    for _ in range(2):
        assert main([*option, *command] if where == "before" else [*command, *option]) == 2
    assert (PACKAGE.handlers, PACKAGE.level) == before
    lines = path.read_text().splitlines()
    assert len(lines) == 6
    assert lines[0].endswith("INFO qkd_qiskit.somewhere: it is noon")
    assert lines[1].endswith("WARNING qkd_qiskit.somewhere: it rains")
    assert lines[2].endswith("ERROR qkd_qiskit.cli: nothing to predict")
    said = capsys.readouterr().err.splitlines()
    assert said == ["it rains", "qkd-qiskit: error: nothing to predict"] * 2


def test_a_file_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["experiments", "list", "--log", str(tmp_path / "file" / "run.log")]) == 2
    assert "--log: cannot write" in capsys.readouterr().err
    assert main(["experiments", "list", "--log", str(tmp_path)]) == 2
    assert "--log: cannot write" in capsys.readouterr().err


def test_warnings_go_where_standard_error_is_at_the_moment(capsys):
    with command_log():
        PACKAGE.info("not this")
        PACKAGE.warning("this")
    assert capsys.readouterr().err == "this\n"


def test_the_log_hears_of_all_that_is_shown(tmp_path, monkeypatch, capsys):
    def predict_file(*_, **__):
        with shown_progress() as progress:
            progress.start("work", 3)
            progress.done("work")
        raise services.output.ReportingError("enough")

    monkeypatch.setattr(services, "predict_file", predict_file)
    path = tmp_path / "run.log"
    assert main(["predict", "RUN", "--input", "x.npy", "--log", str(path)]) == 2
    told = [line.partition("qkd_qiskit.progress: ")[2] for line in path.read_text().splitlines()]
    assert told[:2] == ["begins: work", "done: work, 0:00"]
    assert capsys.readouterr().err.splitlines()[0] == "done: work, 0:00"
