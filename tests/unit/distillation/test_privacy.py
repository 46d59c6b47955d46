"""What noise on outputs guarantees, against the divergence itself, and the noise that a client adds."""

from __future__ import annotations

from itertools import product
from math import comb, exp, inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qkd_qiskit.config import OutputPrivacySettings
from qkd_qiskit.distillation import blur_epsilon, blurred_outputs, output_epsilon, shots_epsilon
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
NOISE = OutputPrivacySettings(output_noise=0.02)


def test_noisy_outputs_are_probabilities_with_so_much_noise():
    found = blurred_outputs(OUTPUTS, NOISE, "secret", "question")
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert found.min() >= 0
    inner = OUTPUTS.min(axis=1) > 0.15
    # Scaling to a sum of one takes one of three directions out.
    assert (found - OUTPUTS)[inner].std() == pytest.approx(0.02 * sqrt(2 / 3), rel=0.1)


@pytest.mark.parametrize(("shots", "floor"), [(1, 0.0), (400, 0.0), (400, 0.4)])
def test_shots_scatter_about_the_outputs(shots, floor):
    blur = OutputPrivacySettings(output_shots=shots, output_floor=floor)
    found = blurred_outputs(OUTPUTS, blur, "secret", "question")
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    if floor == 0:
        np.testing.assert_allclose(found * shots, np.rint(found * shots), atol=1e-9)
    inner = OUTPUTS.min(axis=1) > 0.15
    shown = (1 - floor) * OUTPUTS + floor / 3
    expected = np.sqrt(shown * (1 - shown) / shots) / (1 - floor)
    apart = (found - OUTPUTS)[inner]
    assert apart.std() == pytest.approx(expected[inner].mean(), rel=0.15)
    assert np.abs(apart.mean(axis=0)).max() < 6 * expected.mean() / sqrt(inner.sum())


@pytest.mark.parametrize(
    "blur",
    [OutputPrivacySettings(output_noise=0.1), OutputPrivacySettings(output_shots=20, output_floor=0.1)],
)
def test_the_same_question_gets_the_same_answer_and_another_another(blur):
    first = blurred_outputs(OUTPUTS, blur, "secret", "question")
    np.testing.assert_array_equal(first, blurred_outputs(OUTPUTS, blur, "secret", "question"))
    moved = OUTPUTS.copy()
    moved[0] = moved[0][::-1]
    for other in (
        blurred_outputs(OUTPUTS, blur, "another", "question"),
        blurred_outputs(OUTPUTS, blur, "secret", "another"),
        blurred_outputs(moved, blur, "secret", "question"),
    ):
        assert (other[1:] != first[1:]).mean() > 0.5
        inner = OUTPUTS.min(axis=1) > 0.2
        # Nothing of the noise can be taken off by taking one answer from the other.
        noise = (first - OUTPUTS)[inner, 0], (other - OUTPUTS)[inner, 0]
        assert abs(np.corrcoef(*noise)[0, 1]) < 5 / sqrt(inner.sum())


def test_the_better_of_both_guarantees_holds():
    noise = OutputPrivacySettings(output_noise=2.0)
    shots = OutputPrivacySettings(output_shots=1, output_floor=0.9)
    both = OutputPrivacySettings(output_noise=2.0, output_shots=1, output_floor=0.9)
    assert blur_epsilon(noise, 3, 10) == output_epsilon(2.0, 10)
    assert blur_epsilon(shots, 3, 10) == shots_epsilon(1, 0.9, 3, 10)
    assert blur_epsilon(both, 3, 10) == min(blur_epsilon(noise, 3, 10), blur_epsilon(shots, 3, 10))
    assert blur_epsilon(OutputPrivacySettings(output_shots=9), 3, 10) == inf
    assert blur_epsilon(OutputPrivacySettings(), 3, 10) == inf


def test_a_floor_without_shots_is_refused():
    with pytest.raises(
        ValidationError, match="output_floor replaces outcomes of shots: it needs output_shots"
    ):
        OutputPrivacySettings(output_floor=0.1)
