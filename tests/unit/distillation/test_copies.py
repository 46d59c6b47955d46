import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.data import Origins
from qkd_qiskit.distillation import pool_copies
from qkd_qiskit.errors import DistillationError


def test_copies_share_the_mean_and_blends_blend_it():
    soft = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.4, 0.6], [1.0, 0.0]])
    # Two originals, a copy of each, and a blend of both whose own label says nothing.
    origins = Origins.of_copies(2, 1) + Origins(np.array([1]), np.array([0]), np.array([0.75]))
    pooled = pool_copies(soft, origins)
    first, second = [0.7, 0.3], [0.3, 0.7]
    np.testing.assert_allclose(pooled, [first, second, first, second, [0.4, 0.6]])


def test_originals_without_copies_keep_their_labels():
    soft = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    np.testing.assert_allclose(pool_copies(soft, Origins.of_copies(4, 0)), soft)


def test_nothing_stays_nothing():
    assert pool_copies(np.empty((0, 3)), Origins.of_copies(0, 2)).shape == (0, 3)


@given(n=st.integers(1, 6), copies=st.integers(0, 3), blends=st.integers(0, 8), seed=st.integers(0, 99))
def test_pooled_labels_are_probabilities_and_stay_when_pooled_again(n, copies, blends, seed):
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, n, (2, blends))
    origins = Origins.of_copies(n, copies) + Origins(*pairs, rng.uniform(0.5, 1, blends))
    soft = rng.dirichlet(np.ones(4), len(origins.first))
    pooled = pool_copies(soft, origins)
    np.testing.assert_allclose(pooled.sum(axis=1), 1)
    assert (pooled >= 0).all()
    np.testing.assert_allclose(pool_copies(pooled, origins), pooled, atol=1e-12)


def test_wrong_numbers_are_refused():
    with pytest.raises(DistillationError, match=r"soft labels of 4 samples, found shape \(3, 2\)"):
        pool_copies(np.ones((3, 2)), Origins.of_copies(2, 1))
    orphan = Origins(np.array([0, 1]), np.array([0, 0]), np.array([1.0, 0.6]))
    with pytest.raises(DistillationError, match="a sample of every original, found none of number 1"):
        pool_copies(np.ones((2, 2)), orphan)
