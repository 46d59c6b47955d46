import numpy as np
import pytest
from scipy.stats import bootstrap

from qkd_qiskit.errors import DistillationError
from qkd_qiskit.evaluation import accuracy_interval, difference_interval


def _rng(seed=0):
    return np.random.default_rng(seed)


def test_accuracy_interval_agrees_with_scipy():
    correct = _rng(1).random(300) < 0.8
    ours = accuracy_interval(correct, rng=_rng())
    theirs = bootstrap(
        (correct.astype(float),), np.mean, method="percentile", rng=_rng(), n_resamples=9999
    ).confidence_interval
    assert ours.value == correct.mean()
    assert ours.samples == 300
    np.testing.assert_allclose([ours.low, ours.high], theirs, atol=0.005)


def test_difference_interval_agrees_with_scipy():
    rng = _rng(2)
    good, base = rng.random(250) < 0.9, rng.random(250) < 0.8
    ours = difference_interval(good, base, rng=_rng())
    paired = good.astype(float) - base
    theirs = bootstrap(
        (paired,), np.mean, method="percentile", rng=_rng(), n_resamples=9999
    ).confidence_interval
    assert ours.value == pytest.approx(paired.mean())
    np.testing.assert_allclose([ours.low, ours.high], theirs, atol=0.008)


def test_pairing_narrows_the_interval():
    base = _rng(3).random(400) < 0.7
    better = base | (_rng(4).random(400) < 0.1)
    paired = difference_interval(better, base, rng=_rng())
    shuffled = difference_interval(_rng(5).permutation(better), base, rng=_rng())
    assert paired.high - paired.low < shuffled.high - shuffled.low
    assert paired.low > 0


@pytest.mark.parametrize("right", [0, 1])
def test_one_sample(right):
    interval = accuracy_interval(np.array([bool(right)]), rng=_rng())
    assert (interval.value, interval.low, interval.high, interval.samples) == (right, right, right, 1)


def test_a_model_does_not_differ_from_itself():
    correct = _rng(6).random(50) < 0.5
    interval = difference_interval(correct, correct, rng=_rng())
    assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_one_seed_one_interval():
    correct = _rng(7).random(77) < 0.5
    assert accuracy_interval(correct, rng=_rng(1)) == accuracy_interval(correct, rng=_rng(1))


def test_a_higher_level_is_wider():
    correct = _rng(8).random(77) < 0.5
    narrow, wide = (accuracy_interval(correct, rng=_rng(), level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("bad", [np.array([], dtype=bool), np.array([0, 1]), np.ones((2, 2), dtype=bool)])
def test_bad_samples(bad):
    with pytest.raises(DistillationError, match="at least one boolean"):
        accuracy_interval(bad, rng=_rng())
    with pytest.raises(DistillationError, match="at least one boolean"):
        difference_interval(bad, bad, rng=_rng())


def test_lengths_and_level_are_checked():
    with pytest.raises(DistillationError, match="equal lengths, found 2 and 3"):
        difference_interval(np.ones(2, dtype=bool), np.ones(3, dtype=bool), rng=_rng())
    with pytest.raises(DistillationError, match="level inside"):
        accuracy_interval(np.ones(2, dtype=bool), rng=_rng(), level=1.0)
