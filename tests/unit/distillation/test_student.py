from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import TrainingSettings, load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.distillation import Recipe, student_soft_labels, student_targets
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.simulation import PauliEvaluator
from qkd_qiskit.training import train_model
from qkd_qiskit.vqcnn import VQCNNSpec

SETTINGS = TrainingSettings(particles=4, iterations=2, refine=15)
SPEC = VQCNNSpec(n_qubits=2, plan="conv", kernels="su4", n_outcomes=2)


@pytest.fixture(scope="module")
def evaluator():
    return PauliEvaluator(SPEC)


def _data(n=40, seed=0):
    """Angles whose first coordinate tells the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    inputs = 0.3 * rng.standard_normal((n, 4))
    inputs[:, 0] += np.where(labels == 0, 0.8, -0.8)
    return inputs, labels


def _accuracy(model, evaluator):
    inputs, labels = _data(seed=9)
    return (model.predict(evaluator, inputs) == labels).mean()


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_student_learns_from_its_teacher(evaluator, alpha, temperature):
    inputs, labels = _data()
    teacher = np.where(labels[:, None] == [0, 1], 0.9, 0.1)
    partly = np.where(np.arange(40) < 20, labels, -1)
    targets = student_targets(partly, teacher, Recipe("mse", alpha, temperature))
    model = train_model(evaluator, inputs, targets, SETTINGS, rng=np.random.default_rng(0))
    assert _accuracy(model, evaluator) > 0.9
    assert not model.reject


def test_without_hard_labels_the_soft_ones_are_met(evaluator):
    inputs, labels = _data()
    teacher = np.where(labels[:, None] == [0, 1], 0.8, 0.2)
    model = train_model(
        evaluator,
        inputs,
        student_targets(None, teacher, Recipe("mse", 0.5)),
        TrainingSettings(particles=4, iterations=0, refine=60),
        rng=np.random.default_rng(0),
    )
    assert np.abs(model.class_probabilities(evaluator, inputs) - teacher).mean() < 0.12


def test_the_soft_loss_is_the_one_of_the_recipe():
    teacher = np.full((3, 2), 0.5)
    assert student_targets(None, teacher, Recipe("kl", 0.5)).soft_loss == "kl"
    assert student_targets(None, teacher, Recipe("mse", 0.5)).soft_loss == "mse"


def test_a_student_needs_a_soft_label_an_input():
    with pytest.raises(DistillationError, match=r"soft labels of shape \(40, G\), found \(3, 2\)"):
        student_targets(np.zeros(40, int), np.ones((3, 2)) / 2, Recipe("mse", 0.5))


PARTS = ["data.public_train=20", "data.public_unlabelled=10", "data.test=40"]
TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")


@pytest.mark.parametrize("pool", [False, True])
def test_soft_labels_of_all_that_the_student_learns(pool):
    augment = "data.augment={copies=0, public_copies=2, mixup=2}"
    public = prepare_data(load_experiment(TINY, overrides=[*PARTS, augment])).public
    answers = np.random.default_rng(0).dirichlet(np.ones(3), public.n_answered)
    soft = student_soft_labels(public, answers, pool=pool)
    assert len(soft) == len(public.to_distil) == (20 + 10) * (1 + 2 + 2)
    np.testing.assert_array_equal(soft[:60], np.eye(3)[public.labelled.labels])
    own = answers[public.unlabelled_rows - public.n_labelled].reshape(3, 10, 3)
    expected = np.broadcast_to(own.mean(axis=0), (3, 10, 3)) if pool else own
    np.testing.assert_allclose(soft[60:90].reshape(3, 10, 3), expected)
    # A blend bears the blend of what its originals bear on average, whatever clients would have said of it.
    bear = np.concatenate([np.eye(3)[public.labelled.labels[:20]], own.mean(axis=0)])
    origins = public.origins.rows(slice(90, None))
    share = origins.share[:, None]
    blended = share * bear[origins.first] + (1 - share) * bear[origins.second]
    np.testing.assert_allclose(soft[90:], blended)


def test_held_back_samples_are_not_learnt():
    public = prepare_data(load_experiment(TINY, overrides=PARTS)).public
    held_back = np.concatenate([public.calibration_rows, public.validation_rows])
    learnt = {row.tobytes() for row in public.to_distil.inputs}
    assert not learnt & {row.tobytes() for row in public.samples.inputs[held_back]}


def test_answers_of_another_number_are_refused():
    public = prepare_data(load_experiment(TINY, overrides=PARTS)).public
    with pytest.raises(DistillationError, match="expected soft labels of 80 samples, found shape"):
        student_soft_labels(public, np.ones((3, 3)) / 3, pool=False)
