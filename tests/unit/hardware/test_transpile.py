"""Transpiled circuits: healthy, scheduled, equal to the original, and noisy under Aer."""

import json

import numpy as np
import pytest
from qiskit import qpy
from qiskit.quantum_info import Statevector
from qiskit_aer import AerSimulator

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import list_backends, load_backend, state_preparation_counts, transpile_verified
from qkd_qiskit.hardware.targets import DEAD_GATE_ERROR, dead_gates, error_of
from qkd_qiskit.vqcnn import VQCNNSpec, build_circuit, without_idle_qubits

SPEC = VQCNNSpec(5, kernels="two_cx", sharing="site", n_outcomes=3, plan="conv, edge, conv")
TREE = VQCNNSpec(6, kernels="two_cx", sharing="site", n_outcomes=4, plan="conv, tree, conv")


def bind(circuit, spec, seed):
    """The circuit with fixed random values for whatever parameters it still has."""
    rng = np.random.default_rng(seed)
    values = {"x": rng.normal(size=spec.n_features), "w": rng.normal(size=spec.n_weights)}
    return circuit.assign_parameters({p: values[p.vector.name][p.index] for p in circuit.parameters})


def compact_circuit(done):
    return without_idle_qubits(done.circuit, done.input_qubits)[0]


def instructions(circuit):
    """What a circuit does, comparable between circuits whose parameters were made apart."""
    return [
        (
            inst.operation.name,
            [circuit.find_bit(q).index for q in inst.qubits],
            [str(p) for p in inst.operation.params],
        )
        for inst in circuit.data
    ]


def outcome_probabilities(circuit, noise_model=None):
    """Exact probabilities of `meas` before readout error, through Aer's density matrix."""
    bare = circuit.copy()
    measured = {
        circuit.find_bit(inst.clbits[0]).index: inst.qubits[0] for inst in circuit.data if inst.clbits
    }
    bare.remove_final_measurements()
    bare.save_probabilities([bare.qubits[circuit.find_bit(measured[bit]).index] for bit in sorted(measured)])
    simulator = AerSimulator(method="density_matrix", noise_model=noise_model)
    return simulator.run(bare).result().data()["probabilities"]


@pytest.mark.parametrize("name", list_backends())
@pytest.mark.parametrize("spec", [SPEC, TREE], ids=["chain", "tree"])
def test_transpiled_circuit_means_the_same(name, spec):
    done = transpile_verified(spec, name, seed=1)
    expected = outcome_probabilities(bind(build_circuit(spec), spec, 3))
    found = outcome_probabilities(bind(compact_circuit(done), spec, 3))
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("name", ["ibm_sherbrooke", "noisy_line", "ion_trap", "ibm_guadalupe"])
def test_noise_is_felt(name):
    device = load_backend(name)
    done = transpile_verified(SPEC, device)
    compact = bind(compact_circuit(done), SPEC, 3)
    ideal = outcome_probabilities(compact)
    noisy = outcome_probabilities(compact, device.noise_model_for(done.active_qubits))
    assert np.abs(noisy - ideal).max() > 1e-3
    assert noisy.sum() == pytest.approx(1)


def test_trimmed_delays_do_not_matter_and_the_others_do():
    device = load_backend("noisy_line")
    done = transpile_verified(SPEC, device)
    noise = device.noise_model_for(done.active_qubits)
    compact = bind(compact_circuit(done), SPEC, 3)
    padded = compact.copy_empty_like()
    without = compact.copy_empty_like()
    for qubit in compact.qubits:
        padded.delay(5000, qubit, unit="dt")
    for inst in compact.data:
        padded.append(inst)
        if inst.operation.name != "delay":
            without.append(inst)
    measured = {q for inst in compact.data if inst.clbits for q in inst.qubits}
    for qubit in set(compact.qubits) - measured:
        padded.delay(5000, qubit, unit="dt")
    with_noise = outcome_probabilities(compact, noise)
    np.testing.assert_allclose(outcome_probabilities(padded, noise), with_noise, atol=1e-12)
    assert np.abs(outcome_probabilities(without, noise) - with_noise).max() > 1e-4


@pytest.mark.parametrize("name", list_backends())
@pytest.mark.parametrize("spec", [SPEC, TREE], ids=["chain", "tree"])
def test_circuits_are_native_and_avoid_dead_gates(name, spec):
    device = load_backend(name)
    done = transpile_verified(spec, device, seed=2)
    for inst in done.circuit.data:
        place = tuple(done.circuit.find_bit(q).index for q in inst.qubits)
        gate = inst.operation.name
        assert place in device.target[gate]
        if gate != "delay":
            assert error_of(device.target, gate, place) < DEAD_GATE_ERROR
            assert (gate, place) not in dead_gates(device.target)
        else:
            assert inst.operation.unit == "dt"
            assert inst.operation.duration % device.target.granularity == 0
    assert done.circuit.num_qubits == device.n_qubits
    assert [register.name for register in done.circuit.cregs] == ["meas"]
    assert done.circuit.count_ops()["measure"] == spec.n_measured


