"""Exports against the engine, read back by other programs."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from qiskit import qpy
from qiskit.primitives import StatevectorSampler
from qiskit.qasm3 import ExperimentalWarning, loads_experimental
from qiskit_aer.primitives import SamplerV2 as AerSampler

from qkd_qiskit.errors import ModelError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.interop import export_circuit, plain_copy, sampler_qnn, to_qasm3, to_qpy
from qkd_qiskit.simulation import AerEvaluator, PauliEvaluator, count_agreement
from qkd_qiskit.simulation.evaluator import as_measured_circuit
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(3, plan="conv, conv", kernels="su4", sharing="site", n_outcomes=4)
SHOTS = 4000


def points(spec, n=5):
    rng = np.random.default_rng(2)
    return rng.uniform(-np.pi, np.pi, spec.n_weights), rng.uniform(-1.5, 1.5, (n, spec.n_features))


def generator_sampler():
    return StatevectorSampler(default_shots=SHOTS, seed=np.random.default_rng(1))


def numexpr(text):
    """A quotient of products of numbers and pi."""
    top, _, bottom = text.partition("/")
    sign = -1 if top.startswith("-") else 1
    factors = [np.pi if factor == "pi" else float(factor) for factor in top.lstrip("-").split("*")]
    return sign * float(np.prod(factors)) / float(bottom or 1)


def agrees(qnn, weights, inputs, exact):
    assert exact.max() < 0.95
    counts = np.rint(qnn.forward(inputs, weights) * SHOTS).astype(int)
    assert (counts.sum(axis=1) == SHOTS).all()
    return count_agreement(counts, exact).agrees


@pytest.mark.parametrize("kernel", ["su4", "RY0 CRX01 RZ1"])
def test_sampler_qnn_of_a_spec_follows_the_engine(kernel):
    spec = VQCNNSpec(3, plan="conv, conv", kernels=kernel, sharing="site", n_outcomes=4)
    weights, inputs = points(spec)
    qnn = sampler_qnn(spec, sampler=generator_sampler())
    assert agrees(qnn, weights, inputs, PauliEvaluator(spec).probabilities(weights, inputs))


@pytest.mark.parametrize("spec", [SPEC, VQCNNSpec(3, plan="conv, edge", kernels="RY0 RY1 CX01 RZ0 RZ1")])
def test_sampler_qnn_of_an_isa_circuit_follows_the_engine(spec):
    device = load_backend("noisy_line")
    transpiled = transpile_verified(spec, device, seed=3)
    # Removed weights still count.
    assert bool(transpiled.removed_weights) == (spec is SPEC)
    weights, inputs = points(spec)
    options = {"backend_options": {"noise_model": device.noise_model}}
    qnn = sampler_qnn(transpiled, sampler=AerSampler(default_shots=SHOTS, seed=4, options=options))
    exact = PauliEvaluator(transpiled, device.noise_model).probabilities(weights, inputs)
    assert agrees(qnn, weights, inputs, exact)


def test_the_trap_is_real_and_the_test_finds_it():
    transpiled = transpile_verified(SPEC, "noisy_line", seed=3)
    weights, inputs = points(SPEC)
    qnn = sampler_qnn(transpiled, sampler=AerSampler(default_shots=SHOTS, seed=4))
    qnn._org_circuit = transpiled.circuit
    exact = PauliEvaluator(SPEC).probabilities(weights, inputs)
    assert not agrees(qnn, weights, inputs, exact)


def test_sampler_qnn_gives_gradients():
    spec = VQCNNSpec(2, plan="conv", kernels="RY0 CX01 RY1", n_outcomes=4)
    weights, inputs = points(spec, n=1)
    qnn = sampler_qnn(spec, sampler=StatevectorSampler(default_shots=20_000, seed=np.random.default_rng(1)))
    _, gradient = qnn.backward(inputs, weights)
    engine, step = PauliEvaluator(spec), 1e-5
    for k in range(spec.n_weights):
        shift = step * np.eye(spec.n_weights)[k]
        up, down = engine.probabilities(np.stack([weights + shift, weights - shift]), inputs)
        np.testing.assert_allclose(gradient[0, :, k], (up - down)[0] / (2 * step), atol=0.03)


def test_sampler_qnn_refuses_amplitudes():
    with pytest.raises(
        ModelError, match="expected inputs that are parameters .* found the states of amplitude encoding"
    ):
        sampler_qnn(VQCNNSpec(3, "amplitude"))


@pytest.mark.parametrize(("device", "bound"), [(None, True), (None, False), ("ibm_guadalupe", True)])
def test_qpy_comes_back_as_it_was(device, bound):
    source = SPEC if device is None else transpile_verified(SPEC, device, seed=0)
    weights, _ = points(SPEC)
    circuit = export_circuit(source, weights if bound else None)
    (back,) = qpy.load(io.BytesIO(to_qpy(circuit)))
    assert back == circuit
    assert back.layout is None
    names = {p.vector.name for p in back.parameters}
    assert names == ({"x"} if bound else {"x", "w"})


@pytest.mark.parametrize("device", [None, "ibm_guadalupe"])
def test_openqasm_is_read_by_an_independent_parser(device):
    source = SPEC if device is None else transpile_verified(SPEC, device, seed=0)
    weights, inputs = points(SPEC, n=1)
    circuit = export_circuit(source, weights)
    bound = circuit.assign_parameters({p: inputs[0, p.index] for p in circuit.parameters})
    text = to_qasm3(bound)
    assert "bit[2] meas;" in text
    # Qiskit's parser in Rust, written apart from the exporter, knows neither delays (no change here)
    # nor products of pi.
    lines = [line for line in text.splitlines() if not line.startswith("delay[")]
    plain = re.sub(r"\(([-+*/.\w]*)\)", lambda found: f"({numexpr(found[1])})", "\n".join(lines))
    with pytest.warns(ExperimentalWarning):
        back = loads_experimental(plain)
    made_of = as_measured_circuit(SPEC if device is None else source)
    made = replace(source, circuit=back) if device else made_of
    if device is None:
        made.circuit = back
    got = AerEvaluator(made).probabilities(weights, inputs)
    np.testing.assert_allclose(got, PauliEvaluator(SPEC).probabilities(weights, inputs), atol=1e-9)


def test_free_parameters_become_inputs_of_the_program():
    text = to_qasm3(export_circuit(SPEC))
    assert text.count("input float[64]") == SPEC.n_weights + SPEC.n_features


def test_wrong_weights_are_refused():
    with pytest.raises(ModelError, match=f"expected {SPEC.n_weights} finite weights"):
        export_circuit(SPEC, np.zeros(3))


def test_a_plain_copy_loses_nothing_but_the_layout():
    circuit = transpile_verified(SPEC, "noisy_line", seed=3).circuit
    copy = plain_copy(circuit)
    assert circuit.layout is not None
    assert copy.layout is None
    assert copy.data == circuit.data
