"""Counts of the Runtime's local mode against the exact engine.

The local mode runs a simulator under the device's noise model, as `submit` does, and counts what the engine
computes. A fake backend brings noise of its own: with the executor's sampler the mean of the two readout
errors of each qubit, as Aer's `NoiseModel.from_backend` and this package's devices have it; with `SamplerV2`
one for 0 and one for 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError
from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2

from qkd_qiskit import PauliEvaluator, SamplerEvaluator, VQCNNSpec, load_backend, transpile_verified
from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.hardware import Device, TranspiledVQCNN
from qkd_qiskit.hardware.targets import noise_model_of
from qkd_qiskit.interop import export_circuit
from qkd_qiskit.runtime import JobRequest, LocalService
from qkd_qiskit.runtime.mitigation import calibration_circuits, confusion_matrices
from qkd_qiskit.runtime.primitives import HAS_DRY_RUNS, RuntimeSampler
from qkd_qiskit.simulation.agreement import count_agreement

SPEC = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="two_cx", n_outcomes=4)


def compared() -> tuple[Device, TranspiledVQCNN, FloatArray, FloatArray]:
    """The device, the circuit on it, weights [W] and inputs [3, F]."""
    device = load_backend("ibm_guadalupe")
    rng = np.random.default_rng(0)
    weights = rng.normal(size=SPEC.n_weights)
    inputs = rng.normal(size=(3, SPEC.n_features))
    return device, transpile_verified(SPEC, device, seed=1), weights, inputs


@pytest.fixture(scope="module")
def fake() -> FakeGuadalupeV2:
    return FakeGuadalupeV2()


@pytest.fixture(scope="module")
def counts_and_evaluator(fake: FakeGuadalupeV2) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Counts of local mode [3, 4], and the engine's probabilities with either kind of readout error."""
    device, transpiled, weights, inputs = compared()
    sampler = RuntimeSampler(mode=fake)
    sampler.options.simulator.seed_simulator = 7
    counts = SamplerEvaluator(transpiled, sampler=sampler, shots=20_000).sample(weights, inputs).counts
    exact = [
        PauliEvaluator(transpiled, noise).probabilities(weights, inputs)
        for noise in (device.noise_model, give_both_readout_errors(noise_model_of(device.target), fake))
    ]
    return counts, exact[0], exact[1]


def give_both_readout_errors(noise: NoiseModel, fake: FakeGuadalupeV2) -> NoiseModel:
    """The noise model, changed to the calibration's own readout errors of 0 and of 1."""
    properties = fake.properties()
    for qubit in range(fake.num_qubits):
        of_zero = properties.qubit_property(qubit, "prob_meas1_prep0")[0]
        of_one = properties.qubit_property(qubit, "prob_meas0_prep1")[0]
        error = ReadoutError([[1 - of_zero, of_zero], [of_one, 1 - of_one]])
        noise.add_readout_error(error, [qubit], warnings=False)
    return noise


def test_readout_errors_of_a_fake_backend_are_those_of_the_installed_sampler(
    counts_and_evaluator: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    counts, averaged, both = counts_and_evaluator
    expected, other = (averaged, both) if HAS_DRY_RUNS else (both, averaged)
    assert expected.max() < 0.9  # rows near one-hot would let a wrong order of bits pass
    assert count_agreement(counts, expected).agrees
    assert not count_agreement(counts, other).agrees
    assert np.abs(counts / 20_000 - other).max() < 0.03


def test_submitted_counts_agree_with_the_engine(tmp_path: Path) -> None:
    device, transpiled, weights, inputs = compared()
    circuit = export_circuit(transpiled, weights)
    values = np.stack([inputs[:, parameter.index] for parameter in circuit.parameters], axis=1)
    service = LocalService(tmp_path, device)
    request = JobRequest(circuit, values, calibration_circuits(circuit), 20_000, ("tag",), seed=7)
    found = service.counts(service.submit(request))
    exact = PauliEvaluator(transpiled, device.noise_model).probabilities(weights, inputs)
    assert exact.max() < 0.9
    assert count_agreement(found.counts, exact).agrees
    # The calibration sees readout errors that are equal for 0 and 1, apart from the X gate before a 1.
    for matrix in confusion_matrices(found.calibration):
        assert abs(matrix[1, 0] - matrix[0, 1]) < 0.005


def test_a_sampler_of_ones_own_agrees_with_the_devices_noise_model() -> None:
    device, transpiled, weights, inputs = compared()
    mode = AerSimulator(method="density_matrix", noise_model=device.noise_model)
    sampler = RuntimeSampler(mode=mode, options={"simulator": {"seed_simulator": 7}})
    counts = SamplerEvaluator(transpiled, sampler=sampler, shots=20_000).sample(weights, inputs).counts
    exact = PauliEvaluator(transpiled, device.noise_model).probabilities(weights, inputs)
    assert count_agreement(counts, exact).agrees


def test_no_two_samples_of_a_submission_share_random_numbers(tmp_path: Path) -> None:
    """Batches have neighbouring seeds, which a simulator may count up within a run."""
    device, transpiled, weights, inputs = compared()
    circuit = export_circuit(transpiled, weights)
    values = np.stack([inputs[:1, parameter.index] for parameter in circuit.parameters], axis=1)
    alike = np.repeat(values, 12, axis=0)
    service = LocalService(tmp_path, device)
    found = []
    for seed in (7, 8):
        request = JobRequest(circuit, alike, (), 20_000, ("tag",), seed=seed)
        found.append(service.counts(service.submit(request)).counts)
    rows = np.concatenate(found)
    assert len(np.unique(rows, axis=0)) == len(rows)
