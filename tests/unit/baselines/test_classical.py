import warnings

import numpy as np
import pytest

from qkd_qiskit.baselines import (
    ClassicalTask,
    LogisticBaseline,
    PerceptronBaseline,
    SupportVectorBaseline,
    hidden_units,
)
from qkd_qiskit.errors import DistillationError

MEMBERS = [LogisticBaseline(), SupportVectorBaseline(), PerceptronBaseline()]


def _blobs(n_classes, n=90, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    return 2.0 * np.eye(n_features)[labels] + 0.4 * rng.standard_normal((n, n_features)), labels


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_classes(member, n_classes):
    features, labels = _blobs(n_classes)
    fitted = member.fit_task(ClassicalTask(features, labels, n_weights=60, seed=0))
    assert (fitted.predict(_blobs(n_classes, seed=1)[0]) == labels).mean() > 0.95
    assert fitted.chosen
    assert fitted.converged


def test_stored_numbers_by_hand():
    features, labels = _blobs(3)
    logistic = LogisticBaseline().fit_task(ClassicalTask(features, labels, n_weights=60, seed=0))
    assert logistic.n_weights == 3 * (5 + 1)
    mlp = PerceptronBaseline().fit_task(ClassicalTask(features, labels, n_weights=60, seed=0))
    hidden = hidden_units(60, 5, 3)
    assert mlp.n_weights == hidden * (5 + 1) + 3 * (hidden + 1)
    svm = SupportVectorBaseline().fit_task(ClassicalTask(features, labels, n_weights=60, seed=0))
    n_support = len(svm.model[-1].support_)
    assert svm.n_weights == n_support * 5 + n_support * 2 + 3


@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("n_weights", [1, 76, 331])
def test_the_perceptron_is_about_as_large_as_asked(n_weights, n_classes):
    hidden, outputs = hidden_units(n_weights, 16, n_classes), 1 if n_classes == 2 else n_classes
    unit = 16 + 1 + outputs
    total = hidden * unit + outputs
    assert hidden >= 1
    assert abs(total - n_weights) <= unit / 2 or hidden == 1


def test_classes_with_one_sample_leave_cross_validation_out():
    features, labels = _blobs(3, n=7)
    labels = np.array([0, 0, 0, 1, 1, 1, 2])
    assert (
        SupportVectorBaseline().fit_task(ClassicalTask(features, labels, n_weights=60, seed=0)).chosen == {}
    )


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_one_seed_one_model(member):
    features, labels = _blobs(3)
    noisy = features + np.random.default_rng(2).standard_normal(features.shape)
    first, second = (member.fit_task(ClassicalTask(noisy, labels, n_weights=60, seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first.predict(features), second.predict(features))
    assert first.chosen == second.chosen


def test_a_fit_that_does_not_converge_says_so(monkeypatch):
    from qkd_qiskit.baselines import classical

    monkeypatch.setattr(classical, "MAX_ITERATIONS", 2)
    features, labels = _blobs(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (
            not PerceptronBaseline().fit_task(ClassicalTask(features, labels, n_weights=60, seed=0)).converged
        )


def test_one_class_is_refused():
    features, labels = _blobs(2)
    with pytest.raises(DistillationError, match="mlp: expected at least 2 classes, found 1"):
        PerceptronBaseline().fit_task(ClassicalTask(features, np.zeros_like(labels), n_weights=60, seed=0))


def test_predictions_tell_the_size_and_no_noise():
    features, labels = _blobs(2)
    fitted = LogisticBaseline().fit_task(ClassicalTask(features, labels, n_weights=1, seed=0))
    found = fitted.predictions(features)
    assert (found.noisy == labels).mean() > 0.95
    assert (found.ideal, found.noise, found.weights, found.two_qubit_gates) == (None, None, 6, None)
