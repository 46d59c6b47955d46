import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import softmax

from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training import Objective, Targets

LABELS = np.array([0, 1, 2, -1])
SOFT = np.full((4, 3), 1 / 3)


@pytest.mark.parametrize(
    "targets",
    [
        Targets(3, labels=LABELS),
        Targets(3, soft=SOFT),
        Targets(3, labels=LABELS, soft=SOFT, alpha=0.3, temperature=2.0),
        Targets(
            3, labels=LABELS, soft=SOFT, alpha=0.3, soft_loss="kl", weights=np.array([1.0, 2.0, 0.0, 1.0])
        ),
    ],
)
def test_value_and_gradient_agree_with_values_and_finite_differences(make_toy, targets):
    rng = np.random.default_rng(0)
    objective = Objective(make_toy(5, 3), rng.standard_normal((4, 5)), targets, l2=0.1)
    params = rng.standard_normal(objective.n_params)
    value, gradient = objective.value_and_gradient(params)
    np.testing.assert_allclose(value, objective.values(params[None])[0])
    np.testing.assert_allclose(
        gradient, approx_fprime(params, lambda x: objective.values(x[None])[0], 1e-7), rtol=1e-4, atol=1e-6
    )


def test_alpha_mixes_the_two_losses(make_toy):
    rng = np.random.default_rng(1)
    inputs, params = rng.standard_normal((4, 5)), rng.standard_normal((2, 21))
    soft = softmax(rng.standard_normal((4, 3)), axis=-1)

    def loss(**kind):
        return Objective(make_toy(5, 3), inputs, Targets(3, **kind)).values(params)

    mixed = loss(labels=LABELS, soft=soft, alpha=0.25)
    np.testing.assert_allclose(mixed, 0.25 * loss(labels=LABELS) + 0.75 * loss(soft=soft))


def test_evaluations_are_counted(make_toy):
    objective = Objective(make_toy(5, 3), np.ones((4, 5)), Targets(3, labels=LABELS))
    objective.values(np.zeros((7, 21)))
    objective.value_and_gradient(np.zeros(21))
    assert (objective.evaluations, objective.gradients) == (8, 1)


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ({}, "found neither"),
        ({"labels": LABELS, "alpha": 1.5}, "alpha in"),
        ({"soft": SOFT, "temperature": 0.0}, "positive temperature"),
        ({"soft": SOFT, "soft_loss": "l1"}, "mse or kl"),
        ({"labels": np.array([], dtype=int)}, "at least one sample"),
        ({"labels": np.array([0.0, 1.0])}, "integer labels"),
        ({"labels": np.array([0, 3])}, "from -1 to 2, found 0 to 3"),
        ({"labels": np.array([-1, -1])}, "at least one labelled"),
        ({"soft": np.ones((4, 2))}, "soft labels of shape"),
        ({"labels": LABELS[:2], "soft": SOFT}, "soft labels of shape"),
        ({"soft": SOFT * np.nan}, "finite soft labels"),
        ({"labels": LABELS, "weights": -np.ones(4)}, "nonnegative sample weights"),
    ],
)
def test_targets_that_do_not_fit(kind, match):
    with pytest.raises(TrainingError, match=match):
        Targets(3, **kind)


def test_objective_refuses_inputs_that_do_not_fit(make_toy):
    with pytest.raises(TrainingError, match=r"shape \(4, F\), found \(5, 5\)"):
        Objective(make_toy(5, 3), np.ones((5, 5)), Targets(3, labels=LABELS))
    with pytest.raises(TrainingError, match="at least 3 outcomes, found 2"):
        Objective(make_toy(5, 2), np.ones((4, 5)), Targets(3, labels=LABELS))


def test_refinement_needs_gradients(make_toy):
    toy = make_toy(5, 3)

    class Sampled:
        spec, probabilities = toy.spec, toy.probabilities

    objective = Objective(Sampled(), np.ones((4, 5)), Targets(3, labels=LABELS))
    with pytest.raises(TrainingError, match="evaluator with gradients, found Sampled"):
        objective.value_and_gradient(np.zeros(21))
