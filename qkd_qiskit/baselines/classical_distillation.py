"""The same rounds with classical models: perceptrons as large as the circuits teach a perceptron.

It shows what distillation gives without anything quantum: data, labels, augmentation, reject outcome,
teacher and numbers of weights are those of the quantum clients and the global model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines.base import BaselineData
from qkd_qiskit.baselines.classical import MAX_ITERATIONS, ClassicalModel, ClassicalTask, fit_quietly
from qkd_qiskit.baselines.perceptron import make_perceptron, perceptron_weights
from qkd_qiskit.distillation import (
    ClientOutputs,
    ClientTrainingSet,
    aggregate_outputs,
    client_training_set,
    student_soft_labels,
)
from qkd_qiskit.run import gate_budget

_RIDGE = 0.01


@dataclass(frozen=True, eq=False)
class ClassicalDistillationTask:
    """What perceptrons are distilled from.

    Attributes:
        clients: What each client trains on.
        client_weights: Number of weights of each client's circuit, which its perceptron matches.
        public_inputs: Encoded public inputs that the clients answer [M, F].
        combine: Maps the clients' outcome probabilities on them to class probabilities [N, G] of what the
            student learns.
        student_inputs: Encoded inputs that the student learns [N, F].
        student_labels: Their class indices [N]; -1 where nobody knows: there the teacher's answer counts,
            with the teacher's confidence as its weight.
        student_weights: Number of weights of the global circuit.
        seed: Seeds every start.
    """

    clients: Sequence[ClientTrainingSet]
    client_weights: Sequence[int]
    public_inputs: FloatArray
    combine: Callable[[Sequence[FloatArray]], FloatArray]
    student_inputs: FloatArray
    student_labels: IntArray
    student_weights: int
    seed: int


class ClassicalDistillation:
    """Distils perceptrons of the clients' sizes into one of the global model's size."""

    name = "classical_distillation"
    runs_circuits = False

    def fit(self, data: BaselineData) -> ClassicalModel | None:
        """Fit all perceptrons; None where the clients' samples are elsewhere."""
        run, prepared = data.run, data.run.data
        if not prepared.clients:
            return None
        clients, public, known = run.settings.clients, prepared.public, prepared.public.labelled
        sets = [
            client_training_set(
                held.inputs, held.labels, known.inputs, known.labels, n_classes=len(prepared.classes)
            )
            for held in prepared.clients
        ]
        budgets = [
            gate_budget(run, prepared.task(number), client.backend, training.targets.n_outcomes)
            for number, (client, training) in enumerate(zip(clients, sets, strict=True))
        ]

        def soft_labels(outputs: Sequence[FloatArray]) -> FloatArray:
            named = [
                ClientOutputs(client.name, training.held, output)
                for client, training, output in zip(clients, sets, outputs, strict=True)
            ]
            answers = aggregate_outputs(run, named).soft_labels
            soft = student_soft_labels(public, answers, pool=run.settings.distillation.pool_copies)
            return np.concatenate([soft, np.eye(soft.shape[1])[late.labels]])

        samples, queried = public.to_distil, data.label_queries
        labels = samples.labels if queried is None else queried.known_labels(samples.labels)
        late = public.held_back if data.refits else public.held_back.rows(slice(0, 0))
        return distil_perceptrons(
            ClassicalDistillationTask(
                clients=sets,
                client_weights=[budget.weights + 1 for budget in budgets],
                public_inputs=public.answered.inputs,
                combine=soft_labels,
                student_inputs=np.concatenate([samples.inputs, late.inputs]),
                student_labels=np.concatenate([labels, late.labels]),
                student_weights=data.n_weights,
                seed=run.settings.seed,
            )
        )


def distil_perceptrons(task: ClassicalDistillationTask) -> ClassicalModel:
    """Distil perceptrons into a perceptron.

    Returns:
        The student; scikit-learn's perceptron learns hard labels only.
    """
    outputs = []
    for client, size in zip(task.clients, task.client_weights, strict=True):
        labels, weights = client.targets.labels, client.targets.weights
        assert labels is not None
        shares = np.ones(len(labels)) if weights is None else weights
        model, _ = _perceptron(ClassicalTask(client.inputs, labels, size, task.seed), shares)
        outputs.append(np.asarray(model.predict_proba(task.public_inputs)))
    soft, known = task.combine(outputs), task.student_labels >= 0
    answers = np.where(known, task.student_labels, soft.argmax(axis=1))
    confidence = np.where(known, 1.0, soft.max(axis=1))
    wanted = ClassicalTask(task.student_inputs, answers, task.student_weights, task.seed)
    student, converged = _perceptron(wanted, confidence)
    return ClassicalModel(ClassicalDistillation.name, student, perceptron_weights(student[-1]), {}, converged)


def _perceptron(task: ClassicalTask, weights: FloatArray) -> tuple[Pipeline, bool]:
    estimator = make_perceptron(task, max_iter=MAX_ITERATIONS, alpha=_RIDGE)
    model = make_pipeline(StandardScaler(), estimator)
    return model, fit_quietly(model.fit, task.features, task.labels, mlpclassifier__sample_weight=weights)
