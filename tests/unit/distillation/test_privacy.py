"""What noise on outputs guarantees, against the divergence itself, and the noise that a client adds."""

from __future__ import annotations

from itertools import product
from math import comb, exp, inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.distillation import noisy_outputs, output_epsilon, shots_epsilon
from qkd_qiskit.errors import DistillationError


def _delta_by_integration(noise, rows, epsilon):
    """The hockey-stick divergence of two normal densities as far apart as two answers can be."""
    distance = sqrt(2 * rows) / noise
    x = np.linspace(-12 - distance, 12 + distance, 400_001)
    p, q = (np.exp(-((x - shift) ** 2) / 2) / sqrt(2 * np.pi) for shift in (0.0, distance))
    return float(np.maximum(q - exp(epsilon) * p, 0).sum() * (x[1] - x[0]))


@pytest.mark.parametrize(("noise", "rows", "delta"), [(3.0, 1, 1e-5), (1.0, 1, 1e-3), (20.0, 100, 1e-5)])
def test_epsilon_is_that_of_the_divergence(noise, rows, delta):
    epsilon = output_epsilon(noise, rows, delta)
    assert _delta_by_integration(noise, rows, epsilon) == pytest.approx(delta, rel=1e-3)


@given(noise=st.floats(0.01, 100), rows=st.integers(1, 10**6))
def test_more_noise_protects_more_and_more_answers_less(noise, rows):
    epsilon = output_epsilon(noise, rows)
    assert np.isfinite(epsilon)
    assert output_epsilon(1.5 * noise, rows) <= epsilon <= output_epsilon(noise, 2 * rows)
    # Only the ratio of noise and the distance of two answers counts.
    assert output_epsilon(2 * noise, 4 * rows) == pytest.approx(epsilon, rel=1e-5, abs=1e-5)


def test_the_ends_of_the_scale():
    assert output_epsilon(0.0, 1) == inf
    assert output_epsilon(0.0, 0) == 0.0
    assert output_epsilon(1e9, 1) == 0.0
    assert shots_epsilon(10, 0.0, 2, 1) == inf
    assert shots_epsilon(10, 1.0, 2, 1) == 0.0
    assert shots_epsilon(0, 0.0, 2, 1) == 0.0


@pytest.mark.parametrize("wrong", [(-1.0, 1, 0.1), (1.0, -1, 0.1), (1.0, 1, 0.0), (1.0, 1, 1.0)])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(DistillationError, match="privacy: expected noise and rows of 0 or more"):
        output_epsilon(*wrong)


@pytest.mark.parametrize("wrong", [(-1, 0.1, 2, 1), (1, 1.1, 2, 1), (1, 0.1, 1, 1), (1, 0.1, 2, -1)])
def test_shots_out_of_range_are_refused(wrong):
    with pytest.raises(DistillationError, match="privacy: expected shots and rows"):
        shots_epsilon(*wrong)


@pytest.mark.parametrize(("shots", "floor"), [*product([1, 5, 40], [0.05, 0.3, 0.8])])
def test_shots_are_as_private_as_said(shots, floor):
    """Two circuits that are sure of different outcomes, all counts of shots gone through."""
    delta = 1e-3
    epsilon = shots_epsilon(shots, floor, 2, 1, delta)
    high, low = 1 - floor / 2, floor / 2
    p = np.array([comb(shots, k) * high**k * low ** (shots - k) for k in range(shots + 1)])
    assert np.maximum(p - exp(epsilon) * p[::-1], 0).sum() <= delta
    assert epsilon <= shots * log(high / low) + 1e-9


OUTPUTS = np.random.default_rng(0).dirichlet([1, 1, 1], 2000)


def test_noisy_outputs_are_probabilities_with_so_much_noise():
    found = noisy_outputs(OUTPUTS, 0.02, "secret", "question")
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert found.min() >= 0
    inner = OUTPUTS.min(axis=1) > 0.15
    # Scaling to a sum of one takes one of three directions out.
    assert (found - OUTPUTS)[inner].std() == pytest.approx(0.02 * sqrt(2 / 3), rel=0.1)


def test_the_same_question_gets_the_same_answer_and_another_another():
    first = noisy_outputs(OUTPUTS, 0.1, "secret", "question")
    np.testing.assert_array_equal(first, noisy_outputs(OUTPUTS, 0.1, "secret", "question"))
    moved = OUTPUTS.copy()
    moved[0] = moved[0][::-1]
    for other in (
        noisy_outputs(OUTPUTS, 0.1, "another", "question"),
        noisy_outputs(OUTPUTS, 0.1, "secret", "another"),
        noisy_outputs(moved, 0.1, "secret", "question"),
    ):
        # Nothing of the noise can be taken off by taking one answer from the other.
        assert abs(np.corrcoef((first - OUTPUTS)[1:, 0], (other - OUTPUTS)[1:, 0])[0, 1]) < 0.75
        assert (other[1:] != first[1:]).mean() > 0.5
