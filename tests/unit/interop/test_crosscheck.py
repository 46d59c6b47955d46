"""PennyLane, Aer, samplers and the engine compute the same circuits."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import CSXGate
from qiskit.quantum_info import Kraus as QiskitKraus
from qiskit.quantum_info import SuperOp
from qiskit_aer.noise import NoiseModel, ReadoutError, amplitude_damping_error, depolarizing_error

from qkd_qiskit.errors import InteropError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.interop import (
    ROUTES,
    CrosscheckCase,
    PennyLaneEvaluator,
    crosscheck,
    missing_routes,
    random_cases,
    random_noise,
    random_points,
    require_routes,
)
from qkd_qiskit.interop.noise_channels import Channels, kraus_operators
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(3, plan="conv, edge", kernels="RY0 CRX01 RZ1 CY10 X0 RX1 CX01 RY1 I0", n_outcomes=2)
OF_THE_PLUGIN = {"PennyLane converted", "PennyLane on qiskit.aer"}
ABSENT = OF_THE_PLUGIN if find_spec("pennylane_qiskit") is None else set()
needs_plugin = pytest.mark.skipif(
    bool(ABSENT), reason="needs the extra pennylane-qiskit: run by make test-pennylane-qiskit"
)


def test_random_structures_agree_on_all_routes():
    cases = random_cases(3, max_qubits=3, samples=2, rng=np.random.default_rng(20))
    rows = crosscheck(list(itertools.chain(*cases)), seed=1)
    assert [row.to_dict() for row in rows if row.passed is False] == []
    assert {(row.route, row.noise) for row in rows} == {
        (route, noise) for noise in ("ideal", "noisy") for route in ROUTES
    }
    assert len(ROUTES) == 6
    assert {row.route for row in rows if row.cases == 0} == ABSENT
    assert {row.route for row in rows if row.missing} == ABSENT


@pytest.mark.long
@pytest.mark.parametrize("part", range(5))
def test_fifty_random_structures_agree_on_all_routes(part):
    cases = random_cases(10, rng=np.random.default_rng([50, part]))
    rows = crosscheck(list(itertools.chain(*cases)), seed=part)
    assert [row.to_dict() for row in rows if row.passed is not True and not row.missing] == []
    assert len(rows) == 12
    assert {row.route for row in rows if row.missing} == ABSENT


@pytest.mark.parametrize(
    "name",
    [
        "noisy_line",
        pytest.param("ibm_sherbrooke", marks=pytest.mark.long),
        pytest.param("ion_trap", marks=pytest.mark.long),
    ],
)
def test_isa_circuits_with_idle_noise_agree(name):
    device = load_backend(name)
    spec = VQCNNSpec(3, plan="conv, edge", kernels="two_cx", n_outcomes=2)
    transpiled = transpile_verified(spec, device, seed=1)
    weights, inputs = random_points(spec, 2, rng=np.random.default_rng(5))
    rows = crosscheck([CrosscheckCase(transpiled, weights, inputs, device.noise_model)])
    assert [row.to_dict() for row in rows if row.passed is False] == []
    assert [row.cases for row in rows if row.route == "PennyLane on qiskit.aer"] == [0]


@pytest.mark.parametrize("plan", ["conv, edge", "conv"])
def test_inputs_that_come_again_agree_on_all_routes(plan):
    rng = np.random.default_rng(8)
    spec = VQCNNSpec(3 if "edge" in plan else 2, "reupload", plan, "two_cx")
    weights, inputs = random_points(spec, 2, rng=rng)
    noise = random_noise(spec.n_qubits, rng=rng)
    rows = crosscheck([CrosscheckCase(spec, weights, inputs), CrosscheckCase(spec, weights, inputs, noise)])
    assert [row.to_dict() for row in rows if row.passed is False] == []
    assert {row.route for row in rows if row.cases == 0} == ABSENT


@pytest.mark.parametrize("route", ["native", pytest.param("converted", marks=needs_plugin)])
def test_the_check_finds_a_wrong_weight(route):
    weights, inputs = random_points(SPEC, 2, rng=np.random.default_rng(5))
    noise = random_noise(3, rng=np.random.default_rng(6))
    exact = PauliEvaluator(SPEC, noise).probabilities(weights, inputs)
    wrong = weights.copy()
    wrong[0] += 1e-3
    found = PennyLaneEvaluator(SPEC, noise, route=route).probabilities(wrong, inputs)
    assert 1e-7 < np.abs(found - exact).max() < 1e-2


@pytest.mark.parametrize("what", ["exact", "sampled"])
def test_a_route_that_differs_fails(what, monkeypatch):
    module = sys.modules["qkd_qiskit.interop.crosscheck"]
    if what == "exact":
        monkeypatch.setitem(module._EXACT, "Aer", lambda case: module._native(case) + 1e-8)
    else:
        one_hot = lambda case, shots, seed: np.eye(2)[np.zeros(len(case.inputs), dtype=int)]  # noqa: E731
        monkeypatch.setitem(module._SAMPLED, "SamplerV2", one_hot)
    weights, inputs = random_points(SPEC, 2, rng=np.random.default_rng(5))
    rows = crosscheck([CrosscheckCase(SPEC, weights, inputs)])
    wrong = "Aer" if what == "exact" else "SamplerV2"
    assert {row.route for row in rows if row.passed is False} == {wrong}


def test_one_bad_case_among_good_ones_fails(monkeypatch):
    # All cases have one structure: none may hide behind another.
    module = sys.modules["qkd_qiskit.interop.crosscheck"]
    rng = np.random.default_rng(5)
    cases = [CrosscheckCase(SPEC, *random_points(SPEC, 2, rng=rng)) for _ in range(3)]
    for wrong in (np.nan, 1e-6):
        calls = []

        def spoilt(case, calls=calls, wrong=wrong):
            calls.append(case)
            return module._native(case) + (wrong if len(calls) == 2 else 0)

        monkeypatch.setitem(module._EXACT, "Aer", spoilt)
        (row,) = (row for row in crosscheck(cases, shots=100) if row.route == "Aer")
        assert (row.passed, row.cases, row.worst_index) == (False, 3, str(SPEC.index))
        assert row.difference is None if np.isnan(wrong) else abs(row.difference - wrong) < 1e-9


@pytest.mark.parametrize("wrong", ["nan", "lost shots", "one-hot row"])
def test_counts_that_are_none_fail(wrong, monkeypatch):
    module = sys.modules["qkd_qiskit.interop.crosscheck"]

    def spoilt(case, shots, seed):
        found = module._sampler(case, shots, seed)
        if wrong == "nan":
            found[0, 0] = np.nan
        elif wrong == "lost shots":
            found *= 0.1
        else:
            found[1] = [1, 0]
        return found

    monkeypatch.setitem(module._SAMPLED, "SamplerQNN", spoilt)
    rows = crosscheck([CrosscheckCase(SPEC, *random_points(SPEC, 2, rng=np.random.default_rng(5)))])
    assert {row.route for row in rows if row.passed is False} == {"SamplerQNN"}


def test_leading_axes_of_the_weights_are_kept():
    rng = np.random.default_rng(3)
    weights = rng.uniform(-1, 1, (2, 3, SPEC.n_weights))
    inputs = rng.uniform(-1, 1, (4, 6))
    np.testing.assert_allclose(
        PennyLaneEvaluator(SPEC).probabilities(weights, inputs),
        AerEvaluator(SPEC).probabilities(weights, inputs),
        atol=1e-9,
    )


@needs_plugin
def test_shots_of_qiskit_aer_differ_from_row_to_row():
    noise = random_noise(2, rng=np.random.default_rng(6))
    spec = VQCNNSpec(2, plan="conv", kernels="one_cx")
    weights, inputs = random_points(spec, 1, rng=np.random.default_rng(5))
    evaluators = [
        PennyLaneEvaluator(spec, noise, simulator="qiskit.aer", shots=1000, seed=4) for _ in range(2)
    ]
    rows = [evaluator.probabilities(weights, np.repeat(inputs, 3, axis=0)) for evaluator in evaluators]
    assert len(np.unique(rows[0], axis=0)) > 1
    np.testing.assert_array_equal(rows[0], rows[1])


@pytest.mark.parametrize("n_qubits", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_kraus_operators_give_the_channel_back(n_qubits, seed):
    rng = np.random.default_rng(seed)
    error = amplitude_damping_error(rng.uniform(0.01, 0.2))
    if n_qubits == 2:
        error = error.tensor(depolarizing_error(rng.uniform(1e-9, 1e-3), 1))
    channel = SuperOp(error)
    kraus = kraus_operators(channel)
    np.testing.assert_allclose(SuperOp(QiskitKraus(list(kraus))).data, channel.data, atol=1e-14)


def test_what_is_no_channel_is_refused():
    with pytest.raises(InteropError, match="completely positive"):
        kraus_operators(SuperOp(np.diag([1, -1, -1, -1.5]).astype(complex)))


def test_joint_readout_errors_are_refused():
    model = NoiseModel()
    model.add_readout_error(ReadoutError(np.full((4, 4), 0.25)), [0, 1])
    with pytest.raises(InteropError, match="readout errors of single qubits, found a joint one"):
        Channels(model).readout(0)


@pytest.mark.parametrize(
    ("noisy", "encoding", "options", "message"),
    [
        (False, "angle", {"shots": 5}, "expected no shots"),
        pytest.param(
            True, "angle", {"simulator": "qiskit.aer"}, "expected shots for noise", marks=needs_plugin
        ),
        pytest.param(
            True, "angle", {"simulator": "qiskit.aer", "shots": 5}, "found 'crx'", marks=needs_plugin
        ),
        pytest.param(
            True, "amplitude", {"simulator": "qiskit.aer", "shots": 5}, "found amplitude", marks=needs_plugin
        ),
    ],
)
def test_impossible_combinations_are_refused(noisy, encoding, options, message):
    spec = VQCNNSpec(3, encoding, "conv, edge", SPEC.kernels, n_outcomes=2)
    noise = random_noise(3, rng=np.random.default_rng(6)) if noisy else None
    with pytest.raises(InteropError, match=message):
        PennyLaneEvaluator(spec, noise, **options)


@needs_plugin
def test_idle_noise_is_refused_on_qiskit_aer():
    device = load_backend("noisy_line")
    transpiled = transpile_verified(VQCNNSpec(3, plan="conv, edge", kernels="one_cx"), device)
    with pytest.raises(InteropError, match="no channels on idle qubits"):
        PennyLaneEvaluator(transpiled, device.noise_model, simulator="qiskit.aer", shots=5)


def test_unknown_gates_are_refused():
    spec = VQCNNSpec(3, plan="conv, edge", kernels="one_cx")
    transpiled = transpile_verified(spec, load_backend("noisy_line"))
    circuit = QuantumCircuit(*transpiled.circuit.qregs, *transpiled.circuit.cregs)
    circuit.append(CSXGate(), [0, 1])
    circuit.compose(transpiled.circuit, inplace=True)
    with pytest.raises(InteropError, match="found 'csx'"):
        PennyLaneEvaluator(replace(transpiled, circuit=circuit))


def test_no_case_is_refused():
    with pytest.raises(InteropError, match="expected at least one case"):
        crosscheck([])


def test_without_the_plugin_the_other_routes_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "pennylane_qiskit", None)
    rows = crosscheck([CrosscheckCase(SPEC, *random_points(SPEC, 2, rng=np.random.default_rng(5)))])
    assert {row.route for row in rows if row.passed} == set(ROUTES) - OF_THE_PLUGIN
    left_out = [row for row in rows if row.route in OF_THE_PLUGIN]
    assert {(row.cases, row.passed, row.worst_index) for row in left_out} == {(0, None, None)}
    assert {row.route: row.missing for row in rows if row.missing} == missing_routes()
    assert all("extra 'pennylane-qiskit'" in needed for needed in missing_routes().values())


def test_without_pennylane_aer_and_the_samplers_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "pennylane", None)
    monkeypatch.setitem(sys.modules, "pennylane_qiskit", None)
    rows = crosscheck([CrosscheckCase(SPEC, *random_points(SPEC, 2, rng=np.random.default_rng(5)))])
    assert {row.route for row in rows if row.passed} == {"Aer", "SamplerV2", "SamplerQNN"}
    assert {row.route for row in rows if row.missing} == {"PennyLane native", *OF_THE_PLUGIN}
    assert "the extra 'pennylane':" in missing_routes()["PennyLane native"]


@pytest.mark.parametrize(
    ("blocked", "options", "message"),
    [
        ("pennylane", {}, "the extra 'pennylane': pip install "),
        ("pennylane_qiskit", {"route": "converted"}, "the extra 'pennylane-qiskit': pip install "),
        ("pennylane_qiskit", {"simulator": "qiskit.aer"}, "the extra 'pennylane-qiskit': pip install "),
    ],
)
def test_without_an_extra_one_line_says_what_to_install(blocked, options, message, monkeypatch):
    monkeypatch.setitem(sys.modules, blocked, None)
    with pytest.raises(InteropError, match=message):
        PennyLaneEvaluator(SPEC, **options)


def test_a_required_route_must_be_known_and_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "pennylane_qiskit", None)
    require_routes(["Aer", "PennyLane native"])
    with pytest.raises(InteropError, match="the route PennyLane converted is missing: .* pip install "):
        require_routes(["Aer", "PennyLane converted"])
    with pytest.raises(InteropError, match="expected a route among Aer, .*, SamplerQNN, found 'Cirq'"):
        require_routes(["PennyLane converted", "Cirq"])
