"""Score intervals, checked against the tests that they invert, and by how often they cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, bootstrap, multinomial, norm

from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation import accuracy_interval, difference_interval
from qkd_qiskit.evaluation.intervals import independent_difference_interval

Z = norm.ppf(0.975)


def answers(right, n):
    return np.arange(n) < right


def pairs(both, wins, losses, neither=0):
    """Answers of a model and of a baseline with these four counts."""
    model = np.repeat([True, True, False, False], [both, wins, losses, neither])
    baseline = np.repeat([True, False, True, False], [both, wins, losses, neither])
    return model, baseline


@given(n=st.integers(1, 2000), share=st.floats(0, 1), level=st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_accuracy_intervals_are_those_of_scipy(n, share, level):
    right = round(share * n)
    ours = accuracy_interval(answers(right, n), level=level)
    theirs = binomtest(right, n).proportion_ci(level, method="wilson")
    assert (ours.value, ours.samples) == (right / n, n)
    np.testing.assert_allclose([ours.low, ours.high], theirs, atol=1e-12)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


@pytest.mark.parametrize("n", [1, 2, 12, 500])
def test_perfect_answers_leave_room_for_doubt(n):
    all_right, none = accuracy_interval(answers(n, n)), accuracy_interval(answers(0, n))
    # Where all are right, the score test's limit is n / (n + z^2).
    assert (all_right.high, none.low) == (1, 0)
    assert all_right.low == pytest.approx(n / (n + Z**2))
    assert none.high == pytest.approx(1 - all_right.low)


@pytest.mark.parametrize("n", [1, 2, 12, 500])
def test_models_that_agree_everywhere_may_differ_elsewhere(n):
    found = difference_interval(*pairs(n, 0, 0))
    limit = Z**2 / (n + Z**2)
    assert found.value == 0
    assert (found.low, found.high) == (pytest.approx(-limit), pytest.approx(limit))


def score(wins, losses, n, difference):
    """Score of a difference, with its likeliest share of losses found by searching."""

    def unlikelihood(share):
        cells = np.array([share + difference, share, 1 - 2 * share - difference])
        counts = np.array([wins, losses, n - wins - losses])
        return -float(np.sum(counts[counts > 0] * np.log(np.maximum(cells, 1e-300)[counts > 0])))

    low, high = max(0.0, -difference), (1 - difference) / 2
    share = minimize_scalar(unlikelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (wins - losses - n * difference) / np.sqrt(n * (2 * share + difference - difference**2))


@pytest.mark.parametrize(("wins", "losses", "n"), [(12, 2, 50), (3, 9, 40), (5, 5, 30), (40, 25, 1000)])
def test_the_ends_of_a_difference_are_where_its_score_test_rejects(wins, losses, n):
    found = difference_interval(*pairs(n - wins - losses, wins, losses))
    assert found.value == pytest.approx((wins - losses) / n)
    assert score(wins, losses, n, found.low) == pytest.approx(Z, abs=1e-3)
    assert score(wins, losses, n, found.high) == pytest.approx(-Z, abs=1e-3)


@given(st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(sum))
def test_a_difference_lies_within_its_interval_and_turns_with_its_sign(cells):
    both, wins, losses, neither = cells
    found = difference_interval(*pairs(*cells))
    turned = difference_interval(*pairs(both, losses, wins, neither))
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert (turned.low, turned.high) == (-found.high, -found.low)


@pytest.mark.parametrize("cells", [(0.9, 0.08, 0.02), (1, 0, 0), (0.5, 0.3, 0.2), (0.95, 0.0, 0.05)])
def test_differences_of_small_samples_cover_the_truth(cells):
    n, covered = 12, 0.0
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            found = difference_interval(*pairs(n - wins - losses, wins, losses))
            if found.low <= cells[1] - cells[2] <= found.high:
                covered += multinomial.pmf([n - wins - losses, wins, losses], n, cells)
    assert covered > 0.93


def test_large_samples_give_what_the_bootstrap_gives():
    rng = np.random.default_rng(2)
    good, base = rng.random(1000) < 0.9, rng.random(1000) < 0.8
    ours = difference_interval(good, base)
    theirs = bootstrap((good.astype(float) - base,), np.mean, method="percentile", rng=rng)
    np.testing.assert_allclose([ours.low, ours.high], theirs.confidence_interval, atol=0.003)


def test_independent_differences_are_newcombes():
    # The worked example of his paper: 56 of 70 against 48 of 80.
    found = independent_difference_interval(answers(56, 70), answers(48, 80))
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
    perfect = independent_difference_interval(answers(12, 12), answers(12, 12))
    assert (perfect.low, perfect.high) == (pytest.approx(-0.2425, abs=5e-5), pytest.approx(0.2425, abs=5e-5))


def test_pairing_narrows_the_interval():
    base = np.random.default_rng(3).random(400) < 0.7
    better = base | (np.random.default_rng(4).random(400) < 0.1)
    paired = difference_interval(better, base)
    shuffled = difference_interval(np.random.default_rng(5).permutation(better), base)
    assert paired.high - paired.low < shuffled.high - shuffled.low
    assert paired.low > 0


def test_a_higher_level_is_wider():
    correct = np.random.default_rng(8).random(77) < 0.5
    narrow, wide = (accuracy_interval(correct, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("bad", [np.array([], dtype=bool), np.array([0, 1]), np.ones((2, 2), dtype=bool)])
def test_bad_samples(bad):
    with pytest.raises(DistillationError, match="at least one boolean"):
        accuracy_interval(bad)
    with pytest.raises(DistillationError, match="at least one boolean"):
        difference_interval(bad, bad)


def test_lengths_and_level_are_checked():
    with pytest.raises(DistillationError, match="equal lengths, found 2 and 3"):
        difference_interval(np.ones(2, dtype=bool), np.ones(3, dtype=bool))
    for interval in (accuracy_interval, lambda *a, level: difference_interval(*a, *a, level=level)):
        with pytest.raises(DistillationError, match="level inside"):
            interval(np.ones(2, dtype=bool), level=1.0)
