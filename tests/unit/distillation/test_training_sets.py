import numpy as np
import pytest

from qkd_qiskit.distillation import client_training_set, refined_training_set
from qkd_qiskit.errors import DistillationError

PUBLIC = np.arange(24.0).reshape(12, 2)
PUBLIC_LABELS = np.arange(12) % 4


def _set(labels, public_labels=PUBLIC_LABELS):
    labels = np.array(labels, dtype=int)
    return client_training_set(
        -np.ones((len(labels), 2)), labels, PUBLIC[: len(public_labels)], public_labels, n_classes=4
    )


def test_a_client_with_all_classes_needs_no_reject_outcome():
    made = _set([0, 1, 2, 3, 3])
    assert not made.targets.reject
    assert made.targets.n_outcomes == 4
    np.testing.assert_array_equal(made.targets.labels, [0, 1, 2, 3, 3])
    assert len(made.inputs) == 5


@pytest.mark.parametrize("labels", [[1, 3, 3], [2], [0, 1, 3]])
def test_missing_classes_are_rejected_with_public_images(labels):
    made = _set(labels)
    held = sorted(set(labels))
    other = ~np.isin(PUBLIC_LABELS, held)
    assert made.targets.reject
    assert made.targets.n_outcomes == len(held) + 1
    np.testing.assert_array_equal(made.held, held)
    np.testing.assert_array_equal(made.inputs[len(labels) :], PUBLIC[other])
    np.testing.assert_array_equal(
        made.targets.labels, [held.index(label) for label in labels] + [len(held)] * other.sum()
    )
    rejecting = made.targets.labels == len(held)
    share = made.targets.weights[rejecting].sum() / made.targets.weights.sum()
    assert share == pytest.approx(1 - len(held) / 4)


def test_bad_requests():
    with pytest.raises(DistillationError, match="at least one, found 0 and 0"):
        _set([])
    with pytest.raises(DistillationError, match="1 of 4 classes: expected public samples of the others"):
        _set([0], np.zeros(3, dtype=int))


def _refined(labels, teacher, seed=0):
    first = _set(labels)
    rng = np.random.default_rng(seed)
    return refined_training_set(first, len(labels), PUBLIC, np.asarray(teacher), rng=rng)


def test_a_refined_client_keeps_its_labels_and_folds_other_classes_into_reject():
    teacher = np.tile([0.1, 0.2, 0.3, 0.4], (12, 1))
    made = _refined([1, 3, 3], teacher)
    assert (made.targets.reject, len(made.inputs)) == (True, 6)
    np.testing.assert_array_equal(made.targets.soft[:3], [[1, 0, 0], [0, 1, 0], [0, 1, 0]])
    np.testing.assert_allclose(made.targets.soft[3:], np.tile([0.2, 0.4, 0.4], (3, 1)))
    assert made.targets.soft_loss == "kl"


def test_a_refined_client_with_all_classes_takes_the_soft_labels_as_they_are():
    teacher = np.random.default_rng(1).dirichlet(np.ones(4), 12)
    made = _refined([0, 1, 2, 3], teacher)
    assert not made.targets.reject
    for row, soft in zip(made.inputs[4:], made.targets.soft[4:], strict=True):
        np.testing.assert_allclose(soft, teacher[np.flatnonzero((row == PUBLIC).all(axis=1))[0]])


def test_no_more_public_samples_than_there_are():
    assert len(_refined([0, 1] * 20, np.full((12, 4), 0.25)).inputs) == 52


def test_soft_labels_must_fit_the_public_samples():
    with pytest.raises(DistillationError, match="expected 12 soft labels, found 3"):
        _refined([0], np.full((3, 4), 0.25))
