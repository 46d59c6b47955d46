import numpy as np
import pytest

from qkd_qiskit.distillation import RULES, aggregate, lift
from qkd_qiskit.errors import DistillationError


def test_reject_mass_goes_to_the_classes_not_held():
    lifted = lift(np.array([[0.5, 0.1, 0.4]]), np.array([0, 2]), 4)
    np.testing.assert_allclose(lifted, [[0.5, 0.2, 0.1, 0.2]])


def test_without_reject_missing_classes_get_zero():
    np.testing.assert_allclose(lift(np.array([[0.7, 0.3]]), np.array([1, 2]), 4), [[0, 0.7, 0.3, 0]])


def test_one_held_class():
    np.testing.assert_allclose(lift(np.array([[0.4, 0.6]]), np.array([1]), 3), [[0.3, 0.4, 0.3]])


def test_lift_by_hand_with_nothing_missing():
    np.testing.assert_allclose(lift(np.array([[0.2, 0.3, 0.5]]), np.array([0, 1]), 2), [[0.4, 0.6]])


def test_lift_refuses_other_columns():
    with pytest.raises(DistillationError, match="expected 2 or 3 columns, found 4"):
        lift(np.ones((1, 4)), np.array([0, 1]), 4)


def _two_clients():
    """Client 0 holds classes 0, 1; client 1 holds 1, 2; both with reject outcome."""
    held = [np.array([0, 1]), np.array([1, 2])]
    outputs = [np.array([[0.8, 0.1, 0.1]]), np.array([[0.2, 0.2, 0.6]])]
    return [lift(o, h, 3) for o, h in zip(outputs, held, strict=True)], held


def test_rules_by_hand():
    lifted, held = _two_clients()  # [[.8, .1, .1]] and [[.6, .2, .2]]
    reject = [True, True]
    np.testing.assert_allclose(aggregate(lifted, held, reject, "mean"), [[0.7, 0.15, 0.15]])
    coverage = np.array([[0.8, 0.15, 0.2]])
    np.testing.assert_allclose(aggregate(lifted, held, reject, "coverage"), coverage / 1.15)
    product = np.array([[0.48, 0.02, 0.02]])
    np.testing.assert_allclose(aggregate(lifted, held, reject, "product"), product / 0.52)
    weights = np.array([1 + (p * np.log(p)).sum() / np.log(3) for p in lifted])
    expected = (weights[0] * lifted[0] + weights[1] * lifted[1]) / weights.sum()
    np.testing.assert_allclose(aggregate(lifted, held, reject, "confidence"), expected)


def test_coverage_does_not_punish_a_class_that_one_client_holds():
    held = [np.array([0, 1])] * 4 + [np.array([2])]
    lifted = [np.array([[0.5, 0.5, 0.0]])] * 4 + [np.array([[0.05, 0.05, 0.9]])]
    assert aggregate(lifted, held, [False] * 4 + [True], "mean")[0].argmax() != 2
    assert aggregate(lifted, held, [False] * 4 + [True], "coverage")[0].argmax() == 2


def test_product_ignores_a_client_where_it_knows_nothing():
    sure = lift(np.array([[0.01, 0.01, 0.98]]), np.array([0, 1, 2]), 3)
    blind = lift(np.array([[0.5, 0.5]]), np.array([0, 1]), 3)
    result = aggregate([sure, blind], [np.array([0, 1, 2]), np.array([0, 1])], [False, False], "product")
    np.testing.assert_allclose(result, sure)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_rows_sum_to_one(rule, rows):
    rng = np.random.default_rng(0)
    held = [np.array([0]), np.array([0, 1, 2]), np.array([2])]
    lifted = [lift(rng.dirichlet(np.ones(len(h) + 1), 7)[:rows], h, 4) for h in held]
    result = aggregate(lifted, held, [True] * 3, rule)
    assert result.shape == (rows, 4)
    np.testing.assert_allclose(result.sum(axis=1), 1)
    assert (result >= 0).all()


@pytest.mark.parametrize("rule", ["mean", "coverage", "confidence", "product"])
def test_one_client_that_holds_all_stands_for_itself(rule):
    p = np.array([[0.7, 0.2, 0.1]])
    np.testing.assert_allclose(aggregate([p], [np.arange(3)], [False], rule), p)


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_the_clients_does_not_matter(rule):
    lifted, held = _two_clients()
    np.testing.assert_allclose(
        aggregate(lifted, held, [True] * 2, rule), aggregate(lifted[::-1], held[::-1], [True] * 2, rule)
    )


def test_bad_requests():
    with pytest.raises(DistillationError, match="at least one client, found none"):
        aggregate([], [], [], "mean")
    lifted, held = _two_clients()
    with pytest.raises(DistillationError, match=r"expected one of mean, .*found 'median'"):
        aggregate(lifted, held, [True, True], "median")
