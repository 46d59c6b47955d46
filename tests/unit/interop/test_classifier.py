"""`VQCNNClassifier` among scikit-learn's own tools."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from qkd_qiskit.errors import ClassifierError, QKDError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.interop.classifier import VQCNNClassifier
from qkd_qiskit.simulation import AerEvaluator
from qkd_qiskit.vqcnn import VQCNNSpec


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@parametrize_with_checks([VQCNNClassifier(n_qubits=2, particles=4, iterations=1, refine=20)])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_accuracy_on_real_data_with_and_without_noise(iris):
    features, labels = iris
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:100], order[100:]
    for backend in (None, "noisy_line"):
        model = VQCNNClassifier(backend=backend, random_state=1).fit(features[train], labels[train])
        # The largest class holds a third.
        assert model.score(features[test], labels[test]) > 0.85
        assert model.budget_.spec == model.spec_


def test_probabilities_under_a_device_are_those_of_aer(iris):
    features, labels = iris
    device = load_backend("ibm_guadalupe")
    model = VQCNNClassifier(budget=3, backend=device, refine=5, random_state=1).fit(features, labels)
    transpiled = transpile_verified(model.spec_, device)
    inputs = model.encoder_.transform(features[::30])
    outcomes = AerEvaluator(transpiled, device.noise_model).probabilities(model.params_[:-1], inputs)[:, :3]
    powers = outcomes ** np.exp(model.params_[-1])
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(features[::30]), expected, atol=1e-6)


def test_names_of_classes_and_pipeline_and_grid_search(iris):
    features, labels = iris
    names = np.array(["setosa", "versicolor", "virginica"])[labels]
    pipeline = make_pipeline(
        StandardScaler(), VQCNNClassifier(n_qubits=2, iterations=0, refine=10, random_state=0)
    )
    search = GridSearchCV(pipeline, {"vqcnnclassifier__kernel": ["one_cx", "su4"]}, cv=2).fit(features, names)
    assert search.best_score_ > 0.8
    assert search.predict_proba(features).shape == (150, 3)
    assert set(search.predict(features)) <= set(names)


def test_workers_of_joblib_agree_with_this_process(iris):
    features, labels = iris
    model = VQCNNClassifier(
        n_qubits=2, kernel="one_cx", backend="noisy_line", iterations=0, refine=5, random_state=3
    )
    here = cross_val_score(model, features, labels, cv=2)
    with joblib.parallel_backend("loky", n_jobs=2):
        there = cross_val_score(model, features, labels, cv=2)
    np.testing.assert_array_equal(here, there)


def test_a_pickled_estimator_predicts_the_same(iris):
    features, labels = iris
    model = VQCNNClassifier(n_qubits=2, backend="noisy_line", iterations=0, refine=5, random_state=3)
    expected = model.fit(features, labels).predict_proba(features)
    data = pickle.dumps(model)
    np.testing.assert_array_equal(pickle.loads(data).predict_proba(features), expected)
    assert len(data) < 50_000


def test_equal_seeds_give_equal_models(iris):
    features, labels = iris
    model = VQCNNClassifier(n_qubits=2, iterations=1, refine=5, random_state=7)
    first, again = model.fit(features, labels).params_, clone(model).fit(features, labels).params_
    np.testing.assert_array_equal(first, again)
    assert (clone(model).set_params(random_state=8).fit(features, labels).params_ != first).any()


@pytest.mark.parametrize("blocks", [3, 4, 8])
def test_a_budget_in_blocks_is_never_exceeded(blocks, iris):
    features, labels = iris
    model = VQCNNClassifier(budget=blocks, iterations=0, refine=1, random_state=0).fit(features, labels)
    assert 3 <= len(model.spec_.blocks) <= blocks
    assert model.budget_ is None


def test_a_spec_is_taken_as_it_is(iris):
    spec = VQCNNSpec(3, plan="conv, tree, conv", kernels="two_cx", n_outcomes=4)
    features, labels = iris
    model = VQCNNClassifier(3, budget=spec, iterations=0, refine=20, random_state=0).fit(features, labels)
    assert model.spec_ is spec
    # Outcome 3 is no class: probabilities are renormalized over the other three.
    np.testing.assert_allclose(model.predict_proba(features).sum(axis=1), 1)


def test_amplitude_encoding_takes_features_up_to_two_to_the_qubits():
    features, labels = make_blobs(60, 4, centers=2, random_state=0)
    model = VQCNNClassifier(2, encoding="amplitude", random_state=0).fit(features, labels)
    assert model.score(features, labels) > 0.9


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_qubits": 0}, "expected at least 1 qubit"),
        ({"kernel": "QX0"}, "'QX0'"),
        ({"encoding": "phase"}, "phase"),
        ({"sharing": "some"}, "some"),
        ({"budget": "all"}, "expected \"auto\", a number or a spec, found 'all'"),
        ({"budget": 2}, "expected at least 3 two-qubit blocks, found 2"),
        ({"budget": VQCNNSpec(3, n_outcomes=4)}, "expected a spec of 4 qubits"),
        ({"budget": VQCNNSpec(4, n_outcomes=2)}, "at least 3 outcomes"),
        ({"backend": "nowhere"}, "unknown device 'nowhere'"),
        ({"n_qubits": 14, "backend": "ion_trap"}, "ion_trap"),
        ({"particles": 1}, "particles"),
    ],
)
def test_parameters_that_do_not_fit_are_value_errors(params, message, iris):
    with pytest.raises(ClassifierError, match=message):
        VQCNNClassifier(**params).fit(*iris)
    assert issubclass(ClassifierError, ValueError)
    assert issubclass(ClassifierError, QKDError)


def test_one_class_is_refused():
    with pytest.raises(ClassifierError, match="expected at least 2 classes, found 1 class"):
        VQCNNClassifier().fit([[1.0], [2.0]], [1, 1])
