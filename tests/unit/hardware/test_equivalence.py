"""The proof of equivalence accepts what is equal, and sees what is not."""

import pytest

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import transpile, transpile_verified
from qkd_qiskit.hardware.equivalence import TOLERANCE, outcome_deviation
from qkd_qiskit.vqcnn import VQCNNSpec, build_circuit

SPEC = VQCNNSpec(4, plan="conv, tree, conv", sharing="site", n_outcomes=4)


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
@pytest.mark.parametrize("n_qubits", [2, 3, 5])
def test_reports_carry_the_proof(encoding, n_qubits):
    report = transpile_verified(VQCNNSpec(n_qubits, encoding), "noisy_line", seed=3).report
    assert report.deviation < TOLERANCE
    assert report.to_dict()["deviation"] == report.deviation


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
def test_a_changed_circuit_is_seen(encoding):
    spec = VQCNNSpec(3, encoding)
    changed = build_circuit(spec)
    changed.data.pop(len(changed.data) // 2)
    assert outcome_deviation(spec, build_circuit(spec), changed, (0, 1, 2)) > 1e-3


def test_exchanged_inputs_are_seen():
    """Where each virtual qubit starts matters as soon as the state comes from outside."""
    spec = VQCNNSpec(3, "amplitude")
    circuit = build_circuit(spec)
    assert outcome_deviation(spec, circuit, circuit, (0, 1, 2)) < TOLERANCE
    assert outcome_deviation(spec, circuit, circuit, (1, 0, 2)) > 1e-3


def test_wide_circuits_are_left_out():
    spec = VQCNNSpec(15, plan="edge", kernels="one_cx")
    circuit = build_circuit(spec)
    assert outcome_deviation(spec, circuit, circuit, tuple(range(15))) is None


def test_a_wrong_circuit_is_refused(monkeypatch):
    monkeypatch.setattr(transpile, "outcome_deviation", lambda *args: 0.25)
    with pytest.raises(
        HardwareError, match="expected a circuit with the outcomes of its spec, found .* 0.25"
    ):
        transpile_verified(SPEC, "noisy_line")
