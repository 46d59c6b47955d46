from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer

from qkd_qiskit.cli import main
from qkd_qiskit.cli.app import COMMANDS, app
from qkd_qiskit.cli.tables import show
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.errors import DataError
from qkd_qiskit.progress import Progress
from qkd_qiskit.vqcnn import VQCNNSpec

_EXPERIMENT = """
name = "tiny"
[data]
dataset = "digits"
classes = [0, 1, 2]
public_train = 30
public_calibration = 0
public_validation = 12
test = 60
[model]
n_qubits = 4
kernel = "one_cx"
[[clients]]
name = "a"
backend = "ion_trap"
samples = 120
classes = [0, 1]
[[clients]]
name = "b"
backend = "noisy_line"
samples = 90
"""

_HOPELESS = """
name = "hopeless"
description = "A line on which no structure comes through"
source = "custom"
[topology]
kind = "line"
n_qubits = 4
[timing]
dt = 1e-9
[qubits]
t1 = 80e-6
t2 = 60e-6
readout_error = 0.3
readout_duration = 1e-6
[gates]
rz = { error = 0.0, duration = 0.0 }
sx = { error = 6e-4, duration = 40e-9 }
x = { error = 6e-4, duration = 40e-9 }
cz = { error = 0.3, duration = 200e-9 }
"""

Capture = pytest.CaptureFixture[str]
RunExperiment = Callable[..., Any]


@pytest.fixture
def experiment(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(_EXPERIMENT, "utf-8")
    return str(path)


@pytest.fixture
def hopeless(tmp_path: Path) -> str:
    """A device whose errors leave room for no structure."""
    path = tmp_path / "hopeless.toml"
    path.write_text(_HOPELESS, "utf-8")
    return str(path)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunExperiment], None]:
    """Puts a function in the place of the pipeline's `run_experiment`."""

    def install(function: RunExperiment) -> None:
        monkeypatch.setattr("qkd_qiskit.cli.run.run_experiment", function)

    return install


def _one_line(capture: Capture) -> str:
    """The only line on standard error, with nothing on standard output."""
    out, err = capture.readouterr()
    assert out == ""
    assert err.startswith("qkd-qiskit: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing command"),
        (["runn"], "No such command 'runn'"),
        (["backends"], "Missing command"),
        (["--nothing"], "No such option"),
        (["run", "nowhere"], "unknown experiment 'nowhere'"),
        (["run", "no.toml"], "cannot read experiment file no.toml: No such file"),
        (["run", "--seed", "x"], "--seed"),
        (["run", "--seed", "-1"], "--seed"),
        (["run", "a", "b"], "unexpected extra argument"),
        (["estimate", "nowhere"], "unknown experiment 'nowhere'"),
        (["estimate", "--dataset", "no.csv"], "no.csv"),
        (["estimate", "--dataset", "nothing"], "unknown dataset 'nothing'"),
        (["estimate", "--dataset", "digits", "--classes", "0,99"], "class 99"),
        (["estimate", "--dataset", "digits", "--classes", "0,--5"], "--5"),
        (["estimate", "--dataset", "digits", "--classes", "0"], "class"),
        (["estimate", "--dataset", "digits", "--samples", "99999"], "samples: expected 1 to 1797"),
        (["estimate", "--dataset", "digits", "--encoding", "x"], "model: encoding"),
        (["estimate", "--dataset", "digits", "--backend", "no"], "unknown device 'no'"),
        (["estimate", "--dataset", "digits", "--set", "a=1"], "stands without an experiment"),
        (["estimate", "tiny", "--dataset", "digits"], "stands without an experiment"),
        (["estimate", "--samples", "5"], "need --dataset"),
        (["transpile", "--kernel", "no"], "'no'"),
        (["transpile", "--plan", "conv, none"], "'none'"),
        (["transpile", "--index", "-1"], "--index: expected a model index"),
        (["transpile", "--index", "1_0"], "--index: expected a model index"),
        (["transpile", "--index", "9" * 5000], "--index: expected a model index"),
        (["transpile", "tiny", "--index", "1"], "stands without an experiment"),
        (["transpile", "--set", "a=1"], "needs an experiment"),
        (["transpile", "--qubits", "14", "--backend", "ion_trap"], "ion_trap"),
        (["backends", "show"], "Missing argument"),
        (["backends", "show", "no"], "unknown device 'no'"),
        (["backends", "list", "--json", "/"], "--json: expected a file, found the folder /"),
        (["backends", "list", "--json", "/dev/null/x.json"], "cannot write into /dev/null"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    assert message in _one_line(capsys)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("nothing=1", "unknown key nothing"),
        ("clients.0.samples=0", "clients.0.samples"),
        ("clients.0.samples=5000", "5000"),
        ("data.path=no.npz", "no.npz"),
        ("clients.0.backend=no", "unknown device 'no'"),
    ],
)
def test_bad_settings_are_one_line_and_status_2(
    experiment: str, override: str, message: str, capsys: Capture
) -> None:
    assert main(["estimate", experiment, "--set", override]) == 2
    assert message in _one_line(capsys)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["backends", "show", "--help"]])
