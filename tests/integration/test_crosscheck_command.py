"""The command `crosscheck`: what it compares, and what it says of routes that are not installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.interop import ROUTES
from qkd_qiskit.vqcnn import VQCNNSpec

Capture = pytest.CaptureFixture[str]
INDEX = str(VQCNNSpec(2, plan="conv", kernels="one_cx").index)


def test_one_structure_on_a_device(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    assert main(["crosscheck", "--index", INDEX, "--backend", "noisy_line", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())
    assert {row["noise"] for row in rows} == {"ideal", "noisy"}
    assert {row["route"] for row in rows} == set(ROUTES)
    assert all(row["passed"] in (True, None) for row in rows)


def test_missing_routes_are_named_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "pennylane_qiskit", None)
    path = tmp_path / "rows.json"
    assert main(["crosscheck", "--index", INDEX, "--json", str(path)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "did not run" in line]
    missing = {row["route"]: row["missing"] for row in json.loads(path.read_text()) if row["missing"]}
    assert missing.keys() == {"PennyLane converted", "PennyLane on qiskit.aer"}
    assert told == [f"{route} did not run: {needed}" for route, needed in missing.items()]


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("PennyLane native", "the route PennyLane native is missing: PennyLane's evaluator needs the extra"),
        ("native", "expected a route among Aer, PennyLane native, PennyLane converted, "),
    ],
)
def test_a_required_route_that_is_missing_or_unknown_is_one_line(
    route: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "pennylane", None)
    assert main(["crosscheck", "--require", "Aer", "--require", route]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"qkd-qiskit: error: {message}")


def test_required_routes_that_are_there_are_compared(capsys: Capture) -> None:
    assert main(["crosscheck", "--index", INDEX, "--require", "Aer", "--require", "SamplerV2"]) == 0
    assert "SamplerV2" in capsys.readouterr().out


def test_the_help_names_all_routes(capsys: Capture) -> None:
    assert main(["crosscheck", "--help"]) == 0
    assert f"Routes: {', '.join(ROUTES)}." in " ".join(capsys.readouterr().out.split())


def test_it_fails_beyond_its_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["qkd_qiskit.interop.crosscheck"], "IDEAL_TOLERANCE", -1.0)
    assert main(["crosscheck", "--index", INDEX]) == 1
