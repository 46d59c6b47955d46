"""Shots against exact probabilities, on every kind of sampler."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.primitives import BitArray, DataBin, SamplerPubResult, StatevectorSampler
from qiskit_aer.primitives import SamplerV2 as AerSampler

from qkd_qiskit.encoding import ENCODINGS
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.simulation import (
    Evaluator,
    PauliEvaluator,
    SamplerEvaluator,
    count_agreement,
    outcome_counts,
)
from qkd_qiskit.vqcnn import VQCNNSpec

SPEC = VQCNNSpec(4, plan="conv, edge, conv", kernels="su4", sharing="site", n_outcomes=4)


def points(spec, n=6, seed=11):
    rng = np.random.default_rng(seed)
    inputs = ENCODINGS[spec.encoding].random_inputs(spec.n_qubits, n, rng=rng)
    return rng.uniform(-np.pi, np.pi, spec.n_weights), inputs


def spread_out(probabilities):
    """The test says little about outputs that are near one-hot."""
    return probabilities.max() < 0.95


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
@pytest.mark.parametrize("kernel", ["su4", "RY0 RY1 CRX01 CRZ10"])
@pytest.mark.parametrize("own", [None, "statevector", "aer"])
def test_ideal_counts_follow_the_exact_probabilities(encoding, kernel, own):
    spec = VQCNNSpec(3, encoding, "conv, conv", kernel, "site", 4)
    weights, inputs = points(spec)
    samplers = {"statevector": StatevectorSampler(seed=np.random.default_rng(3)), "aer": AerSampler(seed=3)}
    options = {"seed": 3} if own is None else {"sampler": samplers[own]}
    sampled = SamplerEvaluator(spec, shots=4000, **options).sample(weights, inputs)
    exact = PauliEvaluator(spec).probabilities(weights, inputs)
    assert spread_out(exact)
    assert count_agreement(sampled.counts, exact).agrees


@pytest.mark.parametrize("device_name", ["noisy_line", "ibm_guadalupe"])
def test_noisy_counts_follow_the_exact_probabilities(device_name):
    device = load_backend(device_name)
    transpiled = transpile_verified(SPEC, device, seed=1)
    weights, inputs = points(SPEC, n=12)
    exact = PauliEvaluator(transpiled, device.noise_model).probabilities(weights, inputs)
    sampled = SamplerEvaluator(transpiled, device.noise_model, shots=20_000, seed=5).sample(weights, inputs)
    assert spread_out(exact)
    assert count_agreement(sampled.counts, exact).agrees
    # Shots enough that a sampler without noise would be found out.
    ideal = PauliEvaluator(SPEC).probabilities(weights, inputs)
    assert not count_agreement(sampled.counts, ideal).agrees


def test_amplitude_inputs_on_a_noisy_device_enter_as_ideal_states():
    device = load_backend("noisy_line")
    spec = VQCNNSpec(3, "amplitude", "conv", "one_cx", n_outcomes=4)
    transpiled = transpile_verified(spec, device, seed=0)
    weights, inputs = points(spec)
    exact = PauliEvaluator(transpiled, device.noise_model).probabilities(weights, inputs)
    sampled = SamplerEvaluator(transpiled, device.noise_model, shots=8000, seed=5).sample(weights, inputs)
    assert count_agreement(sampled.counts, exact).agrees


def test_shapes_and_standard_errors():
    evaluator = SamplerEvaluator(SPEC, shots=400, seed=2)
    weights, inputs = points(SPEC)
    many = np.stack([np.stack([weights, weights + 0.3])] * 3)
    sampled = evaluator.sample(many, inputs)
    assert isinstance(evaluator, Evaluator)
    assert sampled.counts.shape == (3, 2, len(inputs), 4)
    assert (sampled.counts.sum(axis=-1) == 400).all()
    exact = PauliEvaluator(SPEC).probabilities(many, inputs)
    deviations = (sampled.probabilities - exact) / sampled.standard_errors
    assert 0.7 < deviations.std() < 1.3
    assert (sampled.standard_errors > 0).all()
    assert evaluator.probabilities(many, inputs[:0]).shape == (3, 2, 0, 4)
    assert evaluator.shots == 400


def test_equal_seeds_draw_equal_shots_and_every_call_new_ones():
    weights, inputs = points(SPEC)
    first, again = (SamplerEvaluator(SPEC, shots=500, seed=9) for _ in range(2))
    one = first.sample(weights, inputs).counts
    np.testing.assert_array_equal(one, again.sample(weights, inputs).counts)
    assert (one != first.sample(weights, inputs).counts).any()


def test_rows_of_one_call_are_independent():
    weights, inputs = points(SPEC)
    counts = (
        SamplerEvaluator(SPEC, shots=500, seed=9).sample(weights, np.repeat(inputs[:1], 40, axis=0)).counts
    )
    exact = PauliEvaluator(SPEC).probabilities(weights, inputs[:1])[0]
    variance = counts.var(axis=0, ddof=1) / (500 * exact * (1 - exact))
    assert ((variance > 0.4) & (variance < 2)).all()


def test_removed_weights_are_accepted():
    device = load_backend("noisy_line")
    spec = VQCNNSpec(2, plan="conv", kernels="RY0 RY1 CX01 RZ0", n_outcomes=2)
    transpiled = transpile_verified(spec, device, seed=0)
    assert transpiled.removed_weights
    weights, inputs = points(spec)
    exact = PauliEvaluator(transpiled, device.noise_model).probabilities(weights, inputs)
    sampled = SamplerEvaluator(transpiled, device.noise_model, shots=4000, seed=1).sample(weights, inputs)
    assert count_agreement(sampled.counts, exact).agrees


def test_a_structure_without_weights_runs():
    spec = VQCNNSpec(2, plan="conv", kernels="CX01", n_outcomes=2)
    _, inputs = points(spec)
    sampled = SamplerEvaluator(spec, shots=4000, seed=1).sample(np.empty(0), inputs)
    assert spec.measured_qubits == (0,)
    # CX from qubit 0 leaves its probabilities alone: RY(pi/2 + x) on |0> gives 1 with (1 + sin x) / 2.
    one = (1 + np.sin(inputs[:, 0])) / 2
    assert count_agreement(sampled.counts, np.stack([1 - one, one], axis=1)).agrees


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": StatevectorSampler(), "seed": 1}, "inside the sampler"),
        ({"shots": 0}, "shots of at least 1"),
        ({"seed": -1}, "no negative seed"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(SimulationError, match=message):
        SamplerEvaluator(SPEC, **options)


def test_a_register_of_another_name_is_refused():
    device = load_backend("noisy_line")
    transpiled = transpile_verified(SPEC, device, seed=0)
    renamed = QuantumCircuit(QuantumRegister(transpiled.circuit.num_qubits), ClassicalRegister(2, "c"))
    renamed.compose(transpiled.circuit, range(renamed.num_qubits), [0, 1], inplace=True)
    with pytest.raises(SimulationError, match="expected a register meas of 2 bits, found {'c': 2}"):
        SamplerEvaluator(replace(transpiled, circuit=renamed))


@pytest.mark.parametrize(
    ("weights", "inputs", "message"),
    [
        (np.zeros(3), np.zeros((1, 8)), "expected weights"),
        (np.zeros(SPEC.n_weights), np.zeros((1, 7)), "expected inputs"),
        (np.full(SPEC.n_weights, np.nan), np.zeros((1, 8)), "finite weights"),
    ],
)
def test_wrong_arrays_are_refused(weights, inputs, message):
    with pytest.raises(SimulationError, match=message):
        SamplerEvaluator(SPEC).sample(weights, inputs)


@pytest.mark.parametrize("n_bits", [1, 8, 9, 12])
def test_counts_of_any_number_of_bits(n_bits):
    rng = np.random.default_rng(0)
    read = rng.integers(0, 2**n_bits, (3, 50))
    bits = [[format(value, f"0{n_bits}b") for value in row] for row in read.tolist()]
    array = np.stack([BitArray.from_samples(row, n_bits).array for row in bits])
    result = SamplerPubResult(DataBin(meas=BitArray(array, n_bits), shape=(3,)))
    counts = outcome_counts(result, n_bits)
    for row in range(3):
        np.testing.assert_array_equal(counts[row], np.bincount(read[row], minlength=2**n_bits))
    with pytest.raises(SimulationError, match=f"with {n_bits + 1} bits, found meas of {n_bits} bits"):
        outcome_counts(result, n_bits + 1)


def test_the_chi_square_test_finds_a_row_that_is_one_hot():
    exact = PauliEvaluator(SPEC).probabilities(*points(SPEC))
    counts = np.random.default_rng(0).multinomial(1000, exact)
    assert count_agreement(counts, exact).agrees
    counts[2] = [1000, 0, 0, 0]
    assert not count_agreement(counts, exact).agrees


@pytest.mark.parametrize("exchange", [[1, 0, 2, 3], [0, 2, 1, 3], [3, 2, 1, 0]])
def test_the_chi_square_test_finds_exchanged_outcomes(exchange):
    exact = PauliEvaluator(SPEC).probabilities(*points(SPEC))
    counts = np.random.default_rng(0).multinomial(1000, exact)
    assert not count_agreement(counts[:, exchange], exact).agrees


def test_the_chi_square_test_keeps_its_rate_of_false_alarms():
    rng = np.random.default_rng(4)
    exact = rng.dirichlet([0.5] * 4, size=15)
    alarms = sum(
        not count_agreement(rng.multinomial(300, exact), exact, alarm=0.1).agrees for _ in range(300)
    )
    # 30 expected at most; the binomial tests of rare cells are conservative.
    assert 2 <= alarms <= 50


def test_an_impossible_outcome_is_an_alarm():
    exact = np.array([[0.5, 0.5, 0.0, 0.0]])
    assert count_agreement([[50, 50, 0, 0]], exact).agrees
    found = count_agreement([[50, 49, 1, 0]], exact)
    assert (found.agrees, found.worst_class) == (False, 2)


@pytest.mark.parametrize(
    ("counts", "exact", "message"),
    [
        ([[1, 2]], [[0.2, 0.3, 0.5]], "expected counts like probabilities"),
        ([[0, 0]], [[0.5, 0.5]], "found none in row 0"),
        ([[1, 1]], [[0.5, 0.6]], "sum to 1"),
    ],
)
def test_the_chi_square_test_refuses_what_it_cannot_test(counts, exact, message):
    with pytest.raises(SimulationError, match=message):
        count_agreement(counts, exact)
