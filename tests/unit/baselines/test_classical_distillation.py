import numpy as np
import pytest

from qkd_qiskit.baselines import (
    ClassicalDistillationTask,
    ClassicalTask,
    SupportVectorBaseline,
    distil_perceptrons,
)
from qkd_qiskit.distillation import client_training_set

K = 3


def _blobs(n=90, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % K
    return 2.0 * np.eye(4)[labels] + 0.4 * rng.standard_normal((n, 4)), labels


def _round(known, combine):
    public, public_labels = _blobs(seed=2)
    inputs, labels = _blobs(seed=1)
    clients = [
        client_training_set(
            inputs[np.isin(labels, held)],
            labels[np.isin(labels, held)],
            public[:30],
            public_labels[:30],
            n_classes=K,
        )
        for held in ((0, 1), (2,))
    ]
    student_labels = np.where(np.arange(60) < known, public_labels[:60], -1)
    return distil_perceptrons(
        ClassicalDistillationTask(clients, (40, 30), public, combine, public[:60], student_labels, 50, seed=0)
    )


@pytest.mark.parametrize("known", [0, 30, 60])
def test_perceptrons_teach_a_perceptron(known):
    def combine(outputs):
        first, second = outputs
        assert (first.shape, second.shape) == ((90, 3), (90, 2))
        p = np.concatenate([first[:, :2] * second[:, 1:], first[:, 2:] * second[:, :1]], axis=1)
        return (p / p.sum(axis=1, keepdims=True))[:60]

    student = _round(known, combine)
    inputs, labels = _blobs(seed=5)
    assert student.name == "classical_distillation"
    assert (student.predict(inputs) == labels).mean() > 0.95
    assert student.n_weights > 20


def test_without_labels_the_student_believes_its_teacher():
    def wrong(outputs):
        return np.roll(np.eye(K)[_blobs(seed=2)[1]], 1, axis=1)[:60]

    inputs, labels = _blobs(seed=5)
    assert (_round(0, wrong).predict(inputs) == (labels + 1) % K).mean() > 0.95


def test_copies_stay_with_their_originals_in_cross_validation():
    """Five originals of random labels, a hundred exact copies each: only a fold that leaks looks good."""
    rng = np.random.default_rng(0)
    originals, labels = rng.standard_normal((20, 3)), np.arange(20) % 2
    groups = np.tile(np.arange(20), 30)
    features = originals[groups] + 1e-3 * rng.standard_normal((600, 3))
    leaking = SupportVectorBaseline().fit_task(ClassicalTask(features, labels[groups], 1, 0))
    grouped = SupportVectorBaseline().fit_task(ClassicalTask(features, labels[groups], 1, 0, groups))
    # With leaks the sharpest kernel wins: it looks up the copy.
    assert leaking.chosen["C"] * leaking.chosen["gamma"] >= grouped.chosen["C"] * grouped.chosen["gamma"]
