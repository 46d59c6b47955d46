"""Closed-form counts against counts by hand and against the transpiler."""

from itertools import pairwise
from math import exp, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Delay
from qiskit.quantum_info import SuperOp, average_gate_fidelity
from qiskit_aer.noise import thermal_relaxation_error

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import (
    count_native,
    list_backends,
    load_backend,
    predict,
    predict_counts,
    transpile_verified,
)
from qkd_qiskit.hardware.counts import idle_fidelity
from qkd_qiskit.hardware.events import events_of, native_cost
from qkd_qiskit.hardware.layout import ChainLoad, best_chain
from qkd_qiskit.vqcnn import PRESETS, Gene, Kernel, VQCNNSpec

genes = st.builds(Gene, gate=st.integers(1, 13), orientation=st.integers(0, 1))


@pytest.mark.parametrize("name", list_backends())
@pytest.mark.parametrize(("preset", "cost", "n_qubits"), [("su4", 3, 8), ("two_cx", 2, 5), ("one_cx", 1, 2)])
def test_presets_are_counted_exactly(name, preset, cost, n_qubits):
    spec = VQCNNSpec(n_qubits, kernels=preset, n_outcomes=2)
    for seed in (0, 11):
        report = transpile_verified(spec, name, seed=seed).report
        assert report.exact
        assert report.counted.two_qubit == report.predicted.two_qubit == cost * len(spec.blocks)
        assert report.counted.two_qubit_depth == report.predicted.two_qubit_depth
        assert (
            report.predicted.one_qubit.low <= report.counted.one_qubit.mid <= report.predicted.one_qubit.high
        )
        assert report.relative_error == 0
        assert report.relative_errors["one_qubit"] == pytest.approx(0, abs=0.3 if n_qubits == 2 else 0.2)
        assert report.relative_errors["esp"] == pytest.approx(0, abs=0.05)
        assert report.relative_errors["duration"] == pytest.approx(0, abs=0.05)


def test_the_sketch_of_the_design():
    """Eight qubits, `conv, edge` three times and `conv`: 7+2+5+2+3+2+1 blocks of three gates."""
    spec = VQCNNSpec(8, plan="conv, edge, conv, edge, conv, edge, conv", kernels="su4", n_outcomes=4)
    counts = predict_counts(spec, load_backend("ibm_torino"))
    assert counts.two_qubit == 3 * 22
    # In blocks: each of the three wide convolutions is two half-layers deep, each pooling one, the last one
    # one.
    assert counts.two_qubit_depth == 3 * (3 * 2 + 3 * 1 + 1)


@pytest.mark.parametrize(
    ("gate", "costs"),
    [
        ("cz", (1, 1, 1, 2, 2, 2, 0)),
        ("ecr", (1, 1, 1, 2, 2, 2, 0)),
        ("rzz", (1, 1, 1, 1, 1, 1, 0)),
        ("rxx", (1, 1, 1, 1, 2, 1, 0)),
    ],
)
def test_native_costs(gate, costs):
    assert tuple(native_cost(name, gate) for name in ("CX", "CY", "CZ", "CRX", "CRY", "CRZ", "RX")) == costs


def test_unknown_native_gate():
    with pytest.raises(HardwareError, match="expected a native two-qubit gate among cz, .*found 'iswap'"):
        events_of(VQCNNSpec(2), "iswap")


@settings(max_examples=25)
@given(
    kernel=st.lists(genes, min_size=1, max_size=8).map(lambda found: Kernel(tuple(found))),
    canonical=st.booleans(),
    name=st.sampled_from(["ibm_guadalupe", "noisy_line", "ibm_sherbrooke", "ion_trap"]),
    plan=st.sampled_from(["conv", "conv, edge, conv", "edge, conv", "conv, conv"]),
    seed=st.integers(0, 3),
)
def test_random_kernels_never_exceed_the_prediction(kernel, canonical, name, plan, seed):
    kernel = kernel.canonical() if canonical else kernel
    report = transpile_verified(VQCNNSpec(5, plan=plan, kernels=kernel), name, seed=seed).report
    assert report.counted.two_qubit <= report.predicted.two_qubit
    if report.exact:
        assert report.counted.two_qubit == report.predicted.two_qubit
        assert report.counted.two_qubit_depth == report.predicted.two_qubit_depth


@pytest.mark.parametrize(
    ("kernel", "most"),
    [
        ("RY0 CZ01 CY01", 1),  # CZ CY is a CX, up to one-qubit gates
        ("RY0 CX01 CX01", 0),
        ("RX1 CRX10 CZ01", 1),  # CRX ends in a CZ, up to one-qubit gates
        ("RY0 CX01 CX10 CX01", 3),
    ],
)
def test_parameter_free_runs_are_resynthesized(kernel, most):
    spec = VQCNNSpec(2, plan="conv", kernels=kernel)
    report = transpile_verified(spec, "noisy_line").report
    assert report.predicted.two_qubit == report.counted.two_qubit == most