def test_help_is_status_0(arguments: list[str], capsys: Capture) -> None:
    assert main(arguments) == 0
    assert "Usage" in capsys.readouterr().out


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("qkd-qiskit 0.")


def test_help_loads_no_heavy_package() -> None:
    script = (
        "import sys; from qkd_qiskit.cli import main; main(['--help']);"
        "print([m for m in ('numpy', 'qiskit', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_installed_command_passes_its_status_on() -> None:
    script = "import sys; from qkd_qiskit.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "run", "nowhere"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_backends_list_names_all_devices(tmp_path: Path, capsys: Capture) -> None:
    from qkd_qiskit.hardware import list_backends, load_backend, unavailable

    path = tmp_path / "deep" / "devices.json"
    assert main(["backends", "list", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    rows = json.loads(path.read_text("utf-8"))
    assert [row["name"] for row in rows] == list(list_backends())
    assert all(name in out for name in list_backends())
    assert {row["name"]: row["calibration_date"][:10] for row in rows if row.get("calibration_date")} == {
        name: date[:10]
        for name in list_backends()
        if unavailable(name) is None and (date := load_backend(name).calibration_date)
    }


def test_a_device_that_the_runtime_lacks_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from qiskit_ibm_runtime import fake_provider

    monkeypatch.delattr(fake_provider, "FakeBoston", raising=False)
    path = tmp_path / "devices.json"
    assert main(["backends", "list", "--json", str(path)]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("device ibm_boston:")]
    assert "no fake backend 'FakeBoston': upgrade it to 0.47 or newer" in line
    rows = {row["name"]: row for row in json.loads(path.read_text("utf-8"))}
    assert rows["ibm_boston"] == {"name": "ibm_boston", "refused": line.removeprefix("device ibm_boston: ")}
    assert rows["ibm_torino"]["refused"] is None
    assert rows["ibm_torino"]["qubits"] == 133


def test_backends_show_counts_dead_edges(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "torino.json"
    assert main(["backends", "show", "ibm_torino", "--json", str(path)]) == 0
    row = json.loads(path.read_text("utf-8"))
    # Counted independently of the package, in FakeTorino's own properties.
    assert (row["qubits"], row["edges"], row["dead_edges"]) == (133, 150, 11)
    assert "FakeTorino" in capsys.readouterr().out


def test_estimate_of_an_experiment_has_one_row_a_client(
    experiment: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "budgets.json"
    assert main(["estimate", experiment, "--json", str(path)]) == 0
    rows = json.loads(path.read_text("utf-8"))
    assert [(row["client"], row["backend"]) for row in rows] == [("a", "ion_trap"), ("b", "noisy_line")]
    # Two of three classes and the reject outcome; three of three classes.
    assert [VQCNNSpec.from_index(int(row["model_index"])).n_outcomes for row in rows] == [3, 3]
    assert "Gate budgets" in capsys.readouterr().out


def test_estimate_on_other_devices_crosses_clients_and_devices(experiment: str, tmp_path: Path) -> None:
    path = tmp_path / "budgets.json"
    devices = ["--backend", "ion_trap", "--backend", "noisy_line"]
    assert main(["estimate", experiment, *devices, "--json", str(path)]) == 0
    rows = json.loads(path.read_text("utf-8"))
    assert [row["client"] for row in rows] == ["a", "a", "b", "b"]
    assert [row["backend"] for row in rows] == ["ion_trap", "noisy_line"] * 2


def test_estimate_shows_a_refusal_beside_the_others(
    experiment: str, hopeless: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "budgets.json"
    arguments = ["estimate", experiment, "--set", f"clients.0.backend={hopeless}", "--json", str(path)]
    assert main(arguments) == 0
    rows = json.loads(path.read_text("utf-8"))
    assert rows[0]["refused"]
    assert rows[1]["refused"] is None
    assert f"a on {Path(hopeless).stem}: {rows[0]['refused']}" in capsys.readouterr().out
    assert main([*arguments, "--set", f"clients.1.backend={hopeless}"]) == 2
    assert all(row["refused"] for row in json.loads(path.read_text("utf-8")))
    assert "none of these clients gets a gate budget" in capsys.readouterr().err


def test_estimate_reads_a_file_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], 60)
    features = rng.uniform(size=(120, 9)) + labels[:, None]
    rows = "\n".join(
        ",".join([*(f"{value:.4f}" for value in x), str(y)]) for x, y in zip(features, labels, strict=True)
    )
    source = tmp_path / "own.csv"
    source.write_text(",".join([*"abcdefghi", "kind"]) + "\n" + rows + "\n", "utf-8")
    path = tmp_path / "budget.json"
    arguments = [
        "estimate",
        "--dataset",
        str(source),
        "--labels",
        "kind",
        "--samples",
        "100",
        "--qubits",
        "4",
    ]
    assert main([*arguments, "--kernel", "one_cx", "--backend", "ion_trap", "--json", str(path)]) == 0
    [row] = json.loads(path.read_text("utf-8"))
    assert (row["statistics"]["samples"], row["statistics"]["classes"]) == (100, 2)


@pytest.mark.parametrize("by_index", [False, True])
def test_transpile_counts_the_two_qubit_gates_of_the_structure(by_index: bool, tmp_path: Path) -> None:
    spec = VQCNNSpec(4, plan="conv, edge, conv", kernels="su4", sharing="layer")
    described = ["--qubits", "4", "--plan", "conv, edge, conv", "--sharing", "layer"]
    path = tmp_path / "gates.json"
    structure = ["--index", str(spec.index)] if by_index else described
    devices = ["--backend", "ibm_guadalupe", "--backend", "noisy_line"]
    assert main(["transpile", *structure, *devices, "--json", str(path)]) == 0
    rows = json.loads(path.read_text("utf-8"))
    assert [row["model_index"] for row in rows] == [str(spec.index)] * 2
    # Three blocks of a chain of four, two that pool, one of a chain of two, three gates each.
    assert [row["counted"]["two_qubit"] for row in rows] == [(3 + 2 + 1) * 3] * 2
    assert [row["relative_error"]["two_qubit"] for row in rows] == [0, 0]


def test_transpile_of_an_experiment_uses_its_clients(
    experiment: str, hopeless: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "gates.json"
    replaced = f"clients.0.backend={hopeless}"
    assert main(["transpile", experiment, "--set", replaced, "--json", str(path)]) == 0
    rows = json.loads(path.read_text("utf-8"))
    assert [row["client"] for row in rows] == ["a", "b"]
    assert "counted" in rows[1]
    assert f"a on {Path(hopeless).stem}: " in capsys.readouterr().out


def test_run_hands_over_settings_folder_and_progress(
    experiment: str,
    pipeline: Callable[[RunExperiment], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, Any] = {}
    shown: list[str] = []

    def run(settings: ExperimentSettings, *, progress: Progress, **given: object) -> Any:
        progress.start("work", 1)
        progress.done("work")
        seen.update(seed=settings.seed, test=settings.data.test, **given)
        return SimpleNamespace(results={"schema": 1}, print=lambda: shown.append("printed"))

    pipeline(run)
    folder, copy = tmp_path / "deep" / "run", tmp_path / "copy.json"
    options = [
        "--output",
        str(folder),
        "--seed",
        "5",
        "--set",
        "data.test=33",
        "--resume",
        "--json",
        str(copy),
    ]
    assert main(["run", experiment, *options]) == 0
    assert seen == {"seed": 5, "test": 33, "output": folder, "resume": True, "overwrite": False}
    assert shown == ["printed"]
    assert json.loads(copy.read_text("utf-8")) == {"schema": 1}


def test_run_refuses_an_unwritable_folder_before_it_works(
    experiment: str, pipeline: Callable[[RunExperiment], None], tmp_path: Path, capsys: Capture
) -> None:
    pipeline(lambda *_, **__: pytest.fail("worked"))
    assert main(["run", experiment, "--output", str(tmp_path / "tiny.toml")]) == 2
    assert "cannot write into" in _one_line(capsys)


def test_errors_of_the_run_are_one_line(
    experiment: str, pipeline: Callable[[RunExperiment], None], tmp_path: Path, capsys: Capture
) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise DataError("first line\nsecond line")

    pipeline(run)
    assert main(["run", experiment, "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "qkd-qiskit: error: first line second line\n"


def test_a_terminated_run_unwinds(
    experiment: str, pipeline: Callable[[RunExperiment], None], tmp_path: Path
) -> None:
    unwound = []

    def run(*_: Any, **__: Any) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            unwound.append(True)

    pipeline(run)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        main(["run", experiment, "--output", str(tmp_path / "run")])
    assert caught.value.code == 143
    assert unwound == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_failure_that_is_no_bad_input_is_not_hidden(
    experiment: str, pipeline: Callable[[RunExperiment], None], tmp_path: Path
) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    pipeline(run)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["run", experiment, "--output", str(tmp_path)])


def test_a_reader_who_left_is_no_traceback() -> None:
    script = "import sys; from qkd_qiskit.cli import main; sys.exit(main(['--help']))"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_table_in_a_pipe_is_as_wide_as_it_must_be_and_refusals_stand_below(capsys):
    wide = [f"column number {k}" for k in range(12)]
    rows = [
        {"strength": "1"} | dict.fromkeys(wide, "95.3 (94.1 to 96.5)"),
        {"strength": "2", "refused": "why"},
    ]
    show("title", [("noise", "strength"), *((name, name) for name in wide)], rows, None)
    out = capsys.readouterr().out
    assert any(all(name in line for name in wide) for line in out.splitlines())
    assert sum(line.count("95.3 (94.1 to 96.5)") == len(wide) for line in out.splitlines()) == 1
    assert out.splitlines()[-1] == "noise 2: why"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_helps_line_is_the_commands_own(command: str) -> None:
    program: Any = typer.main.get_command(app)
    found = program.get_command(None, command)
    assert found.name == command
    assert found.help.partition("\n\n")[0].replace("\n", " ") == COMMANDS[command][1]


def test_every_command_of_a_module_is_listed() -> None:
    for module in {module for module, _ in COMMANDS.values()}:
        found: Any = typer.main.get_command(importlib.import_module(f"qkd_qiskit.cli.{module}").app)
        names = set(found.list_commands(None)) if hasattr(found, "list_commands") else {found.name}
        assert names == {name for name, (of, _) in COMMANDS.items() if of == module}


def test_estimate_settles_sizes_by_probes(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "budget.json"
    arguments = ["estimate", "--dataset", "digits", "--classes", "0,1", "--samples", "24", "--qubits", "4"]
    assert main([*arguments, "--backend", "noisy_line", "--probes", "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text("utf-8"))
    assert row["probes"]["blocks"] == row["blocks"]
    assert row["probes"]["low"] <= row["probes"]["high"]
    assert "24 different samples of 2 classes" in capsys.readouterr().out


def test_estimate_follows_the_shots(experiment: str, tmp_path: Path) -> None:
    bounds = []
    for shots in ("150", "10000"):
        path = tmp_path / f"{shots}.json"
        assert main(["estimate", experiment, "--shots", shots, "--json", str(path)]) == 0
        bounds.append([row["terms"]["device"] for row in json.loads(path.read_text("utf-8"))])
    assert bounds[0] <= bounds[1]
    assert bounds[0] != bounds[1]


def test_estimate_draws_a_pareto_front(tmp_path: Path, capsys: Capture) -> None:
    picture, path = tmp_path / "front.png", tmp_path / "front.json"
    arguments = ["estimate", "--dataset", "digits", "--classes", "0,1", "--samples", "16", "--qubits", "2"]
    devices = ["--backend", "noisy_line", "--backend", "ion_trap"]
    prices = ["--price", "2", "--price", "noisy_line=0.5", "--predictions", "10"]
    assert main([*arguments, *devices, *prices, "--pareto", str(picture), "--json", str(path)]) == 0
    table = json.loads(path.read_text("utf-8"))
    assert {row["backend"] for row in table["points"]} == {"noisy_line", "ion_trap"}
    for row in table["points"]:
        price = 0.5 if row["backend"] == "noisy_line" else 2.0
        assert row["cost"] == pytest.approx(price * row["seconds"])
    assert picture.stat().st_size > 10_000
    out = capsys.readouterr().out
    assert "front: " in out
    # An ion trap is slow: with the dearer seconds it can only win by accuracy or gates.
    assert table["predictions"] == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pareto", "a.png"], "--pareto needs --dataset"),
        (["--dataset", "digits", "--pareto", "a.png", "--probes"], "stands without --probes"),
        (["--dataset", "digits", "--price", "1"], "--price needs --pareto"),
        (
            ["--dataset", "digits", "--pareto", "a.txt"],
            "--pareto: expected a file that ends in .png, .svg, .pdf",
        ),
        (["--dataset", "digits", "--pareto", "no/where.png"], "there is no folder no"),
        (["--dataset", "digits", "--pareto", "a.png", "--price", "x"], "expected PRICE or DEVICE=PRICE"),
        (
            ["--dataset", "digits", "--pareto", "a.png", "--price", "d=-1"],
            "a number of at least 0, found 'd=-1'",
        ),
    ],
)
def test_what_pareto_and_price_need_is_said(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(["estimate", *arguments]) == 2
    assert message in capsys.readouterr().err
