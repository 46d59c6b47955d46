"""Compiled models: one cut to active qubits, whose results are those of the whole device."""

import numpy as np
import pytest

from qkd_qiskit import VQCNNSpec, load_backend, transpile_verified
from qkd_qiskit.errors import HardwareError, SimulationError
from qkd_qiskit.simulation import (
    AerEvaluator,
    ModelCompiler,
    PauliEvaluator,
    compile_model,
    compile_transpiled,
)

SPEC = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", n_outcomes=2)
DEVICE = "ibm_guadalupe"


def _points(n=3):
    rng = np.random.default_rng(4)
    return rng.normal(size=(2, SPEC.n_weights)), rng.uniform(-1, 1, (n, SPEC.n_features))


def _loss(p):
    slope = np.zeros_like(p)
    slope[..., 0] = 1.0
    return p[..., 0].sum(axis=-1), slope


def test_the_cut_circuit_gives_the_whole_device_s_numbers():
    weights, inputs = _points()
    device = load_backend(DEVICE)
    found = compile_model(SPEC, DEVICE, seed=2)
    transpiled = transpile_verified(SPEC, device, seed=2)
    whole = PauliEvaluator(transpiled, device.noise_model)
    assert len(found.circuit.active_qubits) < device.n_qubits
    np.testing.assert_array_equal(
        found.noisy.probabilities(weights, inputs), whole.probabilities(weights, inputs)
    )
    for one, other in zip(
        found.noisy.loss_and_gradient(weights, inputs, _loss),
        whole.loss_and_gradient(weights, inputs, _loss),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    aer = AerEvaluator(transpiled, device.noise_model).probabilities(weights[0], inputs[:1])
    np.testing.assert_allclose(found.noisy.probabilities(weights[0], inputs[:1]), aer, atol=1e-7)
    assert found.two_qubit_gates == transpiled.report.counted.two_qubit


def test_precision_ideal_and_shots():
    weights, inputs = _points()
    found = compile_model(SPEC, DEVICE)
    exact = found.noisy.probabilities(weights[0], inputs)
    np.testing.assert_allclose(found.fast.probabilities(weights[0], inputs), exact, atol=1e-5)
    np.testing.assert_array_equal(
        found.ideal.probabilities(weights[0], inputs), PauliEvaluator(SPEC).probabilities(weights[0], inputs)
    )
    assert np.abs(found.ideal.probabilities(weights[0], inputs) - exact).max() > 1e-3
    counted = found.sampler(shots=20000, seed=3).probabilities(weights[0], inputs)
    np.testing.assert_allclose(counted, exact, atol=0.02)


def test_without_noise_and_without_a_device():
    weights, inputs = _points()
    ideal = PauliEvaluator(SPEC).probabilities(weights, inputs)
    quiet = compile_model(SPEC, DEVICE, noise=False)
    assert quiet.noise is None
    np.testing.assert_allclose(quiet.noisy.probabilities(weights, inputs), ideal, atol=1e-9)
    logical = compile_model(SPEC, None)
    assert logical.transpiled is None
    assert logical.two_qubit_gates is None
    np.testing.assert_array_equal(logical.noisy.probabilities(weights, inputs), ideal)


def test_another_calibration_s_noise_changes_the_numbers_of_one_circuit():
    weights, inputs = _points()
    device = load_backend(DEVICE)
    transpiled = transpile_verified(SPEC, device)
    noisy, quiet = compile_transpiled(transpiled, device), compile_transpiled(transpiled, device, noise=False)
    assert noisy.transpiled is quiet.transpiled is transpiled
    different = noisy.noisy.probabilities(weights, inputs) - quiet.noisy.probabilities(weights, inputs)
    assert np.abs(different).max() > 1e-3


def test_a_compiler_compiles_each_structure_once_a_device():
    compiler = ModelCompiler(noise=False, seed=1)
    first = compiler.model(SPEC, DEVICE)
    assert compiler.model(SPEC, DEVICE) is first
    assert first.noise is None
    assert first.transpiled.seed == 1
    other = VQCNNSpec(n_qubits=4, plan="conv", kernels="su4", n_outcomes=2)
    assert compiler.model(other, DEVICE).spec == other


def test_a_compiler_s_models_compute_where_it_says():
    model = ModelCompiler(arrays_on="tpu").seeded(2).model(SPEC, DEVICE)
    for name in ("noisy", "fast", "ideal", "fast_ideal"):
        with pytest.raises(SimulationError, match="found 'tpu'"):
            getattr(model, name)
    with pytest.raises(SimulationError, match="found 'tpu'"):
        compile_model(SPEC, None, arrays_on="tpu").ideal  # noqa: B018
    assert ModelCompiler().model(SPEC, DEVICE).arrays_on is None


def test_an_unknown_device_is_refused():
    with pytest.raises(HardwareError, match="no_such_device"):
        compile_model(SPEC, "no_such_device")