@pytest.mark.parametrize("name", list_backends())
@pytest.mark.parametrize("plan", ["conv, tree, conv", "tree, tree"])
def test_trees_that_cannot_absorb_swaps_are_within_their_range(name, plan):
    device = load_backend(name)
    spec = VQCNNSpec(8, plan=plan, kernels="two_cx")
    found = predict(spec, device)
    assert found.exact == device.is_fully_connected
    assert any("Routing" in note for note in found.notes) != device.is_fully_connected
    for seed in range(2):
        counted = transpile_verified(spec, device, seed=seed).report.counted.two_qubit
        assert found.counts.two_qubit_range.low <= counted <= found.counts.two_qubit_range.high


def test_a_chain_that_the_device_lacks_is_a_range():
    """Sixteen qubits of a heavy hexagon have no path through all of them."""
    found = predict(VQCNNSpec(16), load_backend("ibm_guadalupe"))
    assert found.chain is None
    assert not found.exact


@pytest.mark.parametrize("name", ["ion_trap", "noisy_line"])
def test_too_wide_specs_are_refused(name):
    device = load_backend(name)
    with pytest.raises(
        HardwareError, match=f"{name}: expected a spec of at most {device.n_qubits} qubits.*found 20"
    ):
        predict_counts(VQCNNSpec(20), device)


@pytest.mark.parametrize(("t1", "t2"), [(1e-4, 5e-5), (1e-4, 2e-4), (3e-5, 3e-5)])
def test_idle_fidelity_is_that_of_aers_relaxation(t1, t2):
    device = load_backend("noisy_line")
    target = device.target
    properties = target.qubit_properties[0]
    seconds = 2e-6
    channel = SuperOp(thermal_relaxation_error(properties.t1, min(properties.t2, 2 * properties.t1), seconds))
    assert idle_fidelity(target, 0, seconds) == pytest.approx(average_gate_fidelity(channel), abs=1e-12)
    formula = 0.5 + exp(-seconds / t1) / 6 + exp(-seconds / t2) / 3
    assert formula == pytest.approx(
        average_gate_fidelity(SuperOp(thermal_relaxation_error(t1, t2, seconds))), abs=1e-12
    )


def test_counting_by_hand():
    target = load_backend("noisy_line").target
    circuit = QuantumCircuit(16, 1)
    circuit.sx(0)
    circuit.rz(0.3, 0)
    circuit.cz(0, 1)
    circuit.cz(1, 2)
    circuit.append(Delay(500, unit="dt"), [1])
    circuit.measure(1, 0)
    counts = count_native(circuit, target)
    assert (counts.two_qubit, counts.one_qubit.mid, counts.two_qubit_depth) == (2, 2, 2)
    errors = [("sx", (0,)), ("cz", (0, 1)), ("cz", (1, 2)), ("measure", (1,))]
    by_hand = prod(1 - target[name][place].error for name, place in errors) * idle_fidelity(target, 1, 5e-7)
    assert counts.esp == pytest.approx(by_hand)
    assert counts.duration == pytest.approx(40e-9 + 2 * 200e-9 + 500e-9 + 1e-6)


@pytest.mark.parametrize("circuit", [QuantumCircuit(0), QuantumCircuit(3)])
def test_counting_nothing(circuit):
    counts = count_native(circuit, load_backend("noisy_line").target)
    assert (counts.two_qubit, counts.one_qubit.mid, counts.two_qubit_depth, counts.esp, counts.duration) == (
        0,
        0,
        0,
        1,
        0,
    )


@pytest.mark.parametrize("pair", [(0, 2), (3, 1)])
def test_foreign_gates_are_not_counted(pair):
    circuit = QuantumCircuit(16)
    circuit.cz(*pair)
    with pytest.raises(HardwareError, match="expected native gates only, found cz on"):
        count_native(circuit, load_backend("noisy_line").target)


def test_best_chain_is_the_best_of_all_on_a_small_device():
    device = load_backend("noisy_line")
    target, load = device.target, ChainLoad((5, 9), (1, 1, 1), (0.0, 1e-6, 0.0), frozenset({1}))

    def success(chain):
        edges = [target["cz"][pair].error for pair in pairwise(chain)]
        return (
            (1 - edges[0]) ** 5
            * (1 - edges[1]) ** 9
            * prod(1 - target["sx"][(q,)].error for q in chain)
            * (1 - target["measure"][(chain[1],)].error)
            * idle_fidelity(target, chain[1], 1e-6)
        )

    chains = [(q, q + 1, q + 2) for q in range(14)] + [(q + 2, q + 1, q) for q in range(14)]
    assert best_chain(target, "cz", load) == max(chains, key=success)


def test_preset_names_are_those_tested():
    assert set(PRESETS) == {"su4", "two_cx", "one_cx"}
    assert np.isfinite(predict_counts(VQCNNSpec(2), load_backend("ion_trap")).esp)
