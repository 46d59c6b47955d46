"""Native two-qubit gates of encodings: predicted in closed form, counted by the transpiler."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import zz_feature_map

from qkd_qiskit import CircuitEncoding, VQCNNSpec, load_backend, transpile_verified
from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import predict_counts
from qkd_qiskit.hardware.prediction import predict
from qkd_qiskit.hardware.transpile import fold_angles

DEVICES = ("noisy_line", "ibm_guadalupe", "ibm_torino", "ibm_fez+fractional", "ion_trap")
JOINING = ("zz", "zz(reps=1)", "hardware_efficient", "hardware_efficient(layers=3)")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", JOINING)
def test_shipped_maps_are_counted_exactly(device, name):
    spec = VQCNNSpec(4, name, plan="conv, edge, conv", n_outcomes=3)
    report = transpile_verified(spec, device).report
    assert report.exact
    assert report.counted.two_qubit == report.predicted.two_qubit
    one_qubit = report.predicted.one_qubit
    assert one_qubit.low <= report.counted.one_qubit.mid <= one_qubit.high
    assert report.predicted.duration == pytest.approx(report.counted.duration, rel=0.05)
    assert report.predicted.esp == pytest.approx(report.counted.esp, rel=0.01)


@pytest.mark.parametrize("name", JOINING)
def test_the_encodings_gates_are_charged_on_top(name):
    plain, joined = (VQCNNSpec(6, encoding, plan="conv, edge, conv") for encoding in ("angle", name))
    device = load_backend("ibm_torino")
    more = predict_counts(joined, device).two_qubit - predict_counts(plain, device).two_qubit
    assert more == len(joined.encoding_pairs) > 0
    assert predict_counts(joined, device).esp < predict_counts(plain, device).esp


def test_pairs_that_are_no_neighbours_are_routed():
    spec = VQCNNSpec(4, CircuitEncoding(zz_feature_map(4, reps=1)), plan="conv, edge, conv")
    assert not spec.is_chain_native
    report = transpile_verified(spec, "ibm_guadalupe").report
    assert not report.exact
    allowed = report.predicted.two_qubit_range
    assert allowed.low <= report.counted.two_qubit <= allowed.high
    assert any("Routing" in note for note in report.notes)


@settings(max_examples=12)
@given(st.integers(0, 2**31 - 1))
def test_random_maps_never_take_more_than_predicted(seed):
    rng = np.random.default_rng(seed)
    x = ParameterVector("v", 3)
    circuit = QuantumCircuit(3)
    one = ("h", "s", "sx", "t", "x", "y")
    fixed = ("cx", "cy", "cz", "swap", "ecr")
    turning = ("rzz", "rzx", "rxx", "ryy", "cp", "crx", "cry", "crz")
    for k in range(3):
        circuit.ry(x[k], k)
    for _ in range(int(rng.integers(1, 8))):
        pair = [int(q) for q in rng.permutation([0, 1] if rng.random() < 0.5 else [1, 2])]
        kind = rng.integers(4)
        if kind == 0:
            getattr(circuit, str(rng.choice(one)))(pair[0])
        elif kind == 1:
            getattr(circuit, str(rng.choice(fixed)))(*pair)
        elif kind == 2:
            angle = x[int(rng.integers(3))] if rng.random() < 0.7 else 0.4
            getattr(circuit, str(rng.choice(turning)))(angle, *pair)
        else:
            getattr(circuit, str(rng.choice(["rx", "ry", "rz", "p"])))(x[int(rng.integers(3))], pair[0])
    spec = VQCNNSpec(3, CircuitEncoding(circuit), plan="conv", kernels="two_cx")
    device = load_backend(str(rng.choice(["noisy_line", "ibm_guadalupe", "ion_trap"])))
    prediction = predict(spec, device)
    report = transpile_verified(spec, device).report
    assert report.counted.two_qubit <= prediction.counts.two_qubit_range.high
    if prediction.exact:
        assert report.counted.two_qubit == prediction.counts.two_qubit
    assert report.deviation < 1e-9


def test_gates_of_unknown_cost_are_named(monkeypatch):
    def append(circuit, x):
        circuit.ccx(0, 1, 2)

    monkeypatch.setattr(ENCODINGS["zz"], "append", append, raising=False)
    spec = VQCNNSpec(3, "zz", plan="conv")
    with pytest.raises(HardwareError, match="zz encoding: expected one-qubit gates among h, .* found 'ccx'"):
        predict_counts(spec, load_backend("noisy_line"))


def test_inputs_in_fractional_gates_are_refused_when_weights_are_bound():
    x = ParameterVector("v", 2)
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.rzz(x[0], 0, 1)
    circuit.ry(x[1], 0)
    spec, device = VQCNNSpec(2, CircuitEncoding(circuit), plan="conv"), load_backend("ibm_fez+fractional")
    found = transpile_verified(spec, device)
    assert found.report.deviation < 1e-9
    with pytest.raises(HardwareError, match="without inputs in fractional rzz, .* found own@.*plain device"):
        fold_angles(found, np.zeros(spec.n_weights), device)
