"""The same round with classical models: perceptrons as large as the circuits teach a perceptron.

It shows what distillation gives without anything quantum: data, labels, augmentation, reject outcome,
teacher and numbers of weights are those of the quantum round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines.classical import (
    MAX_ITERATIONS,
    ClassicalModel,
    fit_quietly,
    hidden_units,
    stored_numbers,
)
from qkd_qiskit.distillation.training_sets import ClientTrainingSet

_RIDGE = 0.01
_LBFGS_SAMPLES = 5000


def classical_distillation(
    clients: Sequence[ClientTrainingSet],
    n_weights: Sequence[int],
    public_inputs: FloatArray,
    teach: Callable[[Sequence[FloatArray]], FloatArray],
    student_inputs: FloatArray,
    student_labels: IntArray,
    student_weights: int,
    *,
    seed: int,
) -> ClassicalModel:
    """Distil perceptrons into a perceptron.

    Args:
        clients: What each client trains on.
        n_weights: Number of weights of each client's circuit, which its perceptron matches.
        public_inputs: Encoded public inputs [M, F].
        teach: Maps the clients' outcome probabilities on them to class probabilities [M, G].
        student_inputs: The first N of the public inputs, which the student learns [N, F].
        student_labels: Their class indices, -1 where nobody knows: there the teacher's answer counts, with
            the teacher's confidence as its weight.
        student_weights: Number of weights of the global circuit.
        seed: Seeds every start.

    Returns:
        The student; scikit-learn's perceptron learns hard labels only.
    """
    outputs = []
    for client, size in zip(clients, n_weights, strict=True):
        labels, weights = client.targets.labels, client.targets.weights
        assert labels is not None
        shares = np.ones(len(labels)) if weights is None else weights
        model, _ = _perceptron(client.inputs, labels, shares, size, seed)
        outputs.append(np.asarray(model.predict_proba(public_inputs)))
    soft = teach(outputs)[: len(student_inputs)]
    known = student_labels >= 0
    answers = np.where(known, student_labels, soft.argmax(axis=1))
    confidence = np.where(known, 1.0, soft.max(axis=1))
    student, converged = _perceptron(student_inputs, answers, confidence, student_weights, seed)
    return ClassicalModel("classical_distillation", student, stored_numbers(student[-1]), {}, converged)


def _perceptron(
    inputs: FloatArray, labels: IntArray, weights: FloatArray, size: int, seed: int
) -> tuple[Pipeline, bool]:
    hidden = hidden_units(size, inputs.shape[1], len(np.unique(labels)))
    # PERF: on small data L-BFGS is many times faster than Adam, and no worse.
    solver = "lbfgs" if len(labels) <= _LBFGS_SAMPLES else "adam"
    estimator = MLPClassifier(
        (hidden,), solver=solver, alpha=_RIDGE, max_iter=MAX_ITERATIONS, random_state=seed
    )
    model = make_pipeline(StandardScaler(), estimator)
    return model, fit_quietly(model.fit, inputs, labels, mlpclassifier__sample_weight=weights)
