"""The labels that choose and stop baselines."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.baselines import PublicJudge
from qkd_qiskit.baselines.validation import kept_round
from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import Samples, prepare_data
from qkd_qiskit.distillation.judging import Judge

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")


def _judge(labels, originals=None):
    labels = np.asarray(labels)
    samples = Samples(np.zeros((len(labels), 2)), labels)
    originals = np.arange(len(labels)) if originals is None else np.asarray(originals)
    return PublicJudge(samples, Judge(labels, originals))


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_who_knows_nothing_loses_the_logarithm_of_the_classes(n_classes):
    labels = np.arange(20) % n_classes
    assert _judge(labels).losses(np.full((20, n_classes), 1 / n_classes)).mean() == pytest.approx(
        np.log(n_classes)
    )


@given(seed=st.integers(0, 2**16), sharper=st.floats(0.6, 1.7))
def test_being_surer_of_oneself_is_neither_better_nor_worse(seed, sharper):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=200)
    p = rng.dirichlet([2, 2, 2], 200) + 0.3 * np.eye(3)[labels]
    p /= p.sum(axis=1, keepdims=True)
    q = p**sharper
    q /= q.sum(axis=1, keepdims=True)
    judge = _judge(labels)
    # The light pull towards temperature 1 leaves a little.
    assert judge.losses(q).mean() == pytest.approx(judge.losses(p).mean(), abs=0.01)


def test_copies_count_as_one_sample_together():
    labels, answers = np.array([0, 1, 1, 1]), np.array([[0.8, 0.2], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4]])
    many = _judge(labels, [7, 3, 3, 3])
    # Counted one by one, the three wrong copies weigh three quarters of the mean.
    assert many.losses(answers).mean() < _judge(labels).losses(answers).mean()


def test_the_judge_has_the_labels_that_nobody_trains_on():
    data = prepare_data(load_experiment(TINY))
    judge = PublicJudge.of(data)
    assert (judge.samples.labels >= 0).all()
    assert len(np.unique(judge.judge.originals)) == 15 + 15
    trained = {row.tobytes() for row in data.public.labelled.inputs}
    assert not trained & {row.tobytes() for row in judge.samples.inputs}


@pytest.mark.parametrize(
    ("rounds", "kept"),
    [
        ([0.5], 0),
        ([0.5, 0.4, 0.3], 2),
        ([0.5, 0.2, 0.6], 1),
        ([0.2, 0.5, 0.6], 0),
    ],
)
def test_the_best_round_is_kept_where_it_is_certainly_better(rounds, kept):
    spread = 0.01 * np.random.default_rng(0).standard_normal(50)
    assert kept_round([loss + spread for loss in rounds]) == kept


def test_the_last_round_is_kept_where_another_is_better_by_chance_alone():
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2, 200))
    better, worse = sorted((first, second), key=np.mean)
    assert kept_round([better, worse - worse.mean() + better.mean() + 0.01]) == 1
    assert kept_round([np.array([0.1]), np.array([0.2])]) == 0
