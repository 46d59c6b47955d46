import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.distillation import least_certain
from qkd_qiskit.errors import DistillationError


def test_the_smallest_margin_counts_and_not_the_largest_probability():
    # The second row's likeliest class is likelier than the first's, but its rival is closer.
    soft = np.array([[0.40, 0.20, 0.20, 0.20], [0.45, 0.44, 0.06, 0.05], [0.97, 0.01, 0.01, 0.01]])
    assert least_certain(soft, 1).tolist() == [1]
    assert least_certain(soft, 2).tolist() == [0, 1]


def test_of_equal_margins_the_first_are_taken():
    assert least_certain(np.full((5, 2), 0.5), 3).tolist() == [0, 1, 2]


@given(n=st.integers(1, 12), classes=st.integers(2, 5), seed=st.integers(0, 99), data=st.data())
def test_nobody_outside_is_less_certain_than_anybody_inside(n, classes, seed, data):
    soft = np.random.default_rng(seed).dirichlet(np.ones(classes), n)
    wanted = data.draw(st.integers(0, n))
    chosen = least_certain(soft, wanted)
    assert len(chosen) == wanted
    assert (np.diff(chosen) > 0).all()
    ordered = np.sort(soft, axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    outside = np.delete(margins, chosen)
    assert not wanted or not len(outside) or margins[chosen].max() <= outside.min()


def test_more_labels_than_samples_are_refused():
    with pytest.raises(DistillationError, match="expected to ask for 0 to 3 labels, found 4"):
        least_certain(np.full((3, 2), 0.5), 4)
    with pytest.raises(DistillationError, match="found -1"):
        least_certain(np.full((3, 2), 0.5), -1)


def test_one_class_leaves_nothing_to_choose():
    with pytest.raises(DistillationError, match=r"expected soft labels of shape \(N, G\), G > 1"):
        least_certain(np.ones((3, 1)), 1)
