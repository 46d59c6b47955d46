"""Baselines that a program passes as objects."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from qkd_qiskit.baselines import BASELINES, OWN_BASELINES, check_baselines, own_baseline
from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import Samples
from qkd_qiskit.errors import DistillationError


class Majority:
    """Answers what most samples are."""

    name = "majority"
    runs_circuits = False

    def fit(self, data):
        return None


def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 40)
    samples = Samples(rng.normal(3.0 * labels[:, None], 1.0, (40, 2)), labels)
    return SimpleNamespace(everything=samples, run=SimpleNamespace(data=SimpleNamespace(classes=(0, 1))))


def test_a_classifier_is_called_by_its_class_and_fitted_as_it_is():
    baseline = own_baseline(KNeighborsClassifier(1), [])
    assert (baseline.name, baseline.runs_circuits) == ("k_neighbors_classifier", False)
    fitted = baseline.fit(data())
    found = fitted.predictions(data().everything.inputs)
    # The nearest neighbour of a sample that was learnt is the sample.
    np.testing.assert_array_equal(found.noisy, data().everything.labels)
    assert (found.ideal, found.noise, found.weights, found.two_qubit_gates) == (None, None, None, None)
    assert own_baseline(SVC(), []).name == "svc"


def test_a_baseline_is_taken_as_it_is():
    baseline = Majority()
    assert own_baseline(baseline, [each.name for each in BASELINES]) is baseline


def test_names_find_a_lent_baseline():
    settings = load_experiment("quickstart").model_copy(update={"baselines": ("majority",)})
    with pytest.raises(DistillationError, match="baselines: expected some of .*, found 'majority'"):
        check_baselines(settings)
    with OWN_BASELINES.lent({"majority": Majority()}):
        check_baselines(settings)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Majority, "expected names, scikit-learn classifiers, or objects with name, runs_circuits and fit"),
        (7, "found 7 of type int"),
        (type("Mean", (Majority,), {"name": "mlp"})(), "found 'mlp', which another model has"),
        (type("Odd", (Majority,), {"name": "two words"})(), "found 'two words'"),
    ],
)
def test_what_is_no_baseline_is_refused(given, told):
    with pytest.raises(DistillationError, match=told):
        own_baseline(given, ["mlp"])


class Answers:
    """A fitted classifier with answers of its own."""

    def __init__(self, answers):
        self.answers = answers

    def get_params(self, deep=True):
        return {"answers": self.answers}

    def set_params(self, **_):
        return self

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.answers


@pytest.mark.parametrize("answers", [np.array(["a"] * 40), np.zeros(3, int), np.full(40, 2), np.zeros(40)])
def test_answers_that_are_no_class_indices_are_refused(answers):
    fitted = own_baseline(Answers(answers), []).fit(data())
    with pytest.raises(DistillationError, match="baseline answers: expected 40 class indices below 2"):
        fitted.predictions(np.zeros((40, 2)))
