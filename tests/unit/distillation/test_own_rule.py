"""Aggregation rules that a program passes as objects."""

from __future__ import annotations

import numpy as np
import pytest

from qkd_qiskit.config import DistillationSettings
from qkd_qiskit.distillation import OWN_RULES, RULES, AggregationRule, aggregate, own_rule, wanted_rules
from qkd_qiskit.errors import DistillationError


def median(outputs):
    return np.median(outputs, axis=0)


def shapeless(outputs):
    return outputs


def negative(outputs):
    return -outputs[0]


class Squares(AggregationRule):
    name = "squares"

    def term(self, lifted, held, reject):
        return lifted**2


def outputs(n_clients=3):
    p = np.random.default_rng(0).random((n_clients, 5, 2))
    return list(p / p.sum(axis=2, keepdims=True))


def combined(rule, lifted):
    made = own_rule(rule, ("auto", *RULES))
    held = [np.arange(2)] * len(lifted)
    with OWN_RULES.lent({made.name: made}):
        return aggregate(lifted, held, [False] * len(lifted), made.name)


def test_a_function_combines_all_clients_at_once():
    lifted = outputs()
    expected = np.median(np.stack(lifted), axis=0)
    np.testing.assert_allclose(combined(median, lifted), expected / expected.sum(axis=1, keepdims=True))


def test_a_class_adds_them_up():
    lifted = outputs()
    expected = sum(p**2 for p in lifted)
    np.testing.assert_allclose(combined(Squares, lifted), expected / expected.sum(axis=1, keepdims=True))


def test_a_function_answers_on_other_samples():
    rule = own_rule(median, RULES)
    lifted, others = outputs(), outputs()[::-1]
    with OWN_RULES.lent({"median": rule}):
        held, none = [np.arange(2)] * 3, [False] * 3
        made = rule(census=_census(lifted))
        for part in lifted:
            made.add(part, held[0], False)
        np.testing.assert_allclose(made.answer(others, held, none), aggregate(others, held, none, "median"))


def _census(lifted):
    from qkd_qiskit.distillation.rules import Census

    census = Census(*lifted[0].shape)
    for part in lifted:
        census.count(part, np.arange(2))
    return census


def test_settings_find_a_lent_rule_and_auto_tries_it():
    settings = DistillationSettings(aggregation="median")
    with pytest.raises(DistillationError, match="distillation.aggregation: expected one of auto, mean"):
        wanted_rules(settings)
    with OWN_RULES.lent({"median": own_rule(median, RULES)}):
        assert wanted_rules(settings) == ("median",)
        assert wanted_rules(DistillationSettings()) == (*RULES, "median")


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (3, "expected the name of a rule, a subclass of AggregationRule or a function, found 3"),
        (Squares(_census(outputs())), "expected the name of a rule, a subclass"),
        (lambda p: p[0], "expected a rule whose name is a word other than auto, mean, .*found '<lambda>'"),
        (type("Mine", (Squares,), {"name": "mean"}), "found 'mean'"),
        (type("Nameless", (Squares,), {"name": None}), "found None"),
        (type("Half", (AggregationRule,), {"name": "half"}), "rule Half: expected it to define term"),
    ],
)
def test_what_is_no_rule_is_refused(rule, told):
    with pytest.raises(DistillationError, match=told):
        own_rule(rule, ("auto", *RULES))


@pytest.mark.parametrize(("rule", "found"), [(shapeless, r"\(3, 5, 2\)"), (negative, r"\(5, 2\)")])
def test_a_function_that_returns_something_else_is_named(rule, found):
    name = rule.__name__
    with pytest.raises(
        DistillationError, match=rf"rule {name}: expected nonneg.* \(5, 2\), found shape {found}"
    ):
        combined(rule, outputs())
