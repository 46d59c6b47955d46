"""Devices: targets, dead gates, and noise that is really there."""

import copy
import inspect
import json
import pickle
import warnings
from datetime import datetime
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Delay
from qiskit.circuit.library import XGate
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import DensityMatrix, SuperOp
from qiskit.transpiler import CouplingMap, Target
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime import fake_provider
from qiskit_ibm_runtime.fake_provider import FakeTorino

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import (
    descriptor_folder,
    device_from_backend,
    device_from_descriptor,
    list_backends,
    load_backend,
    read_descriptor,
)
from qkd_qiskit.hardware.targets import DEAD_GATE_ERROR, dead_gates, error_of, placed_gates, select_qubits


def noisy_probability_of_one(circuit, noise_model):
    """P(1) of a one-bit circuit under noise, readout error included, from 40000 shots."""
    result = AerSimulator(method="density_matrix", noise_model=noise_model).run(
        circuit, shots=40000, seed_simulator=7
    )
    return result.result().get_counts().get("1", 0) / 40000


@pytest.mark.parametrize("name", list_backends())
def test_every_device_has_what_circuits_need(name):
    device = load_backend(name)
    target = device.target
    assert device.n_qubits == target.num_qubits
    assert target.dt > 0
    assert {"measure", "delay", device.two_qubit_gate} <= set(target.operation_names)
    for qubit in device.usable_qubits:
        assert target.qubit_properties[qubit].t1 > 0, qubit
        assert target.qubit_properties[qubit].t2 > 0, qubit


@pytest.mark.parametrize("name", list_backends())
def test_usable_target_is_healthy_and_connected(name):
    device = load_backend(name)
    usable = device.usable_target
    assert not dead_gates(usable)
    edges = [place for gate, place, _ in placed_gates(usable) if len(place) == 2]
    reached = {device.usable_qubits[0]}
    for _ in device.usable_qubits:
        reached |= {q for place in edges if reached & set(place) for q in place}
    assert reached == set(device.usable_qubits)
    # Nothing is invented: every usable gate is the device's own.
    for gate, place, properties in placed_gates(usable):
        assert device.target[gate][place] is properties or device.target[gate][place] == properties


def test_dead_edges_of_torino_are_left_out():
    device = load_backend("ibm_torino")
    dead = {place for gate, place in dead_gates(device.target) if gate == "cz"}
    by_hand = {place for place, found in FakeTorino().target["cz"].items() if found.error >= DEAD_GATE_ERROR}
    assert dead == by_hand
    assert len(dead) == 22
    assert not dead & set(device.usable_target["cz"])
    assert dead <= set(device.target["cz"])


def test_warnings_of_a_backend_become_notes():
    def make():
        warnings.warn("not typical", stacklevel=2)
        return GenericBackendV2(2, ["cx", "rz", "sx", "x"], seed=1)

    assert device_from_backend(make, notes=["ours"]).notes == ("ours", "not typical")


def test_nighthawk_points_to_real_calibrations():
    notes = load_backend("ibm_nighthawk").notes
    assert any("not intended to represent typical" in note for note in notes)
    assert any("take ibm_berlin or ibm_miami" in note for note in notes)


@pytest.mark.parametrize("name", list_backends())
def test_devices_tell_family_size_and_date_of_their_fake_backend(name):
    """Compared with the files that the fake backend itself is made of."""
    descriptor = read_descriptor(descriptor_folder() / f"{name}.toml")
    device = load_backend(name)
    if descriptor.fake is None:
        assert device.calibration_date is None
        assert any("Made up" in note for note in device.notes)
        return
    folder = Path(inspect.getfile(getattr(fake_provider, descriptor.fake))).parent
    [conf] = (json.loads(path.read_text("utf-8")) for path in folder.glob("conf_*.json"))
    [props] = (json.loads(path.read_text("utf-8")) for path in folder.glob("props_*.json"))
    kind, date = conf["processor_type"], props["last_update_date"]
    family = f"IBM {kind['family']} r{kind['revision']}, {conf['n_qubits']} qubits"
    assert device.description.startswith(family)
    assert device.two_qubit_gate in conf["basis_gates"]
    assert datetime.fromisoformat(device.calibration_date) == datetime.fromisoformat(date)
    assert any("a best case for the real machine" in note for note in device.notes)


@pytest.mark.parametrize("name", list_backends())
def test_devices_load_at_once(name):
    """Some of them have 156 qubits; the noise of a circuit's qubits must not cost that of all."""
    clock = process_time()
    device = device_from_descriptor(read_descriptor(descriptor_folder() / f"{name}.toml"))
    assert device.noise_model_for(device.usable_qubits[:8]).noise_qubits
    assert process_time() - clock < 5


@pytest.mark.parametrize("name", ["noisy_line", "ion_trap", "ibm_guadalupe"])
def test_noise_model_has_all_ingredients(name):
    device = load_backend(name)
    gate = device.two_qubit_gate
    pulse = "sx" if "sx" in device.target.operation_names else "rx"
    assert {gate, pulse, "measure"} <= set(device.noise_model.noise_instructions)
    assert device.noise_model is device.noise_model
    place = next(iter(device.target[gate]))
    circuit = QuantumCircuit(2, 1)
    operation = device.target.operation_from_name(gate)
    for _ in range(20):
        circuit.append(operation.base_class(*[np.pi] * len(operation.params)), [0, 1])
    circuit.measure(0, 0)
    assert noisy_probability_of_one(circuit, device.noise_model_for(place)) > 0.005
    assert noisy_probability_of_one(circuit, None) == 0


