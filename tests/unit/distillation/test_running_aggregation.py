"""Clients added up one after the other, against the formulas on all of them stacked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax, xlogy

from qkd_qiskit.config import DistillationSettings
from qkd_qiskit.distillation import (
    CALIBRATIONS,
    RULES,
    AggregationRule,
    ClientOutputs,
    KnownLabels,
    aggregate,
    build_teacher,
    lift,
    wanted_rules,
)
from qkd_qiskit.distillation.rules import rule_named
from qkd_qiskit.errors import DistillationError

FLOOR = 1e-6
# The estimated confusion has a file of tests of its own.
SUMS = ("mean", "coverage", "confidence", "product")


def _normalized(p):
    total = p.sum(axis=1, keepdims=True)
    return np.where(total > 0, p / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])


def stacked(lifted, held, rejects, rule):
    """Each rule on one array [clients, N, G], as it stands in its definition."""
    stack = np.stack(lifted)
    n_classes = stack.shape[2]
    if rule == "mean":
        return _normalized(stack.mean(axis=0))
    if rule == "coverage":
        holders = np.stack([np.isin(np.arange(n_classes), h) for h in held])
        holders[:, ~holders.any(axis=0)] = True
        return _normalized(np.einsum("ing,ig->ng", stack, holders / holders.sum(axis=0)))
    if rule == "confidence":
        entropy = -xlogy(stack, stack).sum(axis=2) / np.log(max(n_classes, 2))
        weights = np.maximum(1.0 - entropy, FLOOR)
        return _normalized(np.einsum("ing,in->ng", stack, weights / weights.sum(axis=0)))
    logs = np.log(np.maximum(stack, FLOOR))
    for log, classes, reject in zip(logs, held, rejects, strict=True):
        missing = np.setdiff1d(np.arange(n_classes), classes)
        if not reject and len(missing):
            log[:, missing] = log[:, classes].mean(axis=1, keepdims=True)
    return softmax(logs.sum(axis=0), axis=1)


def crowd(seed, n_clients, n_samples, n_classes):
    rng = np.random.default_rng(seed)
    clients = []
    for number in range(n_clients):
        held = np.sort(rng.permutation(n_classes)[: rng.integers(1, n_classes + 1)])
        reject = bool(rng.integers(2)) or len(held) == 1
        p = rng.dirichlet(np.full(len(held) + reject, 0.3), n_samples)
        clients.append(ClientOutputs(str(number), held, p))
    return clients


@pytest.mark.parametrize("rule", SUMS)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_clients=st.integers(1, 12),
    n_samples=st.integers(0, 9),
    n_classes=st.integers(2, 6),
)
@settings(max_examples=60)
def test_any_crowd_gives_the_stacked_result(rule, seed, n_clients, n_samples, n_classes):
    clients = crowd(seed, n_clients, n_samples, n_classes)
    lifted = [lift(c.outputs, c.held, n_classes) for c in clients]
    held, rejects = [c.held for c in clients], [c.reject for c in clients]
    expected = stacked(lifted, held, rejects, rule)
    np.testing.assert_allclose(aggregate(lifted, held, rejects, rule), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("rule", SUMS)
@pytest.mark.parametrize("n_clients", [1, 2, 5, 40])
def test_the_bits_are_those_of_the_stack(rule, n_clients):
    clients = crowd(n_clients, n_clients, 300, 4)
    lifted = [lift(c.outputs, c.held, 4) for c in clients]
    held, rejects = [c.held for c in clients], [c.reject for c in clients]
    np.testing.assert_array_equal(
        aggregate(lifted, held, rejects, rule), stacked(lifted, held, rejects, rule)
    )


class Streamed:
    """Clients that are there one at a time; counts how often they are gone through."""

    def __init__(self, clients):
        self.clients = clients
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        return iter(self.clients)


def test_the_teacher_takes_a_stream_and_answers_as_the_combined_clients():
    clients, labels = crowd(3, 6, 120, 4), np.arange(120) % 4
    stream = Streamed(clients)
    teacher, soft = build_teacher(
        stream,
        n_classes=4,
        known=KnownLabels((np.arange(40, 80), labels[40:80]), (np.arange(80, 120), labels[80:])),
        aggregations=SUMS,
    )
    assert stream.passes == 2
    assert len(teacher.scores) == len(SUMS) * len(CALIBRATIONS)
    np.testing.assert_array_equal(soft, teacher.class_probabilities([c.outputs for c in clients]))
    wanted = 0.0
    for part in teacher.parts:
        mended = [c.apply(o.outputs) for c, o in zip(part.calibrations, clients, strict=True)]
        lifted = [lift(p, c.held, 4) for p, c in zip(mended, clients, strict=True)]
        p = stacked(lifted, teacher.held, teacher.rejects, part.rule.name)
        wanted = wanted + part.weight * softmax(np.log(np.maximum(p, FLOOR)) * part.sharpness, axis=1)
    np.testing.assert_allclose(soft, wanted, rtol=0, atol=1e-13)


def test_an_unknown_rule_is_refused():
    with pytest.raises(DistillationError, match="aggregation: expected one of mean, .*, found 'median'"):
        rule_named("median")


class Largest(AggregationRule):
    """A rule of this test: the largest probability of all clients."""

    name = "largest"

    def add(self, lifted, held, reject):
        self.total = np.maximum(self.total, self.term(lifted, held, reject))

    def term(self, lifted, held, reject):
        return lifted


def test_a_further_rule_needs_its_class_and_a_line_in_the_registry(monkeypatch):
    monkeypatch.setitem(RULES, Largest.name, Largest)
    clients = crowd(3, 4, 50, 4)
    lifted = [lift(c.outputs, c.held, 4) for c in clients]
    found = aggregate(lifted, [c.held for c in clients], [c.reject for c in clients], "largest")
    np.testing.assert_allclose(found, _normalized(np.max(lifted, axis=0)))
    assert wanted_rules(DistillationSettings()) == (*RULES,)
    assert wanted_rules(DistillationSettings(aggregation="largest")) == ("largest",)
