"""The audit: it leaves out who points away from the truth, and nobody for being weak."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkd_qiskit.distillation import ClientOutputs, audit
from qkd_qiskit.distillation.screening import FALSE_ALARM

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


def test_a_client_that_never_names_a_hard_class_is_weak_and_no_liar():
    answers = _honest((0, 1, 2))
    answers[LABELS == 2] = 1
    screening = audit(_client(answers, (0, 1, 2), 4), ROWS, LABELS, NAMES)
    assert (screening.status, screening.reason) == ("used", "")
    assert screening.agreement == pytest.approx((0.9 + 0.9 + 0 + 0.9) / 4)


def test_two_exchanged_classes_are_a_lie():
    answers = _honest((0, 1, 2))
    answers[LABELS == 2], answers[LABELS == 1] = 1, 2
    screening = audit(_client(answers, (0, 1, 2), 4), ROWS, LABELS, NAMES)
    assert screening.status == "dropped"
    assert screening.reason == (
        "0 of 20 labelled public samples of class dog answered as dog, but 20 of 20 of eel"
    )


def test_a_client_of_one_class_that_answers_the_opposite_is_found():
    answers = 1 - _honest((3,))
    screening = audit(_client(answers, (3,), 2), ROWS, LABELS, NAMES)
    assert screening.status == "dropped"
    assert "of class fly answered as fly" in screening.reason
    assert screening.reason.endswith("of another class")


@pytest.mark.parametrize("answers", [np.zeros(80, int), np.full(80, 2)])
def test_constant_answers_say_nothing_and_are_no_lie(answers):
    assert audit(_client(answers, (0, 3), 3), ROWS, LABELS, NAMES).status == "used"


@pytest.mark.parametrize("held", [(0,), (1, 2), (0, 1, 3), (0, 1, 2, 3)])
def test_clients_that_guess_are_left_out_no_oftener_than_stated(held):
    """Guessing is the worst that an honest client can do; 3000 guessers, at a family-wise rate of 1e-4."""
    rng = np.random.default_rng(sum(held))
    columns, tries = len(held) + (len(held) < 4), 3000
    dropped = sum(
        audit(_client(rng.integers(0, columns, 80), held, columns), ROWS, LABELS, NAMES).status == "dropped"
        for _ in range(tries)
    )
    assert dropped <= FALSE_ALARM * tries + 4 * np.sqrt(FALSE_ALARM * tries)


@given(seed=st.integers(0, 2**32 - 1), skill=st.floats(0.1, 1.0))
@settings(max_examples=30)
def test_a_pair_that_a_client_cannot_tell_apart_is_forgiven(seed, skill):
    """It guesses between eel and fly, and knows the others with some skill."""
    rng = np.random.default_rng(seed)
    answers = np.where(rng.random(80) < skill, LABELS, rng.integers(0, 4, 80))
    answers = np.where(np.isin(answers, (2, 3)), rng.integers(2, 4, 80), answers)
    screening = audit(_client(answers, (0, 1, 2, 3), 4), ROWS, LABELS, NAMES)
    # A false alarm may happen; here it takes an exchange of most of the two classes.
    if screening.status == "dropped":
        assert (answers == LABELS)[np.isin(LABELS, (2, 3))].mean() < 0.45 or skill < 0.2


def test_copies_have_one_vote_together():
    """A liar that is honest on originals alone lies on three of four copies, and so on average."""
    lies = _honest((0, 1))
    lies[LABELS == 0], lies[LABELS == 1] = 1, 0
    outputs = np.concatenate([_outputs(_honest((0, 1)), 3), *[_outputs(lies, 3)] * 3])
    client = ClientOutputs("ada", np.array([0, 1]), outputs)
    rows, numbers = np.arange(320), np.arange(320) % 80
    found = audit(client, rows, np.tile(LABELS, 4), NAMES, originals=numbers)
    assert found.status == "dropped"
    assert "of 20 labelled public samples of class cat" in found.reason


def test_without_audited_samples_nobody_is_dropped():
    screening = audit(_client(_honest((0,)), (0,), 2), ROWS[:0], LABELS[:0], NAMES)
    assert (screening.status, screening.agreement) == ("used", None)


def test_a_few_misses_do_not_suffice():
    """Two samples of a class, both wrong, may be bad luck."""
    rows = np.array([0, 20, 21])
    answers = np.full(80, 0)
    assert audit(_client(answers, (0, 1), 3), rows, LABELS[rows], NAMES).status == "used"
