"""Peers of the bench: they run the engine's circuits, and one that gives other numbers is not timed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from engine_peers import BenchSettings, bench_spec, run_bench
from hypothesis import given, settings
from hypothesis import strategies as st
from peer_pennylane import PennyLanePeer
from peer_program import PeerGate, PeerProgram, outcome_probabilities
from peer_qulacs import QulacsPeer
from peer_tensorcircuit import TensorCircuitPeer
from qiskit import QuantumCircuit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Kraus, SuperOp
from strong_peers import PEERS, PeerTask, PeerTiming, measure_peers

from qkd_qiskit.errors import InteropError, ReportingError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.simulation import ActiveCircuit, PauliEvaluator
from qkd_qiskit.simulation.evaluator import as_measured_circuit

PACKAGES = {PennyLanePeer: "pennylane", TensorCircuitPeer: "tensorcircuit", QulacsPeer: "qulacs"}


class _Superoperators:
    """Runs a program by Qiskit's superoperators: slow, and by itself."""

    method, note = "superoperators", "of Qiskit"

    def __init__(self, program, *, noisy):
        self._program = program

    def probabilities(self, angles):
        return np.array([self._run(row) for row in angles])

    def _run(self, angles):
        program, gates = self._program, get_standard_gate_name_mapping()
        circuit = QuantumCircuit(program.n_qubits)
        for step in program.steps:
            if isinstance(step, PeerGate):
                turn = () if step.angle is None else (angles[step.angle],)
                circuit.append(type(gates[step.name])(*turn), step.qubits)
            else:
                circuit.append(Kraus(list(step.kraus)).to_instruction(), step.qubits)
        state = np.zeros((2**program.n_qubits,) * 2)
        state[0, 0] = 1
        found = (SuperOp(circuit).data @ state.ravel(order="F")).reshape(state.shape, order="F")
        return outcome_probabilities(np.diagonal(found).real, program, first_leads=False)


class _Wrong(_Superoperators):
    method = "a wrong one"

    def probabilities(self, angles):
        return np.roll(super().probabilities(angles), 1, axis=-1)


class _Absent:
    def __init__(self, program, *, noisy):
        raise InteropError("no such library")


def _task(name, device="noisy_line", width=2):
    spec, rng = bench_spec(width), np.random.default_rng(5)
    transpiled = transpile_verified(spec, load_backend(device))
    noise = None
    source = as_measured_circuit(spec)
    if name == "swarm":
        source = ActiveCircuit(transpiled)
        noise = load_backend(device).noise_model_for(transpiled.active_qubits)
    weights = rng.uniform(-3, 3, spec.n_weights)
    inputs = rng.uniform(-1.5, 1.5, (3, spec.n_features))
    expected = PauliEvaluator(source, noise).probabilities(weights, inputs)
    return PeerTask(name, PeerProgram.of(source, noise), weights, inputs, expected)


@pytest.mark.parametrize("name", ["swarm", "ideal swarm"])
@pytest.mark.parametrize("device", ["noisy_line", "ibm_torino", "ibm_sherbrooke", "ion_trap"])
def test_a_program_is_the_circuit_that_the_engine_runs(name, device):
    (timing,) = measure_peers(_task(name, device), (_Superoperators,))
    assert timing.difference < 1e-9
    assert timing.samples == 3


# PennyLane 0.45 calls what JAX is about to remove.
@pytest.mark.filterwarnings("ignore:jax.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", ["swarm", "ideal swarm"])
@pytest.mark.parametrize("maker", PEERS, ids=PACKAGES.get)
def test_peers_give_the_engine_s_probabilities(name, maker):
    for package in {PACKAGES[maker], *(() if maker is QulacsPeer else ("jax",))}:
        pytest.importorskip(package)
    (timing,) = measure_peers(_task(name), (maker,))
    assert isinstance(timing, PeerTiming)
    assert timing.seconds > 0
    assert timing.compile_seconds >= 0


def test_a_peer_with_other_numbers_is_refused():
    with pytest.raises(ReportingError, match="a wrong one: expected the engine's probabilities, found 0"):
        list(measure_peers(_task("swarm"), (_Wrong,)))


def test_an_absent_peer_is_a_line_and_the_others_go_on():
    line, timing = measure_peers(_task("ideal swarm"), (_Absent, _Superoperators))
    assert line == "no such library"
    assert timing.method == "superoperators"


@pytest.mark.parametrize(
    ("maker", "module", "name"),
    [
        (PennyLanePeer, "jax", "JAX"),
        (TensorCircuitPeer, "jax", "JAX"),
        (QulacsPeer, "qulacs", "qulacs"),
    ],
)
def test_a_missing_library_names_the_extra(maker, module, name, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InteropError, match=f"the bench of {name} needs the extra 'bench'"):
        maker(_task("ideal swarm").program, noisy=False)


def test_the_bench_tells_which_peers_are_missing(monkeypatch):
    for module in ("jax", "qulacs"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("peers.seconds_a_sample", lambda *_: ())
    result = run_bench(
        BenchSettings(
            device="noisy_line", qubits=(2,), samples=(4,), particles=1, threads=1, peer_qubits=(2,)
        )
    )
    assert [line.split(" needs")[0] for line in result["skipped"]] == [
        "the bench of qulacs",
        "the bench of JAX",
    ]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_outcomes_are_read_from_either_order_of_bits(data):
    n = data.draw(st.integers(1, 4))
    measured = tuple(data.draw(st.permutations(range(n)))[: data.draw(st.integers(1, n))])
    program = PeerProgram(n, (), measured, np.eye(2 ** len(measured)), np.zeros(0), np.zeros((0, 0)))
    index = data.draw(st.integers(0, 2**n - 1))
    for first_leads in (True, False):
        array = np.zeros((2, 2**n))
        array[:, index] = 1
        shift = [n - 1 - q if first_leads else q for q in measured]
        outcome = sum(((index >> s) & 1) << bit for bit, s in enumerate(shift))
        found = outcome_probabilities(array, program, first_leads=first_leads)
        assert found.shape == (2, 2 ** len(measured))
        assert found.argmax(axis=1).tolist() == [outcome] * 2
        assert found.sum() == 2
