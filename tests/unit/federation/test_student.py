"""The global model is taught by what public labels prefer, and trained no longer than they want."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.federation import PublicModel, student
from qkd_qiskit.federation.student import Lessons, train_student
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext, Stage
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.store import StageStore

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SMALL = ["noise.enabled=false", "training={particles=2, iterations=0, refine=20}"]
DESCENT = "descent={steps=5, server_steps=40, batch=30, rate=0.1}"
STAGE = Stage.named("global model")


def _lessons(*overrides, right=0.9):
    """A teacher that gives the true class of every sample this probability."""
    settings = load_experiment(TINY, overrides=[*SMALL, *overrides])
    data = prepare_data(settings)
    run = RunContext(settings, data, StageStore(None, ""), NullProgress())
    public, n_classes = data.public, len(data.classes)
    truth = public.answered.labels.copy()
    pool = public.unlabelled_rows - public.n_labelled
    truth[pool] = np.resize(data.pool_labels, len(pool))
    soft = np.full((len(truth), n_classes), (1 - right) / (n_classes - 1))
    soft[np.arange(len(truth)), truth] = right
    return Lessons(run, PublicModel(run, ModelCompiler(noise=False)), soft, None)


def _accuracy(lessons, model):
    test = lessons.run.data.test
    return (model.predict(lessons.own.compiled.noisy, test.inputs) == test.labels).mean()


@pytest.mark.parametrize("overrides", [(), (DESCENT,)])
def test_all_recipes_are_tried_and_one_teaches(overrides):
    lessons = _lessons(*overrides)
    found = train_student(lessons, STAGE)
    assert [score.name for score in found.scores] == [
        "as the settings say",
        "originals alone",
        "copies pooled",
        "squared distance",
        "half trust",
    ]
    assert found.scores[0].minus_own == found.scores[0].error == 0
    assert all(np.isfinite([score.loss, score.error]).all() for score in found.scores)
    assert 0 < found.model.stopped_at <= 1
    assert _accuracy(lessons, found.model) > 0.8


def test_a_fixed_recipe_is_trained_to_its_end():
    found = train_student(_lessons("distillation.recipe=fixed", DESCENT), STAGE)
    assert found.scores == ()
    assert found.model.stopped_at == 1


def test_the_same_numbers_give_the_same_student():
    first, second = (train_student(_lessons(DESCENT), STAGE) for _ in range(2))
    np.testing.assert_array_equal(first.model.params, second.model.params)
    assert first.scores == second.scores


def test_a_teacher_that_is_wrong_everywhere_is_found_worse():
    found = train_student(_lessons("distillation.recipe=fixed", "distillation.alpha=0", right=0.01), STAGE)
    assert found.worse


@pytest.mark.parametrize("copies", [True, False])
def test_a_refit_adds_the_servers_own_labels_and_nothing_else(copies):
    lessons = _lessons()
    data, recipe = lessons.run.data, student.Recipe("kl", 0.1, copies=copies)
    before, after = (lessons.task(STAGE, recipe, refit=refit) for refit in (False, True))
    n, held = len(before.inputs), data.public.held_back
    if not copies:
        held = held.rows(slice(0, len(data.split.public_calibration) + len(data.split.public_validation)))
    np.testing.assert_array_equal(after.inputs, np.concatenate([before.inputs, held.inputs]))
    np.testing.assert_array_equal(after.targets.labels, [*before.targets.labels, *held.labels])
    np.testing.assert_array_equal(after.targets.soft[:n], before.targets.soft)
    np.testing.assert_allclose(after.targets.soft[n:], np.eye(3)[held.labels], atol=1e-4)


@pytest.mark.parametrize("overrides", [(), (DESCENT,)])
def test_a_refit_goes_on_from_where_the_judges_have_stopped(overrides, monkeypatch):
    monkeypatch.setattr(student, "simplest", lambda losses: 6)
    before, after = (
        train_student(_lessons(f"distillation.refit={refit}", *overrides), STAGE).model
        for refit in (False, True)
    )
    assert before.stopped_at == after.stopped_at == 0.4
    assert after.refine_history[: len(before.refine_history)] == before.refine_history
    # Turns of a random vector have a mean of a quarter of the circle.
    turned = np.abs(np.angle(np.exp(1j * (after.params - before.params)[:-1])))
    assert 0 < turned.mean() < 0.3


def test_trust_mixes_the_teacher_with_the_public_only_model():
    lessons = _lessons()
    half, whole = (
        lessons.task(STAGE, student.Recipe("kl", 0.1, trust=trust)).targets.soft for trust in (0.5, 1.0)
    )
    public = lessons.run.data.public
    own = lessons.own.answers()[public.unlabelled_rows - public.n_labelled]
    n = public.n_labelled
    np.testing.assert_allclose(half[:n], whole[:n])
    np.testing.assert_allclose(half[n:], (whole[n:] + own) / 2, atol=1e-6)


def test_short_trainings_share_the_steps_of_a_long_one():
    lessons = _lessons(DESCENT)
    shorter = student._shortened(lessons.run.settings, 5)
    assert shorter.descent.of_server().steps == 8
    assert shorter.training.refine == 4
    assert shorter.descent.steps == lessons.run.settings.descent.steps
