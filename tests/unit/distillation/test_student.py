import numpy as np
import pytest

from qkd_qiskit.config import DistillationSettings, TrainingSettings
from qkd_qiskit.distillation import student_targets
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
    targets = student_targets(partly, teacher, DistillationSettings(alpha=alpha, temperature=temperature))
    model = train_model(evaluator, inputs, targets, SETTINGS, rng=np.random.default_rng(0))
    assert _accuracy(model, evaluator) > 0.9
    assert not model.reject


def test_without_hard_labels_the_soft_ones_are_met(evaluator):
    inputs, labels = _data()
    teacher = np.where(labels[:, None] == [0, 1], 0.8, 0.2)
    model = train_model(
        evaluator,
        inputs,
        student_targets(None, teacher, DistillationSettings()),
        TrainingSettings(particles=4, iterations=0, refine=60),
        rng=np.random.default_rng(0),
    )
    assert np.abs(model.class_probabilities(evaluator, inputs) - teacher).mean() < 0.12


def test_the_soft_loss_is_the_one_of_the_settings():
    teacher = np.full((3, 2), 0.5)
    assert student_targets(None, teacher, DistillationSettings(soft_loss="kl")).soft_loss == "kl"
    assert student_targets(None, teacher, DistillationSettings()).soft_loss == "mse"


def test_a_student_needs_a_soft_label_an_input():
    with pytest.raises(DistillationError, match=r"soft labels of shape \(40, G\), found \(3, 2\)"):
        student_targets(np.zeros(40, int), np.ones((3, 2)) / 2, DistillationSettings())