def test_broken_edges_are_avoided_even_where_they_look_best(tmp_path):
    """On a ring with one dead edge, and no other path of that length, the chain must go round."""
    path = tmp_path / "ring.toml"
    path.write_text(
        """name = "ring"
source = "custom"
topology = { kind = "ring", n_qubits = 5 }
qubits = { t1 = 1e-4, t2 = 1e-4, readout_error = 0.01, readout_duration = 1e-6 }
[gates]
rz = { error = 0.0, duration = 0.0 }
sx = { error = 1e-3, duration = 1e-8 }
cz = { error = [1e-2, 1e-2, 0.95, 1e-2, 1e-2], duration = 1e-7 }
"""
    )
    done = transpile_verified(VQCNNSpec(5), str(path))
    assert done.input_qubits in [(3, 4, 0, 1, 2), (2, 1, 0, 4, 3)]


@pytest.mark.parametrize("name", list_backends())
@pytest.mark.parametrize("spec", [SPEC, TREE], ids=["chain", "tree"])
def test_equal_seeds_give_equal_circuits(name, spec):
    first, second = (transpile_verified(spec, name, seed=5) for _ in range(2))
    assert instructions(first.circuit) == instructions(second.circuit)
    assert first.input_qubits == second.input_qubits
    assert first.report == second.report


@pytest.mark.parametrize("name", list_backends())
def test_input_qubits_follow_the_first_gates(name):
    """Each virtual qubit's first rotation sits on its input qubit."""
    done = transpile_verified(SPEC, name)
    where = {
        p.index // 2: done.circuit.find_bit(inst.qubits[0]).index
        for inst in done.circuit.data
        for param in inst.operation.params
        for p in getattr(param, "parameters", ())
        if p.vector.name == "x"
    }
    assert tuple(where[q] for q in range(SPEC.n_qubits)) == done.input_qubits


def test_removed_weights_do_not_matter():
    spec = VQCNNSpec(2, plan="conv", kernels="RY0 RY1 CX01 RZ0 RY1", n_outcomes=2)
    done = transpile_verified(spec, "ibm_torino")
    assert done.removed_weights == (2,)
    assert len(done.w) == spec.n_weights
    assert len(done.x) == spec.n_features
    logical = build_circuit(spec)
    changed = []
    for shift in (0.0, 1.0):
        w = [0.3, 0.4, 0.5 + shift, 0.6]
        values = {p: ({"w": w}.get(p.vector.name) or [0.1] * 4)[p.index] for p in logical.parameters}
        bound = logical.assign_parameters(values).remove_final_measurements(inplace=False)
        changed.append(Statevector(bound).probabilities([0]))
    np.testing.assert_allclose(*changed, atol=1e-12)


def test_spec_without_weights():
    done = transpile_verified(VQCNNSpec(2, plan="conv", kernels="CX01"), "noisy_line")
    assert len(done.w) == 0
    assert done.removed_weights == ()


def test_amplitude_circuits_keep_the_idle_time_before_the_first_gate():
    device = load_backend("noisy_line")
    spec = VQCNNSpec(3, encoding="amplitude", plan="conv", kernels="one_cx")
    done = transpile_verified(spec, device)
    assert done.x is None
    late = done.input_qubits[2]
    first = next(i for i in done.circuit.data if late in [done.circuit.find_bit(q).index for q in i.qubits])
    assert first.operation.name == "delay"
    preparation = done.report.state_preparation
    assert preparation.two_qubit > 0
    assert preparation == state_preparation_counts(3, device, seed=0)
    assert transpile_verified(SPEC, device).report.state_preparation is None
    with pytest.raises(HardwareError, match="expected at most 16 qubits, found 17"):
        state_preparation_counts(17, device)


def test_report_is_plain_data():
    report = transpile_verified(SPEC, "ibm_torino").report
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["counted"]["two_qubit"] == plain["predicted"]["two_qubit"] == 2 * len(SPEC.blocks)
    assert set(plain["predicted"]["one_qubit"]) == {"low", "mid", "high"}
    assert isinstance(plain["counted"]["one_qubit"], int)
    assert plain["relative_error"]["two_qubit"] == 0
    assert plain["exact"] is True
    assert any("best case" in note for note in plain["notes"])
    tree = transpile_verified(TREE, "ibm_torino").report.to_dict()
    assert set(tree["predicted"]["two_qubit_range"]) == {"low", "mid", "high"}
    assert "two_qubit_range" not in tree["counted"]


@pytest.mark.parametrize("seed", [-1, -7])
def test_negative_seeds_are_refused(seed):
    with pytest.raises(HardwareError, match=f"seed: expected 0 or more, found {seed}"):
        transpile_verified(SPEC, "noisy_line", seed=seed)


def test_specs_that_do_not_fit_are_refused():
    with pytest.raises(HardwareError, match="ion_trap: expected a spec of at most 12 qubits.*found 13"):
        transpile_verified(VQCNNSpec(13), "ion_trap")


def test_circuits_survive_qpy(tmp_path):
    circuit = transpile_verified(SPEC, "ibm_sherbrooke").circuit
    with (tmp_path / "isa.qpy").open("wb") as file:
        qpy.dump(circuit, file)
    with (tmp_path / "isa.qpy").open("rb") as file:
        assert qpy.load(file)[0].count_ops() == circuit.count_ops()
