"""`VQCNNClassifier` among scikit-learn's own tools."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from qkd_qiskit.errors import ClassifierError, QKDError
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.interop import classifier
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
        ({"n_qubits": 0}, "n_qubits: expected an integer from 2 to 32, found 0"),
        ({"n_qubits": 1}, "n_qubits: expected an integer from 2 to 32, found 1$"),
        ({"kernel": "QX0"}, "'QX0'"),
        ({"encoding": "phase"}, "phase"),
        ({"sharing": "some"}, "some"),
        ({"budget": "all"}, "expected \"auto\", a number or a spec, found 'all'"),
        ({"budget": 2.5}, "budget: expected .*, found 2.5 of type float"),
        ({"budget": 2}, "expected at least 3 two-qubit blocks, found 2"),
        ({"budget": VQCNNSpec(3, n_outcomes=4)}, "expected a spec of 4 qubits"),
        ({"budget": VQCNNSpec(4, n_outcomes=2)}, "at least 3 outcomes"),
        ({"backend": "nowhere"}, "unknown device 'nowhere'"),
        ({"n_qubits": 14, "backend": "ion_trap"}, "ion_trap"),
        ({"particles": 1}, "particles: expected at least 2, found 1; "),
    ],
)
def test_parameters_that_do_not_fit_are_value_errors(params, message, iris):
    with pytest.raises(ClassifierError, match=message):
        VQCNNClassifier(**params).fit(*iris)
    assert issubclass(ClassifierError, ValueError)
    assert issubclass(ClassifierError, QKDError)


@pytest.mark.parametrize(
    ("params", "labels"),
    [
        ({"backend": "nowhere"}, [0, 1] * 20),
        ({"n_qubits": 1}, [0, 1] * 20),
        ({"budget": 0}, [0, 1] * 20),
        ({}, [0] * 40),
        ({}, [0.5, 0.7] * 20),
    ],
)
def test_a_refit_that_fails_leaves_the_estimator_as_it_was(params, labels):
    features = np.random.default_rng(0).normal(size=(40, 4))
    model = VQCNNClassifier(2, iterations=0, refine=1, random_state=0).fit(features, [0, 1] * 20)
    expected, before = model.predict_proba(features), model.get_params()
    model.set_params(**params)
    with pytest.raises(ValueError, match="VQCNNClassifier|class|label"):
        model.fit(features[:, :3], labels)
    model.set_params(**before)
    np.testing.assert_array_equal(model.predict_proba(features), expected)
    assert model.classes_.tolist() == [0, 1]
    assert model.n_features_in_ == 4


def test_an_interrupted_refit_leaves_the_estimator_as_it_was(monkeypatch):
    features, labels = np.random.default_rng(0).normal(size=(40, 4)), [0, 1] * 20
    model = VQCNNClassifier(2, iterations=0, refine=1, random_state=0).fit(features, labels)
    before = dict(vars(model))
    monkeypatch.setattr(classifier, "train_model", lambda *_, **__: interrupt())
    with pytest.raises(KeyboardInterrupt):
        model.fit(features * 2, labels)
    assert vars(model) == before


def interrupt():
    raise KeyboardInterrupt


def test_columns_of_a_table_have_names_and_any_numbers():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 4)), columns=["a", "b", "c", "d"])
    labels = pd.Series(np.where(frame["a"] > 0, "yes", "no"), dtype="category")
    model = VQCNNClassifier(2, iterations=0, refine=5, random_state=0).fit(frame, labels)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert model.classes_.tolist() == ["no", "yes"]
    plain = clone(model).fit(frame.to_numpy(), np.asarray(labels))
    np.testing.assert_array_equal(model.predict_proba(frame), plain.predict_proba(frame.to_numpy()))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c", "d"]])
    nullable = frame.assign(a=(10 * frame["a"]).round().astype("Int64"))
    assert len(clone(model).fit(nullable, labels).predict(nullable)) == 40


def test_one_class_is_refused():
    with pytest.raises(ClassifierError, match="expected at least 2 classes, found 1 class"):
        VQCNNClassifier().fit([[1.0], [2.0]], [1, 1])
