"""The drift study, on a small model and a small device."""

import json

import pytest

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import load_backend, write_snapshot
from qkd_qiskit.studies.drift import draw_drift, study_drift, write_drift

SMALL = {"classes": (0, 1), "samples": 40, "blocks": 3, "n_qubits": 4, "seeds": 1}


@pytest.fixture(scope="module")
def rows():
    return study_drift(load_backend("noisy_line"), spreads=(0.0, 0.4), **SMALL)


def test_without_drift_nothing_changes(rows):
    calm = next(row for row in rows if row.day == "spread 0")
    assert calm.before == calm.kept == calm.moved
    assert calm.esp_before == pytest.approx(calm.esp_after)
    assert calm.esp_before == pytest.approx(calm.esp_moved)


def test_a_new_place_is_at_least_as_good_as_the_old_one(rows):
    drifted = next(row for row in rows if row.day == "spread 0.4")
    assert drifted.esp_after != pytest.approx(drifted.esp_before)
    assert drifted.esp_moved >= drifted.esp_after - 1e-3
    assert min(drifted.kept, drifted.moved, drifted.retrained) > 0.8


def test_another_snapshot_and_a_device_that_cannot_run_the_circuit(tmp_path):
    line = load_backend("noisy_line")
    snapshot = load_backend(write_snapshot(line, tmp_path / "monday.toml", date="2025-01-06"))
    found = study_drift(line, [snapshot, load_backend("ibm_guadalupe")], spreads=(), **SMALL)
    assert [row.day for row in found] == ["monday", "ibm_guadalupe"]
    assert found[0].kept == found[0].before
    assert found[1].kept is None
    assert found[1].esp_after is None
    draw_drift(found)


def test_files(rows, tmp_path):
    write_drift(rows, tmp_path / "deep")
    stored = json.loads((tmp_path / "deep" / "drift.json").read_text("utf-8"))
    assert [row["day"] for row in stored] == ["spread 0", "spread 0.4"]
    assert (tmp_path / "deep" / "drift.png").stat().st_size > 5000
    (tmp_path / "file").write_text("")
    with pytest.raises(HardwareError, match="cannot write into .*file"):
        write_drift(rows, tmp_path / "file")
