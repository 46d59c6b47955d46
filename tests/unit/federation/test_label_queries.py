"""Labels that the server asks for: whose they are, who learns them, what the results say of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import deal_data, prepare_data
from qkd_qiskit.distillation import query_labels, student_soft_labels
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.experiment import run_experiment
from qkd_qiskit.federation import run_rounds
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.reporting.results import check_results
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import StageStore

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
WANTED = 6
COPIES = 2


def _context(*overrides, folder=None):
    short = [
        "training={particles=2, iterations=0, refine=2}",
        "fedavg={rounds=1, local_steps=1}",
        "data.augment={copies=1, shift=0.5, public_copies=2, mixup=1}",
        f"distillation.label_queries={WANTED}",
    ]
    settings = load_experiment(TINY, overrides=[*short, *overrides])
    store = StageStore(folder, "same")
    return RunContext(settings, prepare_data(settings), store, NullProgress(), resume=False)


@pytest.fixture(scope="module")
def context():
    return _context()


@pytest.fixture(scope="module")
def pool(context):
    """Rows of the unlabelled originals among the samples that clients answer."""
    public, n_pool = context.data.public, len(context.data.split.public_unlabelled)
    return public.unlabelled_rows[:n_pool] - public.n_labelled


@pytest.fixture(scope="module")
def soft(context, pool):
    """A teacher that is sure of everything but every third sample of the pool."""
    labels = np.zeros(context.data.public.n_answered, dtype=int)
    answers = 0.02 + 0.94 * np.eye(3)[labels]
    answers[pool[::3]] = [0.34, 0.36, 0.30]
    return answers


@pytest.fixture(scope="module")
def truth(context):
    """Labels of the pool, looked up in the dataset by the images."""
    raw, data = deal_data(context.settings), context.data
    images = data.originals.features[data.originals.unlabelled]
    return np.array([raw.codes[(raw.features == image).all(axis=1)][0] for image in images])


def test_the_uncertain_originals_and_their_copies_get_their_true_labels(context, soft, pool, truth):
    queried = query_labels(context, soft)
    assert queried.n_labels == WANTED
    uncertain = np.arange(0, len(pool), 3)[:WANTED]
    n_train = len(context.data.split.public_train)
    assert np.unique(queried.numbers).tolist() == (n_train + uncertain).tolist()
    assert len(queried.rows) == WANTED * (1 + COPIES)
    np.testing.assert_array_equal(queried.labels, truth[queried.numbers - n_train])
    assert queried.teacher_right == (truth[uncertain] == 1).mean()
    np.testing.assert_array_equal(
        queried.samples(context.data).inputs, context.data.public.to_distil.inputs[queried.rows]
    )
    own = context.data.public.answered.inputs[pool[uncertain]]
    np.testing.assert_array_equal(queried.samples(context.data).inputs[:WANTED], own)


def test_answers_replace_what_the_teacher_says_and_nothing_else(context, soft):
    queried = query_labels(context, soft)
    known = context.data.public.to_distil.labels
    wanted = student_soft_labels(context.data.public, soft, pool=False)
    labels, mended = queried.known_labels(known), queried.corrected(wanted)
    others = np.setdiff1d(np.arange(len(known)), queried.rows)
    np.testing.assert_array_equal(labels[queried.rows], queried.labels)
    np.testing.assert_array_equal(mended[queried.rows], np.eye(3)[queried.labels])
    np.testing.assert_array_equal(labels[others], known[others])
    np.testing.assert_array_equal(mended[others], wanted[others])
    assert (known[queried.rows] == -1).all()


def test_no_question_no_answer(soft):
    assert query_labels(_context("distillation.label_queries=0"), soft) is None


def test_more_questions_than_samples_are_refused(soft):
    with pytest.raises(DistillationError, match="label_queries: expected at most .* = 20, found 21"):
        query_labels(_context("distillation.label_queries=21"), soft)


def test_where_nobody_knows_the_labels_nobody_is_asked(context, soft):
    blind = dataclasses.replace(context, data=dataclasses.replace(context.data, pool_labels=None))
    with pytest.raises(DistillationError, match="where the labels of the pool are unknown, found 6"):
        query_labels(blind, soft)


def test_what_is_not_to_be_had_is_reported_before_any_client_works(context):
    class Nobody:
        def exchange(self, requests, /, *, timeout):
            raise AssertionError("a client was asked")

    blind = dataclasses.replace(context, data=dataclasses.replace(context.data, pool_labels=None))
    with pytest.raises(DistillationError, match="where the labels of the pool are unknown"):
        run_rounds(blind, Nobody())


def test_clients_never_know_the_labels_of_the_pool(context):
    assert context.data.of_client(0).pool_labels is None


def test_a_run_learns_them_and_the_results_say_so(context):
    finished = run_experiment(context.settings)
    queries = finished.server.label_queries
    assert finished.results["asked"] == {"labels": WANTED, "teacher_right": queries.teacher_right}
    check_results(finished.results)
    # Another model than without them: they were learnt.
    without = run_experiment(_context("distillation.label_queries=0").settings)
    params = [run.baselines["public_only"].model.params for run in (finished, without)]
    assert not np.array_equal(*params)
