"""`VQCNNClassifier` among scikit-learn's own tools."""

from __future__ import annotations

import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from qiskit import qpy
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
from qkd_qiskit.models import load_model
from qkd_qiskit.simulation import AerEvaluator, compile_model
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
        ({"n_qubits": "wide"}, "n_qubits: expected \"auto\" or a number, found 'wide'"),
        ({"n_qubits": 4, "budget": VQCNNSpec(3, n_outcomes=4)}, "expected a spec of 4 qubits"),
        ({"budget": VQCNNSpec(4, n_outcomes=2)}, "at least 3 outcomes"),
        ({"backend": "nowhere"}, "unknown device 'nowhere'"),
        ({"n_qubits": 14, "backend": "ion_trap"}, "ion_trap"),
        ({"particles": 1}, "particles: expected at least 2, found 1; "),
        ({"early_stopping": "no"}, "early_stopping: expected true or false, found 'no'"),
        ({"warm_start": None}, "warm_start: expected true or false, found None"),
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


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_the_unit_of_features_does_not_matter(factor, iris):
    features, labels = iris[0][::5], iris[1][::5]
    model = VQCNNClassifier(n_qubits=2, iterations=0, refine=5, random_state=0)
    plain, scaled = clone(model).fit(features, labels), clone(model).fit(factor * features, labels)
    np.testing.assert_allclose(plain.params_, scaled.params_, atol=1e-3)
    with pytest.raises(ClassifierError, match=r"expected features of at most 1e\+302 in size, found 7e\+303"):
        model.fit(np.where(features == 5.1, 7e303, 0), labels)


def test_one_class_is_refused():
    with pytest.raises(ClassifierError, match="expected at least 2 classes, found 1 class"):
        VQCNNClassifier().fit([[1.0], [2.0]], [1, 1])


def test_a_weight_is_a_sample_repeated_and_zero_is_none(iris):
    features, labels = iris[0][::6], iris[1][::6]
    weights = np.random.default_rng(3).integers(0, 3, len(labels))
    model = VQCNNClassifier(n_qubits=2, iterations=0, refine=5, random_state=0)
    weighted = clone(model).fit(features, labels, sample_weight=weights)
    repeated = clone(model).fit(features.repeat(weights, axis=0)[::-1], labels.repeat(weights)[::-1])
    np.testing.assert_array_equal(weighted.params_, repeated.params_)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([0.0] * 6, "expected a positive weight, found none|at least one non-zero"), ([-1.0] * 6, "egative")],
)
def test_weights_that_count_nothing_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        VQCNNClassifier().fit(np.eye(6), [0, 1] * 3, sample_weight=weights)


def test_a_warm_start_goes_on_from_the_last_fit(iris):
    features, labels = iris
    model = VQCNNClassifier(2, iterations=0, refine=3, early_stopping=False, warm_start=True, random_state=0)
    losses = [model.fit(features, labels).loss_ for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]
    encoder = model.encoder_
    assert model.fit(features[::2], labels[::2]).encoder_ is encoder
    with pytest.raises(ClassifierError, match="warm start: expected the classes 0, 1, 2, found 0, 1$"):
        model.fit(features[labels < 2], labels[labels < 2])
    with pytest.raises(ClassifierError, match="warm start: expected 4 features, found 3"):
        model.fit(features[:, :3], labels)


def test_width_and_size_follow_the_data():
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=(30, 2)), rng.normal(size=(30, 11))
    labels = np.arange(30) % 2
    model = VQCNNClassifier(iterations=0, refine=1, random_state=0)
    assert clone(model).fit(few, labels).spec_.n_qubits == 4
    assert clone(model).fit(many, labels).spec_.n_qubits == 6
    assert clone(model).set_params(budget=VQCNNSpec(3)).fit(many, labels).spec_.n_qubits == 3
    fitted = clone(model).fit(many, labels)
    assert fitted.budget_.spec == fitted.spec_
    # No more weights than samples, unless the smallest structure has them.
    assert len(fitted.spec_.blocks) == 5


