"""Native gates of prepared amplitudes: predicted in closed form, and counted by Qiskit after transpiling."""

import pytest

from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.vqcnn import VQCNNSpec

NAMES = ("amplitude_exact", "amplitude_mps(layers=2)", "amplitude_brick(layers=3)")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", ["ibm_torino", "ibm_guadalupe", "ibm_sherbrooke"])
def test_each_two_qubit_gate_of_the_preparation_is_one_native_gate(name, backend):
    device = load_backend(backend)
    spec, plain = (
        VQCNNSpec(4, encoding, plan="conv, edge, conv", n_outcomes=2) for encoding in (name, "angle")
    )
    prepared, bare = (transpile_verified(each, device, seed=2) for each in (spec, plain))
    gates = prepared.circuit.count_ops()[device.two_qubit_gate]
    assert gates == bare.circuit.count_ops()[device.two_qubit_gate] + len(spec.encoding_pairs)
    assert prepared.report.predicted.two_qubit == prepared.report.counted.two_qubit == gates
    assert prepared.report.exact
    assert prepared.report.state_preparation is None
    assert prepared.report.counted.esp < bare.report.counted.esp
    assert prepared.report.predicted.esp == pytest.approx(prepared.report.counted.esp, rel=0.02)
