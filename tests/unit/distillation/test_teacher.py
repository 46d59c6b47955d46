from dataclasses import replace

import numpy as np
import pytest

from qkd_qiskit.distillation import (
    CALIBRATIONS,
    ClientOutputs,
    KnownLabels,
    build_teacher,
    soften,
)
from qkd_qiskit.distillation.rules import OWN_RULES, AggregationRule
from qkd_qiskit.errors import DistillationError

N, G = 200, 4
LABELS = np.arange(N) % G
CALIBRATION = (np.arange(100, 140), LABELS[100:140])
VALIDATION = (np.arange(140, N), LABELS[140:])
KNOWN = KnownLabels(CALIBRATION, VALIDATION)
NOTHING = (np.array([], dtype=int), np.array([], dtype=int))


def _client(name, held, *, reject=True, skill=6.0, seed=0):
    """A client that is right about its own classes most of the time, and rejects the others."""
    rng = np.random.default_rng(seed)
    held = np.array(held)
    columns = len(held) + int(reject)
    logits = rng.standard_normal((N, columns))
    for row, label in enumerate(LABELS):
        if label in held:
            logits[row, np.flatnonzero(held == label)] += skill
        elif reject:
            logits[row, -1] += skill
    p = np.exp(logits)
    return ClientOutputs(name, held, p / p.sum(axis=1, keepdims=True))


CLIENTS = [_client("a", [0, 1], seed=1), _client("b", [1, 2], seed=2), _client("c", [3], seed=3)]


def _build(clients=CLIENTS, **kind):
    teacher, _ = build_teacher(clients, **{"n_classes": G, "known": KNOWN, **kind})
    return teacher


def test_together_the_clients_know_all_classes():
    teacher = _build()
    p = teacher.class_probabilities([c.outputs for c in CLIENTS])
    assert p.shape == (N, G)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p.argmax(axis=1) == LABELS).mean() > 0.95


def _loss(p, labels):
    return -np.log(p[np.arange(len(p)), labels]).mean()


def _alone(teacher, part):
    single = replace(teacher, parts=(replace(part, weight=1.0),))
    return single.class_probabilities([c.outputs for c in CLIENTS])


def test_candidates_are_averaged_by_what_they_make_of_the_known_labels():
    rules = ("mean", "coverage", "product")
    teacher = _build(aggregations=rules)
    assert len(teacher.scores) == len(rules) * len(CALIBRATIONS)
    weights = [part.weight for part in teacher.parts]
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) == pytest.approx(1) == sum(score.weight for score in teacher.scores)
    assert teacher.aggregation == teacher.scores[0].aggregation == teacher.parts[0].rule.name
    answers = [_alone(teacher, part) for part in teacher.parts]
    both = np.concatenate([CALIBRATION[0], VALIDATION[0]])
    losses = np.array([_loss(p[both], LABELS[both]) for p in answers])
    # The likelihood of all labels to the power of a half.
    wanted = np.exp(-0.5 * len(both) * (losses - losses[0]))
    np.testing.assert_allclose(weights, wanted / wanted.sum(), rtol=1e-6)
    p = teacher.class_probabilities([c.outputs for c in CLIENTS])
    np.testing.assert_allclose(p, np.tensordot(weights, np.array(answers), 1), atol=1e-12)
    own = [p[VALIDATION[0]] for p in answers]
    for score, found in zip(teacher.scores, own, strict=False):
        assert score.loss == pytest.approx(_loss(found, VALIDATION[1]))
        assert score.accuracy == pytest.approx((found.argmax(axis=1) == VALIDATION[1]).mean())


def test_copies_of_one_original_are_one_label():
    doubled = [replace(c, outputs=np.tile(c.outputs, (2, 1))) for c in CLIENTS]
    twice = [
        (np.concatenate([rows, rows + N]), np.tile(labels, 2)) for rows, labels in (CALIBRATION, VALIDATION)
    ]
    teacher = _build(doubled, known=KnownLabels(*twice, copies=1))
    # Sums over all samples count each one twice, which moves the confusion a little.
    wanted = {(s.aggregation, s.calibration): s.weight for s in _build().scores}
    for score in teacher.scores:
        assert score.weight == pytest.approx(wanted[score.aggregation, score.calibration], abs=0.02)


def test_a_rule_that_is_wrong_has_no_say():
    class Inverted(AggregationRule):
        name = "inverted"

        def term(self, lifted, held, reject):
            return 1.0 - lifted

    with OWN_RULES.lent({"inverted": Inverted}):
        teacher = _build(aggregations=("inverted", "product"))
    assert {part.rule.name for part in teacher.parts} == {"product"}
    assert sum(score.weight for score in teacher.scores if score.aggregation == "inverted") == 0


def test_a_fixed_rule_is_kept():
    teacher = _build(aggregations=("mean",), calibrations=("none",))
    assert (teacher.aggregation, teacher.calibrations[0].kind, len(teacher.scores)) == ("mean", "none", 1)


def test_calibration_mends_an_overconfident_client():
    loud = _client("loud", range(G), reject=False, skill=1.0, seed=5)
    p = loud.outputs**8
    loud = ClientOutputs("loud", loud.held, p / p.sum(axis=1, keepdims=True))
    plain = _build([loud], calibrations=("none",), aggregations=("mean",)).scores[0]
    mended = _build([loud], calibrations=("temperature",), aggregations=("mean",)).scores[0]
    assert mended.loss < plain.loss


def test_calibration_part_may_be_empty():
    assert _build(known=KnownLabels(NOTHING, VALIDATION)).scores[0].accuracy > 0.9


def test_outcomes_of_a_client_with_and_without_reject():
    labels = np.array([0, 1, 2, 3])
    with_reject = ClientOutputs("a", np.array([1, 3]), np.ones((4, 3)) / 3)
    without = ClientOutputs("a", np.array([1, 3]), np.ones((4, 2)) / 2)
    np.testing.assert_array_equal(with_reject.outcomes_of(labels), [2, 0, 2, 1])
    np.testing.assert_array_equal(without.outcomes_of(labels), [-1, 0, -1, 1])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soften(temperature):
    p = np.array([[0.7, 0.2, 0.1]])
    q = p ** (1 / temperature)
    np.testing.assert_allclose(soften(p, temperature), q / q.sum())


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ({"clients": []}, "at least one client"),
        ({"aggregations": ()}, "at least one client, aggregation and calibration"),
        ({"calibrations": ()}, "at least one client, aggregation and calibration"),
        ({"known": KnownLabels(CALIBRATION, NOTHING)}, "validation samples"),
        ({"known": KnownLabels(CALIBRATION, CALIBRATION)}, "disjoint"),
    ],
)
def test_bad_requests(kind, match):
    with pytest.raises(DistillationError, match=match):
        _build(**kind)


def test_outputs_of_all_clients_are_wanted():
    with pytest.raises(DistillationError, match="outputs of 3 clients, found 1"):
        _build().class_probabilities([CLIENTS[0].outputs])
