"""Angles that come again between the first blocks."""

from __future__ import annotations

import numpy as np
import pytest

from qkd_qiskit.encoding import ENCODINGS, encoding_named, make_encoder
from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.reporting import overview_circuit
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec, build_circuit, inputs_again

NAMES = ["reupload", "reupload(fresh=0)"]


def indices(angle):
    """The inputs of an angle that is 0.3 times an input."""
    (parameter,) = angle.parameters
    assert float(angle.bind({parameter: 1.0})) == pytest.approx(0.3)
    return (parameter.index,)


def columns_again(spec):
    """Qubit and column of x of each rotation that comes again."""
    circuit = inputs_again(spec)
    return [
        (circuit.find_bit(item.qubits[0]).index, item.operation.name, *indices(item.operation.params[0]))
        for item in circuit.data
    ]


@pytest.mark.parametrize(("fresh", "start"), [(1, 8), (0, 0)])
def test_the_second_angles_follow_the_first_ones_or_are_they(fresh, start):
    spec = VQCNNSpec(4, f"reupload(fresh={fresh})", "conv, edge, conv", "su4", "site", 4)
    assert spec.n_features == 8 * (1 + fresh)
    expected = [(q, name, start + 2 * q + k) for q in range(4) for k, name in enumerate(("ry", "rz"))]
    assert columns_again(spec) == expected


@pytest.mark.parametrize(
    ("n_qubits", "plan", "before", "active"),
    [
        (4, "conv, edge, conv", 2, [0, 1, 2, 3]),
        (5, "conv", 2, [0, 1, 2, 3, 4]),
        (6, "edge, conv", 2, [1, 2, 3, 4]),
        (4, "tree, conv", 2, [1, 3]),
        (2, "conv", 1, [0, 1]),
        (3, "edge", 1, [1, 2]),
    ],
)
def test_they_come_behind_the_first_blocks_that_share_no_qubit(n_qubits, plan, before, active):
    spec = VQCNNSpec(n_qubits, "reupload", plan, "one_cx")
    assert spec.blocks_before_inputs == before
    assert sorted({qubit for qubit, _, _ in columns_again(spec)}) == active
    names = [item.operation.name for item in build_circuit(spec).data]
    first, second, third = (k for k, name in enumerate(names) if name == "barrier")
    assert names[first:second].count("cx") == before
    assert set(names[second + 1 : third]) == {"ry", "rz"}


def test_other_encodings_have_none():
    assert VQCNNSpec(4).blocks_before_inputs is None
    assert not inputs_again(VQCNNSpec(4)).data
    assert [name for name, found in ENCODINGS.items() if found.comes_again] == ["reupload"]


@pytest.mark.parametrize("name", NAMES)
def test_one_spec_one_index(name):
    spec = VQCNNSpec(4, name, "conv, edge, conv", "su4", "site", 4)
    assert VQCNNSpec.from_index(spec.index) == spec
    assert spec.encoding == encoding_named(name).name
    others = {VQCNNSpec(4, other, "conv, edge, conv", "su4", "site", 4).index for other in (*NAMES, "angle")}
    assert len(others) == 3


def test_fresh_angles_are_further_components():
    """The first angles are those of the angle encoding; the second ones come from what it leaves out."""
    rng = np.random.default_rng(0)
    public = rng.normal(size=(60, 20)) * np.geomspace(3, 0.3, 20)
    fresh, again, angle = (
        make_encoder(name, 4).fit(public) for name in ("reupload", "reupload(fresh=0)", "angle")
    )
    inputs = fresh.transform(public)
    assert inputs.shape == (60, 16)
    np.testing.assert_allclose(inputs[:, :8], angle.transform(public))
    np.testing.assert_allclose(again.transform(public), angle.transform(public))
    centred = public - public.mean(axis=0)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    span = np.linalg.lstsq(fresh.arrays()["directions"][:, 8:], components[8:16].T, rcond=None)[1]
    np.testing.assert_allclose(span, 0, atol=1e-18)
    encoding = encoding_named("reupload")
    restored = encoding.restore_encoder(4, fresh.arrays())
    np.testing.assert_array_equal(restored.transform(public), inputs)
    shapes = {key: value.shape for key, value in fresh.arrays().items()}
    assert encoding.array_fault(4, shapes) is None
    assert "expected shape" in encoding.array_fault(5, shapes)


def test_feature_space_has_the_bloch_vectors_of_all_angles():
    vectors = encoding_named("reupload").feature_space(np.zeros((2, 16)))
    np.testing.assert_allclose(vectors, np.tile([1.0, 0.0, 0.0], (2, 8)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("device", ["ibm_torino", "noisy_line", "ion_trap"])
def test_counts_are_predicted_exactly(name, device):
    spec = VQCNNSpec(6, name, "2*conv, edge, conv", "su4", "site", 4)
    report = transpile_verified(spec, device, seed=2).report
    assert report.exact
    assert report.counted.two_qubit == report.predicted.two_qubit == 3 * len(spec.blocks)
    assert report.predicted.one_qubit.low <= report.counted.one_qubit.mid <= report.predicted.one_qubit.high
    assert abs(report.relative_errors["esp"]) < 0.05
    plain = transpile_verified(VQCNNSpec(6, "angle", "2*conv, edge, conv", "su4", "site", 4), device, seed=2)
    assert report.counted.one_qubit.mid > plain.report.counted.one_qubit.mid


def test_plans_that_exchange_qubits_are_refused():
    spec = VQCNNSpec(8, "reupload", "conv, tree, conv, tree, conv", "su4", "site", 4)
    with pytest.raises(HardwareError, match="expected a plan of conv and edge, .* found conv, tree, conv"):
        transpile_verified(spec, load_backend("ibm_torino"))


def test_the_drawing_shows_the_angles_twice():
    spec = VQCNNSpec(4, "reupload", "conv, edge, conv", "su4", "site", 4)
    labels = [item.operation.label for item in overview_circuit(spec).data if item.operation.name == "data"]
    assert labels[:1] == ["$x_{0},x_{1}$"]
    assert labels[4:5] == ["$x_{8},x_{9}$"]
    last = VQCNNSpec(2, "reupload", "conv", n_outcomes=4)
    assert [item.operation.name for item in overview_circuit(last).data].count("data") == 4


def test_what_comes_again_matters():
    spec = VQCNNSpec(4, "reupload", "conv, edge, conv", "su4", "site", 4)
    rng = np.random.default_rng(1)
    weights, inputs = rng.normal(size=spec.n_weights), rng.uniform(-1, 1, (2, 16))
    inputs[1, :8] = inputs[0, :8]
    found = PauliEvaluator(spec).probabilities(weights, inputs)
    assert np.abs(found[0] - found[1]).max() > 1e-3
    # A rotation by nothing is none.
    plain = VQCNNSpec(4, "angle", "conv, edge, conv", "su4", "site", 4)
    inputs[0, 8:] = 0
    once = PauliEvaluator(plain).probabilities(weights, inputs[:1, :8])
    np.testing.assert_allclose(PauliEvaluator(spec).probabilities(weights, inputs[:1]), once, atol=1e-12)
