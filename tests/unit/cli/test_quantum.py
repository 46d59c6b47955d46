"""The commands about devices, reports and calibration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.reporting import transpile_reports
from qkd_qiskit.vqcnn import VQCNNSpec

Capture = pytest.CaptureFixture[str]

PLAN = """
n_qubits = 3
seeds = 1
rungs = [2, 5]
public = 20
evaluation = 20
training = { particles = 2, iterations = 0, refine = 3 }
tasks = [
  { name = "a", use = "fit", classes = [0, 1], samples = 20 },
  { name = "b", use = "fit", classes = [2, 7], samples = 20 },
  { name = "c", use = "fit", classes = [4, 9], samples = 20 },
  { name = "d", use = "fit", classes = [3, 5], samples = 20 },
  { name = "e", use = "fit", classes = [1, 8], samples = 10, few = true },
  { name = "f", use = "validation", classes = [0, 6], samples = 20 },
]
"""


def test_snapshot_and_show(tmp_path: Path, capsys: Capture) -> None:
    stored, picture, row = tmp_path / "line.toml", tmp_path / "line.png", tmp_path / "row.json"
    arguments = ["backends", "snapshot", "noisy_line", "--output", str(stored), "--date", "2025-02-03"]
    assert main(arguments) == 0
    assert "calibration: 2025-02-03" in capsys.readouterr().out
    shown = ["backends", "show", str(stored), "--picture", str(picture), "--qubits", "5", "--json", str(row)]
    assert main(shown) == 0
    assert picture.stat().st_size > 5000
    found = json.loads(row.read_text("utf-8"))
    assert found["calibration_date"] == "2025-02-03"
    assert len(found["chain"]) == 5
    target = load_backend("noisy_line").target
    errors = [target["cz"][pair].error for pair in zip(found["chain"], found["chain"][1:], strict=False)]
    assert found["chain_errors"] == pytest.approx(errors, rel=0.01)


def test_a_live_backend_is_asked_for_at_ibm_quantum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A stand-in of the service hands out a backend; other names end in one line."""
    from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2

    from qkd_qiskit.runtime import ibm

    class Service:
        def backend(self, name: str) -> object:
            if name != "ibm_live":
                raise LookupError(name)
            return FakeGuadalupeV2()

    monkeypatch.setattr(ibm, "QiskitRuntimeService", Service)
    stored = tmp_path / "live.toml"
    assert main(["backends", "snapshot", "ibm_live", "--output", str(stored)]) == 0
    capsys.readouterr()
    live, fake = load_backend(str(stored)), load_backend("ibm_guadalupe")
    assert live.calibration_date is not None
    assert live.target["cx"][(0, 1)].error == fake.target["cx"][(0, 1)].error
    assert main(["backends", "snapshot", "ibm_elsewhere", "--output", str(tmp_path / "no.toml")]) == 2
    assert "cannot reach 'ibm_elsewhere' on IBM Quantum" in capsys.readouterr().err
    assert not (tmp_path / "no.toml").exists()


def test_a_snapshot_is_named_after_device_and_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["backends", "snapshot", "FakeGuadalupeV2"]) == 0
    [path] = tmp_path.glob("*.toml")
    assert path.stem.endswith("2021-04-20")
    assert load_backend(path).n_qubits == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["backends", "snapshot", "ion_trap"], "has no calibration date"),
        (["backends", "snapshot", "FakeNowhere"], "no fake backend 'FakeNowhere'"),
        (["backends", "show", "noisy_line", "--picture", "x.gif"], "expected a .png, .svg or .pdf file"),
        (["transpile", "--reports", "x", "--index", "3"], "--reports stands without"),
        (["calibrate", "--plan", "none.toml"], "cannot read calibration plan none.toml"),
        (["drift", "--backend", "nowhere"], "unknown device 'nowhere'"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_wide_model_has_no_chain_on_a_small_device(tmp_path: Path) -> None:
    row = tmp_path / "row.json"
    assert main(["backends", "show", "ibm_guadalupe", "--qubits", "20", "--json", str(row)]) == 0
    assert json.loads(row.read_text("utf-8"))["chain"] == []


def test_reports_are_written_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    structure = transpile_reports.Structure(VQCNNSpec(2, kernels="one_cx"), ("a test",))
    monkeypatch.setattr(transpile_reports, "reported_structures", lambda: (structure,))
    monkeypatch.setattr(transpile_reports, "list_backends", lambda: ("noisy_line", "ion_trap"))
    copy = tmp_path / "copy.json"
    assert main(["transpile", "--reports", str(tmp_path / "reports"), "--json", str(copy)]) == 0
    assert [report["device"] for report in json.loads(copy.read_text("utf-8"))] == ["noisy_line", "ion_trap"]
    assert (tmp_path / "reports" / "README.md").exists()


def test_calibrate_trains_fits_and_says_so(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "plan.toml").write_text(PLAN, "utf-8")
    folder, copy = tmp_path / "out", tmp_path / "copy.json"
    arguments = ["calibrate", "--plan", str(tmp_path / "plan.toml"), "--output", str(folder)]
    assert main([*arguments, "--json", str(copy)]) == 0
    assert "1 tasks left out" in " ".join(capsys.readouterr().out.split())
    assert len(json.loads(copy.read_text("utf-8"))["tasks"]) == 6
    first = (folder / "records.jsonl").read_bytes()
    assert main(arguments) == 0
    assert (folder / "records.jsonl").read_bytes() == first


def test_refit_trains_nothing(tmp_path: Path) -> None:
    assert main(["calibrate", "--refit", "--output", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "calibration.json",
        "calibration.png",
        "coefficients.json",
    }


def test_drift_prints_a_row_for_each_day(tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    options = ["--spread", "0.2", "--samples", "20", "--seeds", "1"]
    arguments = ["drift", "--backend", "noisy_line", *options, "--output", str(tmp_path / "out")]
    assert main([*arguments, "--json", str(copy)]) == 0
    assert [row["later"] for row in json.loads(copy.read_text("utf-8"))["rows"]] == ["0.2"]
    assert (tmp_path / "out" / "drift.png").exists()
