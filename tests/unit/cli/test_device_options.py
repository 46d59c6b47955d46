"""Fractional gates and broken devices on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.hardware import load_backend

Capture = pytest.CaptureFixture[str]
DEAD = """name = "dead"
source = "custom"
topology = { kind = "line", n_qubits = 8 }
qubits = { t1 = 1e-4, t2 = 8e-5, readout_error = 0.5, readout_duration = 1e-6 }
[gates]
rz = { error = 0, duration = 0 }
sx = { error = 3e-4, duration = 3.6e-8 }
cz = { error = 5e-3, duration = 6.8e-8 }
"""
RING = (
    DEAD.replace("dead", "ring")
    .replace('"line", n_qubits = 8', '"ring", n_qubits = 9')
    .replace("0.5", "0.01")
)


@pytest.mark.needs_device("ibm_kingston")
def test_transpile_says_what_fractional_gates_save(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "gates.json"
    structure = ["--qubits", "4", "--kernel", "CRX01 RY0 RY1", "--seed", "1"]
    command = ["transpile", "--backend", "ibm_kingston", "--fractional", *structure, "--json", str(path)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "gained" in printed
    assert "ibm_kingston+fractional: T1 is unknown on qubit 146" in printed
    (row,) = json.loads(path.read_text("utf-8"))
    plain, counted = row["without_fractional"], row["counted"]
    assert row["saved"]["two_qubit"] == plain["two_qubit"] - counted["two_qubit"] == counted["two_qubit"]
    assert row["saved"]["esp"] == pytest.approx(counted["esp"] - plain["esp"])
    assert row["saved"]["esp"] > 0


def test_transpile_without_fractional_gates_saves_nothing(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "gates.json"
    command = ["transpile", "--backend", "noisy_line", "--qubits", "3", "--json", str(path)]
    assert main(command) == 0
    assert "saved" not in capsys.readouterr().out
    (row,) = json.loads(path.read_text("utf-8"))
    assert (row["saved"], row["without_fractional"]) == (None, None)


@pytest.mark.needs_device("ibm_boston")
def test_backends_show_tells_assumptions_and_fractional_gates(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "device.json"
    assert main(["backends", "show", "ibm_boston", "--fractional", "--json", str(path)]) == 0
    assert "assumptions" in capsys.readouterr().out
    row = json.loads(path.read_text("utf-8"))
    assert row["two_qubit_gate"] == "rzz"
    assert tuple(row["assumptions"]) == load_backend("ibm_boston+fractional").assumptions


def test_a_ring_has_as_many_edges_as_qubits(tmp_path: Path) -> None:
    descriptor, path = tmp_path / "ring.toml", tmp_path / "device.json"
    descriptor.write_text(RING)
    assert main(["backends", "show", str(descriptor), "--qubits", "4", "--json", str(path)]) == 0
    row = json.loads(path.read_text("utf-8"))
    assert (row["qubits"], row["edges"], row["dead_edges"]) == (9, 9, 0)


@pytest.mark.parametrize("command", [["backends", "show", "DEVICE"], ["estimate", "--backend", "DEVICE"]])
def test_devices_of_which_nothing_works(command: list[str], tmp_path: Path, capsys: Capture) -> None:
    descriptor = tmp_path / "dead.toml"
    descriptor.write_text(DEAD)
    assert main([str(descriptor) if word == "DEVICE" else word for word in command]) == 2
    printed = capsys.readouterr()
    expected = "device dead: expected two coupled qubits that work, found none: broken are 8 of 8 measure"
    assert printed.err.strip().endswith(expected)
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["transpile", "--backend", "noisy_line", "--fractional"], "found no rx and no rzz"),
        (["transpile", "--reports", "x", "--fractional"], "--reports stands without .* and --fractional"),
        (["estimate", "--dataset", "digits", "--fractional"], "--fractional with --dataset needs --backend"),
    ],
)
def test_fractional_gates_where_they_cannot_be(command: list[str], message: str, capsys: Capture) -> None:
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