def test_columns_in_other_units_change_nothing():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(120, 4))
    labels = (features[:, 3] > 0).astype(int)
    units = features * [1e4, 1e3, 1e2, 1e-2]
    model = VQCNNClassifier(n_qubits=2, iterations=0, refine=20, random_state=0)
    assert model.fit(units[:80], labels[:80]).score(units[80:], labels[80:]) > 0.85


def test_the_curve_tells_where_the_training_was_stopped(iris, capsys):
    model = VQCNNClassifier(n_qubits=2, refine=30, verbose=1, random_state=0).fit(*iris)
    curve = model.learning_curve_
    assert len(curve.share) == len(curve.loss) == len(curve.held_out) == len(curve.accuracy) == 10
    assert curve.share[-1] == 1
    # What is kept is nearly the best that was seen.
    assert curve.held_out[curve.kept] <= min(curve.held_out) + 0.1
    told = capsys.readouterr().out
    assert "different samples" in told
    assert "on held-out samples" in told
    plain = VQCNNClassifier(n_qubits=2, refine=5, early_stopping=False, random_state=0).fit(*iris)
    assert plain.learning_curve_.held_out == ()
    assert plain.learning_curve_.kept == len(plain.learning_curve_.loss) - 1
    assert plain.learning_curve_.loss[-1] == pytest.approx(plain.loss_)
    assert capsys.readouterr().out == ""


def test_many_samples_are_learnt_in_steps():
    features, labels = make_blobs(260, 4, centers=[[0] * 4, [2] * 4], random_state=0)
    model = VQCNNClassifier(n_qubits=2, steps=30, iterations=0, random_state=0).fit(features, labels)
    assert model.score(features, labels) > 0.9
    with pytest.raises(ClassifierError, match='steps: expected "auto" or a number of at least 0, found -1'):
        model.set_params(steps=-1).fit(features, labels)


@pytest.mark.parametrize("backend", [None, "noisy_line"])
def test_circuit_report_and_exports_are_attributes(backend, iris, tmp_path):
    features, labels = iris
    model = VQCNNClassifier(n_qubits=2, backend=backend, iterations=0, refine=5, random_state=0)
    assert not hasattr(model, "circuit_")
    model.fit(features, labels)
    assert {p.vector.name for p in model.circuit_.parameters} == {"x"}
    (back,) = qpy.load(io.BytesIO(model.qpy_))
    assert back.count_ops() == model.circuit_.count_ops()
    assert "OPENQASM 3" in model.qasm3_
    path = tmp_path / "model.npz"
    path.write_bytes(model.saved_model_.to_bytes())
    loaded = load_model(path)
    assert loaded.classes == (0, 1, 2)
    compiled = compile_model(model.spec_, backend)
    np.testing.assert_allclose(
        loaded.predict_proba(compiled.noisy, features[:9]), model.predict_proba(features[:9]), atol=1e-12
    )
    inputs = model.encoder_.transform(features[:2])
    outcomes = model.sampler_qnn_.forward(inputs, model.params_[:-1])
    # The reference sampler draws shots, and knows no noise.
    np.testing.assert_allclose(outcomes, compiled.ideal.probabilities(model.params_[:-1], inputs), atol=0.1)
    report = model.transpile_report_
    assert (report is None) == (backend is None)
    if report is not None:
        assert report.counted.two_qubit == sum(len(item.qubits) == 2 for item in model.circuit_.data)


def test_labels_that_are_no_whole_numbers_are_saved_as_texts():
    features = np.random.default_rng(0).normal(size=(20, 2))
    model = VQCNNClassifier(n_qubits=2, iterations=0, refine=1, random_state=0)
    assert model.fit(features, np.array([True, False] * 10)).saved_model_.classes == (0, 1)
    assert model.fit(features, np.array([1.0, 2.0] * 10)).saved_model_.classes == (1, 2)
    assert model.fit(features, np.array(["a", "b"] * 10)).saved_model_.classes == ("a", "b")
