import numpy as np
import pytest

from qkd_qiskit.distillation import ClientOutputs, audit

LABELS = np.repeat(np.arange(4), 20)
ROWS = np.arange(80)
NAMES = ("cat", "dog", "eel", "fly")


def _outputs(answers, columns):
    return 0.8 * np.eye(columns)[answers] + 0.2 / columns


def _honest(held):
    """Right answers with the reject outcome; every tenth is wrong."""
    held = np.array(held)
    own = np.array([int(np.flatnonzero(held == k)[0]) if k in held else len(held) for k in LABELS])
    own[::10] = (own[::10] + 1) % (len(held) + 1)
    return own


def _client(answers, held, columns):
    return ClientOutputs("ada", np.array(held), _outputs(answers, columns))


@pytest.mark.parametrize("held", [(1,), (0, 2), (0, 1, 2)])
def test_an_honest_client_is_used(held):
    screening = audit(_client(_honest(held), held, len(held) + 1), ROWS, LABELS, NAMES)
    assert (screening.status, screening.reason) == ("used", "")
    assert screening.agreement == pytest.approx(0.9)


def test_a_swapped_class_is_found_although_the_rest_is_right():
    answers = _honest((0, 1, 2))
    answers[LABELS == 2] = 1
    screening = audit(_client(answers, (0, 1, 2), 4), ROWS, LABELS, NAMES)
    assert screening.status == "dropped"
    assert screening.reason == "0 of 20 labelled public samples of class eel answered rightly"


@pytest.mark.parametrize("answers", [np.zeros(80, int), np.random.default_rng(0).integers(0, 3, 80)])
def test_constant_and_random_answers_are_found(answers):
    assert audit(_client(answers, (0, 3), 3), ROWS, LABELS, NAMES).status == "dropped"


def test_without_audited_samples_nobody_is_dropped():
    screening = audit(_client(_honest((0,)), (0,), 2), ROWS[:0], LABELS[:0], NAMES)
    assert (screening.status, screening.agreement) == ("used", None)


def test_a_few_misses_do_not_suffice():
    """Two samples of a class, both wrong, may be bad luck."""
    rows = np.array([0, 20, 21])
    answers = np.full(80, 0)
    assert audit(_client(answers, (0, 1), 3), rows, LABELS[rows], NAMES).status == "used"
