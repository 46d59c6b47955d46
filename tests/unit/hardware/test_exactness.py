"""What is predicted is what is counted: structures, seeds and devices; a sample in `make test`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.estimator import build_size_ladder
from qkd_qiskit.hardware import list_backends, load_backend, predict, transpile_verified
from qkd_qiskit.vqcnn import Gene, Kernel, VQCNNSpec, default_plan
from qkd_qiskit.vqcnn.tightness import is_tight

PLANS = ("conv", "conv, edge, conv", "edge, conv", "conv, conv, edge", "conv, edge, conv, edge, conv")


def _canonical(rng, genes):
    """A random canonical kernel with an angle and an entangling gate whose count is known to be tight."""
    while True:
        drawn = (Gene(int(rng.integers(1, 14)), int(rng.integers(2))) for _ in range(genes))
        kernel = Kernel(tuple(drawn)).canonical()
        if (
            kernel.n_two_qubit
            and kernel.n_parameters
            and is_tight(VQCNNSpec(5, plan=PLANS[1], kernels=kernel))
        ):
            return kernel


def structures():
    """Twenty chain-native structures: rungs of the ladder, presets, and random canonical kernels."""
    rng = np.random.default_rng(2025)
    found = [build_size_ladder(8, n_outcomes=4)[i] for i in (0, 2, 5, 9)]
    found += [build_size_ladder(8, kernel="two_cx", n_outcomes=2)[i] for i in (1, 3)]
    found += [build_size_ladder(6, kernel="one_cx", sharing="layer")[i] for i in (1, 4)]
    found += [VQCNNSpec(n, n_outcomes=2) for n in (2, 3, 5, 10)]
    while len(found) < 20:
        spec = VQCNNSpec(
            int(rng.integers(5, 9)),
            plan=PLANS[rng.integers(len(PLANS))],
            kernels=_canonical(rng, int(rng.integers(4, 9))),
            sharing=str(rng.choice(["site", "layer"])),
        )
        if is_tight(spec):
            found.append(spec)
    return found


STRUCTURES = structures()


def check(spec, device, seed):
    report = transpile_verified(spec, device, seed=seed).report
    assert report.exact
    assert report.counted.two_qubit == report.predicted.two_qubit
    assert report.predicted.one_qubit.low <= report.counted.one_qubit.mid <= report.predicted.one_qubit.high
    assert abs(report.relative_errors["two_qubit_depth"]) <= 0.1
    assert abs(report.relative_errors["esp"]) <= 0.1
    assert abs(report.relative_errors["duration"]) <= 0.1


@pytest.mark.parametrize("name", list_backends())
def test_a_sample_of_structures_is_exact(name):
    first = list_backends().index(name)
    for number in (first % len(STRUCTURES), (first + 8) % len(STRUCTURES)):
        check(STRUCTURES[number], load_backend(name), seed=number % 5)


@pytest.mark.parametrize(
    ("n_qubits", "n_outcomes", "depth", "kernel", "blocks"),
    [(8, 10, 4, "su4", 64), (7, 5, 3, "two_cx", 40), (5, 2, 4, "one_cx", 28)],
)
def test_repeated_convolutions_are_exact(n_qubits, n_outcomes, depth, kernel, blocks):
    """Odd pairs follow even ones and even pairs odd ones: no block meets another on its own pair."""
    plan = default_plan(n_qubits, n_outcomes, depth=depth)
    spec = VQCNNSpec(n_qubits, plan=plan, kernels=kernel, sharing="site", n_outcomes=n_outcomes)
    assert len(spec.blocks) == blocks
    assert is_tight(spec)
    check(spec, load_backend("ibm_torino"), seed=3)


@given(st.integers(0, 2**32 - 1), st.integers(3, 7), st.integers(2, 4))
@settings(max_examples=8)
def test_repeated_random_kernels_are_exact_where_it_is_promised(seed, n_qubits, depth):
    kernel = _canonical(np.random.default_rng(seed), 6)
    spec = VQCNNSpec(n_qubits, plan=default_plan(n_qubits, 4, depth=depth), kernels=kernel, n_outcomes=4)
    report = transpile_verified(spec, load_backend("ibm_torino"), seed=seed % 5).report
    assert report.counted.two_qubit <= report.predicted.two_qubit
    assert report.counted.two_qubit == report.predicted.two_qubit or not report.exact


@pytest.mark.long
@pytest.mark.parametrize("name", list_backends())
@pytest.mark.parametrize("number", range(len(STRUCTURES)))
def test_twenty_structures_with_five_seeds_are_exact(name, number):
    for seed in range(5):
        check(STRUCTURES[number], load_backend(name), seed)


@pytest.mark.long
@pytest.mark.parametrize("name", list_backends())
@pytest.mark.parametrize(
    ("plan", "kernel"),
    [("conv, tree, conv, tree, conv", "su4"), ("conv, tree, conv", "two_cx"), ("tree, conv", "one_cx")],
)
def test_routed_structures_stay_in_their_range_over_twenty_seeds(name, plan, kernel):
    spec, device = VQCNNSpec(8, plan=plan, kernels=kernel), load_backend(name)
    span = predict(spec, device).counts.two_qubit_range
    for seed in range(20):
        assert span.low <= transpile_verified(spec, device, seed=seed).report.counted.two_qubit <= span.high


@pytest.mark.long
@pytest.mark.parametrize("name", list_backends())
def test_free_gate_strings_never_exceed_their_bound(name):
    rng, device = np.random.default_rng(11), load_backend(name)
    for seed in range(40):
        genes = (Gene(int(rng.integers(1, 14)), int(rng.integers(2))) for _ in range(rng.integers(1, 12)))
        spec = VQCNNSpec(6, plan=PLANS[seed % len(PLANS)], kernels=Kernel(tuple(genes)))
        report = transpile_verified(spec, device, seed=seed).report
        assert report.counted.two_qubit <= report.predicted.two_qubit


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "mean"),
    [("noisy_line", 0.08), ("ibm_guadalupe", 0.2), ("ibm_sherbrooke", 0.15), ("ion_trap", 0.2)],
)
def test_one_qubit_counts_of_random_kernels_are_about_right(name, mean):
    rng = np.random.default_rng(123)
    kernels = [_canonical(rng, int(rng.integers(4, 10))) for _ in range(25)]
    errors = []
    for number, kernel in enumerate(kernels):
        report = transpile_verified(VQCNNSpec(5, plan=PLANS[number % 4], kernels=kernel), name).report
        span, counted = report.predicted.one_qubit, report.counted.one_qubit.mid
        assert span.low <= counted <= span.high
        errors.append(abs(span.mid - counted) / counted)
    assert np.mean(errors) < mean
