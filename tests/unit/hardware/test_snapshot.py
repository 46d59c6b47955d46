"""Snapshots: what is stored is what is loaded."""

import pytest
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import InstructionProperties

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import (
    Device,
    list_backends,
    load_backend,
    load_fake_backend,
    predict_counts,
    read_descriptor,
    transpile_verified,
    write_snapshot,
)
from qkd_qiskit.hardware.targets import dead_gates, duration_of, error_of
from qkd_qiskit.vqcnn import VQCNNSpec

DATE = "2025-03-01T12:00:00"


@pytest.mark.parametrize("name", list_backends())
def test_a_snapshot_tells_what_the_device_told(name, tmp_path):
    device = load_backend(name)
    stored = load_backend(write_snapshot(device, tmp_path / "day.toml", date=DATE))
    assert (stored.name, stored.source, stored.calibration_date) == ("day", "snapshot", DATE)
    assert stored.usable_qubits == device.usable_qubits
    gate = device.two_qubit_gate
    assert set(stored.target[gate]) == set(device.target[gate])
    for place in device.target[gate]:
        assert error_of(stored.target, gate, place) == min(error_of(device.target, gate, place), 1.0)
        assert duration_of(stored.target, gate, place) == duration_of(device.target, gate, place)
    assert {d for d in dead_gates(stored.target) if d[0] in (gate, "measure")} == {
        d for d in dead_gates(device.target) if d[0] in (gate, "measure")
    }
    spec = VQCNNSpec(8, sharing="site", n_outcomes=4)
    assert predict_counts(spec, stored) == predict_counts(spec, device)


@pytest.mark.parametrize("name", ["ibm_guadalupe", "ion_trap"])
def test_circuits_for_a_snapshot_are_those_for_the_device(name, tmp_path):
    device = load_backend(name)
    stored = load_backend(write_snapshot(device, tmp_path / "day.toml", date=DATE))
    spec = VQCNNSpec(4, n_outcomes=2)
    first, second = (transpile_verified(spec, each, seed=1) for each in (device, stored))
    assert first.report.counted == second.report.counted
    assert first.input_qubits == second.input_qubits


def test_the_devices_own_date_is_taken(tmp_path):
    device = load_backend("ibm_guadalupe")
    stored = load_backend(write_snapshot(device, tmp_path / "g.toml"))
    assert stored.calibration_date == device.calibration_date


def test_a_device_without_a_date_needs_one(tmp_path):
    with pytest.raises(HardwareError, match="device ion_trap: has no calibration date; name one"):
        write_snapshot(load_backend("ion_trap"), tmp_path / "x.toml")


def test_snapshots_are_toml(tmp_path):
    with pytest.raises(HardwareError, match="snapshot: expected a .toml file, found .*x.json"):
        write_snapshot(load_backend("ibm_guadalupe"), tmp_path / "x.json")


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HardwareError, match="cannot write snapshot .*file/x.toml"):
        write_snapshot(load_backend("ibm_guadalupe"), tmp_path / "file" / "x.toml")


def test_lifetimes_are_needed(tmp_path):
    target = GenericBackendV2(3, seed=1).target
    target.qubit_properties = None
    for gate, places in (("sx", 3), ("x", 3), ("cx", 6)):
        assert len(target[gate]) == places
        for place, old in target[gate].items():
            target.update_instruction_properties(
                gate, place, InstructionProperties(error=0.0, duration=old.duration)
            )
    device = Device("bare", "", target, "test", DATE)
    assert any("there is no idle noise" in said for said in device.assumptions)
    with pytest.raises(HardwareError, match="device bare: expected T1 and T2 of the qubits, found none"):
        write_snapshot(device, tmp_path / "x.toml")


@pytest.mark.needs_device("ibm_kingston")
def test_what_was_assumed_becomes_a_note(tmp_path):
    device = load_backend("ibm_kingston")
    stored = load_backend(write_snapshot(device, tmp_path / "day.toml"))
    assert stored.assumptions == ()
    assert len(device.assumptions) > 2
    assert all(f"ibm_kingston: {said}" in stored.notes for said in device.assumptions)


@pytest.mark.parametrize(("name", "edges"), [("noisy_line", 15), ("ibm_sherbrooke", 144), ("ion_trap", 66)])
def test_a_coupling_without_direction_is_stored_once(name, edges, tmp_path):
    table = read_descriptor(write_snapshot(load_backend(name), tmp_path / "day.toml", date=DATE))
    assert len(table.topology.edges) == edges
    assert table.topology.directed == (name == "ibm_sherbrooke")


def test_fake_backends_by_name():
    assert load_fake_backend("FakeGuadalupeV2").n_qubits == 16
    with pytest.raises(HardwareError, match="device FakeNowhere: qiskit-ibm-runtime .* has no fake backend"):
        load_fake_backend("FakeNowhere")