@pytest.mark.parametrize("name", ["noisy_line", "ion_trap", "ibm_guadalupe"])
def test_delays_relax(name):
    device = load_backend(name)
    t1 = device.target.qubit_properties[0].t1
    circuit = QuantumCircuit(1)
    circuit.set_density_matrix(DensityMatrix.from_label("1"))
    circuit.append(Delay(round(t1 / device.target.dt), unit="dt"), [0])
    circuit.save_density_matrix()
    simulator = AerSimulator(method="density_matrix", noise_model=device.noise_model_for([0]))
    found = simulator.run(circuit).result().data()["density_matrix"]
    assert np.real(np.asarray(found)[1, 1]) == pytest.approx(np.exp(-1), rel=1e-3)


def test_gate_error_is_the_calibrated_average_infidelity():
    device = load_backend("noisy_line")
    place = (3, 4)
    noise = device.noise_model_for(place)
    error = noise._local_quantum_errors["cz"][(0, 1)]
    process = np.real(np.trace(SuperOp(error).data)) / 16
    assert 1 - (4 * process + 1) / 5 == pytest.approx(error_of(device.target, "cz", place), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "qubits"), [("ibm_guadalupe", (8, 5, 3)), ("noisy_line", (15, 14)), ("ion_trap", (7,))]
)
def test_noise_of_some_qubits_is_that_of_the_whole_device(name, qubits):
    device = load_backend(name)
    whole, part = device.noise_model, device.noise_model_for(qubits)
    assert part._local_quantum_errors
    for gate, errors in part._local_quantum_errors.items():
        for place, error in errors.items():
            physical = tuple(qubits[q] for q in place)
            assert SuperOp(error) == SuperOp(whole._local_quantum_errors[gate][physical])
    for (q,), error in part._local_readout_errors.items():
        assert error == whole._local_readout_errors[(qubits[q],)]
    assert len(part._local_readout_errors) == len(qubits)


def test_readout_errors_differ_by_direction_on_the_ion_trap():
    device = load_backend("ion_trap")
    noise = device.noise_model_for([5])
    zero, one = QuantumCircuit(1, 1), QuantumCircuit(1, 1)
    one.append(XGate(), [0])
    for circuit in (zero, one):
        circuit.measure(0, 0)
    p10, p01 = noisy_probability_of_one(zero, noise), 1 - noisy_probability_of_one(one, noise)
    properties = device.target["measure"][(5,)]
    assert p10 == pytest.approx(properties.prob_meas1_prep0, abs=1e-3)
    assert p01 == pytest.approx(properties.prob_meas0_prep1, abs=1.5e-3)
    assert p01 > 1.3 * p10


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda target: pickle.loads(pickle.dumps(target))])
def test_custom_targets_survive_copies(clone):
    target = load_backend("ion_trap").target
    before, after = target["measure"][(2,)], clone(target)["measure"][(2,)]
    assert after.prob_meas1_prep0 == before.prob_meas1_prep0
    assert after.error == before.error


@pytest.mark.parametrize("qubits", [(), (0,), (4, 2, 3)])
def test_select_qubits_renumbers(qubits):
    target = load_backend("noisy_line").target
    part = select_qubits(target, qubits)
    assert part.num_qubits == len(qubits)
    for name, place, properties in placed_gates(part):
        assert target[name][tuple(qubits[q] for q in place)] == properties


def test_noise_of_wrong_qubits():
    device = load_backend("noisy_line")
    with pytest.raises(HardwareError, match=r"expected distinct qubits, found \[1, 1\]"):
        device.noise_model_for([1, 1])
    with pytest.raises(HardwareError, match="expected qubits below 16, found 16"):
        device.noise_model_for([0, 16])


def test_any_backend_can_be_injected():
    backend = GenericBackendV2(4, ["cx", "rz", "sx", "x"], coupling_map=CouplingMap.from_line(4), seed=1)
    device = device_from_backend(backend, name="mine", notes=["ours"])
    assert (device.name, device.n_qubits, device.two_qubit_gate, device.notes) == ("mine", 4, "cx", ("ours",))


def test_backends_without_two_qubit_gates_are_refused():
    backend = GenericBackendV2(2, ["rz", "sx", "x"], seed=1)
    with pytest.raises(HardwareError, match="expected two-qubit gates"):
        device_from_backend(backend)


def test_unmeasurable_backends_are_refused():
    backend = GenericBackendV2(2, ["cx", "rz", "sx", "x"], seed=1)
    bare = Target(num_qubits=2)
    bare.add_instruction(backend.target.operation_from_name("cx"), {(0, 1): None})
    backend._target = bare
    with pytest.raises(HardwareError, match="expected a measurement, found none"):
        device_from_backend(backend)
