"""Models are told apart on what neither has learnt, whatever their temperature, and noise tells nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.distillation import Judge, difference, simplest


def _worse(student, floor, labels, numbers):
    judge = Judge(labels, numbers)
    apart, error = difference(judge.losses(student), judge.losses(floor))
    return apart > error


def _models(n=200):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, n)
    guess = [np.where(rng.random(n) < skill, labels, rng.integers(0, 4, n)) for skill in (0.9, 0.6)]
    good, bad = (0.9 * np.eye(4)[votes] + 0.025 for votes in guess)
    return labels, good, bad


def _tempered(p, power):
    return p**power / (p**power).sum(axis=1, keepdims=True)


def test_the_worse_model_is_found_whatever_its_temperature():
    labels, good, bad = _models()
    numbers = np.arange(200)
    for p in (good, _tempered(good, 0.2)):
        for q in (bad, _tempered(bad, 5.0)):
            assert _worse(q, p, labels, numbers)
            assert not _worse(p, q, labels, numbers)
    assert not _worse(good, good, labels, numbers)


def test_copies_are_no_further_evidence():
    """One sample of four is answered worse: noise, however many copies of the four there are."""
    labels, floor = np.arange(4), 0.6 * np.eye(4) + 0.1
    student = floor.copy()
    student[0] = [0.4, 0.4, 0.1, 0.1]
    assert not _worse(student, floor, labels, np.arange(4))
    many = [np.repeat(a, 100, axis=0) for a in (student, floor, labels, np.arange(4))]
    assert not _worse(*many)
    assert _worse(*many[:3], np.arange(400))


def test_the_first_model_stays_unless_another_is_better_than_noise():
    labels, good, bad = _models()
    judge = Judge(labels, np.arange(200))
    assert simplest([judge.losses(p) for p in (bad, good)]) == 1
    assert simplest([judge.losses(p) for p in (good, bad, good)]) == 0
    other = judge.losses(good) + np.where(np.arange(200) % 2, 0.2, -0.199)
    assert other.mean() > judge.losses(good).mean()
    assert simplest([other, judge.losses(good)]) == 0


@given(st.lists(st.lists(st.floats(0, 5), min_size=3, max_size=3), min_size=1, max_size=5))
def test_what_is_chosen_is_the_best_but_for_noise(found):
    losses = [np.array(loss) for loss in found]
    chosen = simplest(losses)
    best = min(losses, key=np.mean)
    apart, error = difference(losses[chosen], best)
    assert apart <= error
    for before in losses[:chosen]:
        apart, error = difference(before, best)
        assert apart > error


def test_a_difference_of_one_sample_has_no_error():
    assert difference(np.array([2.0]), np.array([0.5])) == (pytest.approx(1.5), 0.0)
