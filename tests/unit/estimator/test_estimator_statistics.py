"""Statistics against slow definitions, and on data that nobody wishes for."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import NearestCentroid

from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import data_statistics
from qkd_qiskit.estimator.statistics import SUBSAMPLE, class_overlap, effective_dimension


def blobs(n, k, distance, seed=0, features=6):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return rng.normal(size=(n, features)) + distance * rng.normal(size=(k, features))[y], y


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("distance", [0.3, 1.0])
def test_overlap_is_the_leave_one_out_error_of_the_nearest_centroid_rule(k, distance):
    x, y = blobs(61, k, distance)
    guesses = cross_val_predict(NearestCentroid(), x, y, cv=LeaveOneOut())
    expected = (1 - balanced_accuracy_score(y, guesses)) / (1 - 1 / k)
    assert class_overlap(x, y) == pytest.approx(min(expected, 1.0), abs=1e-12)


@given(st.integers(0, 1000), st.floats(-100, 100), st.floats(0.01, 100))
@settings(max_examples=30)
def test_overlap_does_not_depend_on_origin_and_scale(seed, shift, scale):
    x, y = blobs(40, 3, 0.8, seed)
    assert class_overlap(scale * x + shift, y) == pytest.approx(class_overlap(x, y))


def test_overlap_falls_with_the_distance_of_the_classes():
    overlaps = [class_overlap(*blobs(600, 3, distance)) for distance in (0.0, 0.3, 1.0, 3.0, 10.0)]
    assert overlaps == sorted(overlaps, reverse=True)
    assert overlaps[0] > 0.9
    assert overlaps[-1] == 0.0


def test_overlap_counts_lonely_samples_as_errors_and_ties_by_chance():
    x = np.array([[0.0], [0.1], [5.0]])
    assert class_overlap(x, np.array([0, 0, 1])) == pytest.approx(1.0)
    assert class_overlap(np.ones((8, 2)), np.arange(8) % 2) == pytest.approx(1.0)
    assert class_overlap(x, np.zeros(3, dtype=int)) == 0.0


@pytest.mark.parametrize("shape", [(50, 7), (7, 50)])
def test_dimension_is_the_participation_ratio_of_the_covariance(shape):
    x = np.random.default_rng(2).normal(size=shape) * np.geomspace(1, 0.1, shape[1])
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert effective_dimension(x) == pytest.approx(expected)
    assert effective_dimension(1e-6 * x + 3.0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("directions", "expected"), [(1, 1.0), (3, 3.0)])
def test_dimension_counts_directions(directions, expected):
    steps = np.zeros((2 * directions, 5))
    for i in range(directions):
        steps[2 * i : 2 * i + 2, i] = 1, -1
    assert effective_dimension(steps) == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_equal_rows_have_no_dimension(n):
    stats = data_statistics(np.full((n, 4), 0.1), np.zeros(n))
    assert stats.dimension == 0.0
    assert (stats.samples, stats.duplicates, stats.distinct) == (n, n - 1, 1)
    assert (stats.classes, stats.entropy, stats.overlap, stats.separability) == (1, 0.0, 0.0, 1.0)


def test_counts():
    x = np.arange(16.0).reshape(8, 2)
    x[3] = x[0]
    x[4], x[5] = [0.0, 1.0], [-0.0, 1.0]
    stats = data_statistics(x, list("aaaabbcc"))
    assert stats.entropy == pytest.approx(1.5)
    assert (stats.samples, stats.duplicates, stats.classes, stats.imbalance) == (8, 3, 3, 2.0)
    assert stats.to_dict()["separability"] == stats.separability


def test_copies_do_not_make_the_classes_look_separable():
    x, y = blobs(30, 3, 0.2)
    stats, copied = data_statistics(x, y), data_statistics(np.tile(x, (4, 1)), np.tile(y, 4))
    assert (copied.overlap, copied.dimension) == (stats.overlap, stats.dimension)
    assert (copied.samples, copied.distinct) == (120, 30)


def test_amplitudes_are_measured_as_they_are():
    x, y = blobs(40, 2, 1.0, features=8)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert data_statistics(x, y, encoding="amplitude").overlap == class_overlap(x, y)


def test_many_classes_and_many_samples_take_less_than_a_second():
    rng = np.random.default_rng(3)
    thousand = data_statistics(rng.normal(size=(3000, 16)), np.arange(3000) % 1000)
    assert thousand.classes == 1000
    assert thousand.entropy == pytest.approx(np.log2(1000))
    x, y = rng.uniform(-1.5, 1.5, size=(60_000, 16)), rng.integers(10, size=60_000)
    start = time.thread_time()
    stats = data_statistics(x, y)
    assert time.thread_time() - start < 1.0
    assert stats.samples == 60_000


def test_the_subsample_keeps_rare_classes_and_its_seed():
    n = 2 * SUBSAMPLE
    rng = np.random.default_rng(4)
    y = np.zeros(n, dtype=int)
    y[:2] = 1
    x = rng.normal(size=(n, 2))
    x[:2] += 30.0
    stats = data_statistics(x, y, encoding="amplitude", seed=7)
    assert stats.overlap < 0.01
    assert stats == data_statistics(x, y, encoding="amplitude", seed=7)
    assert stats.dimension != data_statistics(x, y, encoding="amplitude", seed=8).dimension


GOOD = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((0, 4)), [], "at least one sample and feature, found 0 samples of 4 features"),
        (np.zeros((3, 0)), [1, 2, 3], "at least one sample and feature"),
        (np.zeros(3), [1, 2, 3], r"shape \[samples, features\], found shape \[3\]"),
        (GOOD, [1, 2], "one label for each of 3 samples"),
        (GOOD, [[1], [2], [3]], "one label for each of 3 samples"),
        (np.array([[0, 0], [0, np.nan], [np.inf, 0]]), [1, 2, 3], "in 2 of 3 rows, first in row 1"),
        (GOOD, [1, np.nan, 2], "finite labels"),
        ([["a", "b"]], [1], "expected a table of numbers"),
        ([[1, 2], [3]], [1, 2], "expected a table of numbers"),
        (GOOD, np.array([1, "a", None], dtype=object), "mixed types"),
        (np.zeros((3, 5)), [1, 2, 3], "two angles for each qubit, found 5"),
    ],
)
def test_bad_data_gets_one_clear_line(x, y, message):
    with pytest.raises(EstimatorError, match=message) as caught:
        data_statistics(x, y)
    assert "\n" not in str(caught.value)


def test_unknown_encoding():
    with pytest.raises(EstimatorError, match="unknown encoding 'basis': expected angle or amplitude"):
        data_statistics(GOOD, [1, 2, 3], encoding="basis")
