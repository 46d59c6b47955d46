import numpy as np
import pytest

from qkd_qiskit.distillation import (
    CALIBRATIONS,
    RULES,
    ClientOutputs,
    build_teacher,
    soften,
)
from qkd_qiskit.errors import DistillationError

N, G = 200, 4
LABELS = np.arange(N) % G
CALIBRATION = (np.arange(100, 140), LABELS[100:140])
VALIDATION = (np.arange(140, N), LABELS[140:])


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
    teacher, _ = build_teacher(
        clients, **{"n_classes": G, "calibration": CALIBRATION, "validation": VALIDATION, **kind}
    )
    return teacher


def test_together_the_clients_know_all_classes():
    teacher = _build()
    p = teacher.class_probabilities([c.outputs for c in CLIENTS])
    assert p.shape == (N, G)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p.argmax(axis=1) == LABELS).mean() > 0.95


def test_the_best_candidate_on_the_validation_part_is_chosen():
    teacher = _build()
    # A rule that learns what outputs mean takes them as they are.
    assert len(teacher.scores) == (len(RULES) - 1) * len(CALIBRATIONS) + 1
    assert [s.loss for s in teacher.scores] == sorted(s.loss for s in teacher.scores)
    assert teacher.aggregation == teacher.scores[0].aggregation
    p = teacher.class_probabilities([c.outputs for c in CLIENTS])[VALIDATION[0]]
    loss = -np.log(p[np.arange(len(p)), VALIDATION[1]]).mean()
    assert loss == pytest.approx(teacher.scores[0].loss)
    assert (p.argmax(axis=1) == VALIDATION[1]).mean() == pytest.approx(teacher.scores[0].accuracy)


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
    nothing = (np.array([], dtype=int), np.array([], dtype=int))
    assert _build(calibration=nothing).scores[0].accuracy > 0.9


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
        ({"validation": (np.array([], dtype=int), np.array([], dtype=int))}, "validation samples"),
        ({"validation": CALIBRATION}, "disjoint"),
    ],
)
def test_bad_requests(kind, match):
    with pytest.raises(DistillationError, match=match):
        _build(**kind)


def test_outputs_of_all_clients_are_wanted():
    with pytest.raises(DistillationError, match="outputs of 3 clients, found 1"):
        _build().class_probabilities([CLIENTS[0].outputs])
