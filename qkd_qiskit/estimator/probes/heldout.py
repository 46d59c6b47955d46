"""Short trainings of one size, judged on samples that they have not seen."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.hardware import Device
from qkd_qiskit.simulation import Evaluator, compile_model
from qkd_qiskit.training import Targets, class_logits, train_model
from qkd_qiskit.vqcnn import VQCNNSpec

PROBE_TRAINING = TrainingSettings.model_validate({"particles": 3, "iterations": 0, "refine": 50, "l2": 0.02})
"""Training of a probe: the best of twelve starts, then L-BFGS; the same as that of the calibration."""

_LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What one round of trainings of one size answers on samples that were held out.

    Attributes:
        correct: Whether each sample was recognized by a model that was trained without it [N].
        log_loss: Its cross-entropy in nats, at most that of a probability of 1e-4 [N].
        seconds: Time that the trainings took, compiling included.
    """

    correct: FloatArray
    log_loss: FloatArray
    seconds: float


@dataclass(frozen=True, eq=False)
class HeldOutTask:
    """Samples of one round.

    Attributes:
        inputs: Encoded inputs [N, F].
        labels: Class numbers [N].
        fold_of: Fold of each sample [N]; each fold is held out once.
        n_outcomes: Outcomes of the model; classes without a sample among them count too.
    """

    inputs: FloatArray
    labels: IntArray
    fold_of: IntArray
    n_outcomes: int


def probed_rows(labels: IntArray, most: int, *, rng: np.random.Generator) -> IntArray:
    """Return the rows that are probed, in ascending order: all, or about `most`, each class in its share."""
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = rng.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return np.sort(order[np.linspace(0, len(labels) - 1, most).round().astype(np.int64)])


def stratified_folds(labels: IntArray, folds: int, *, rng: np.random.Generator) -> IntArray:
    """Return the fold [N] of each sample; each class spreads over the folds as evenly as it can.

    Args:
        labels: Class numbers [N].
        folds: Number of folds, at least 2.
        rng: Shuffles the samples of each class, and the fold that each class begins with.
    """
    numbers = np.empty(len(labels), dtype=np.int64)
    begin = 0
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        numbers[rows] = (begin + np.arange(len(rows))) % folds
        begin += len(rows)
    return numbers


def held_out_answers(
    evaluator: Evaluator,
    task: HeldOutTask,
    *,
    rng: np.random.Generator,
    training: TrainingSettings = PROBE_TRAINING,
    shots: int | None = None,
) -> HeldOut:
    """Train once for each fold without it, and answer on it.

    Args:
        evaluator: Runs the structure's circuit, with or without noise.
        task: Samples and their folds.
        rng: Source of the starts, and of the shots.
        training: How each is trained.
        shots: Measurements that the answers are counted from; None for exact probabilities.
    """
    begun = time.perf_counter()
    labels = task.labels
    correct, log_loss = np.zeros(len(labels)), np.zeros(len(labels))
    for fold in np.unique(task.fold_of):
        out = task.fold_of == fold
        targets = Targets(n_outcomes=task.n_outcomes, labels=labels[~out])
        model = train_model(evaluator, task.inputs[~out], targets, training, rng=rng)
        seen = evaluator.probabilities(model.weights, task.inputs[out])
        if shots is not None:
            seen = np.clip(seen, 0.0, None)
            seen = rng.multinomial(shots, seen / seen.sum(axis=1, keepdims=True)) / shots
        logits = class_logits(seen, model.params[-1], task.n_outcomes)
        correct[out] = logits.argmax(axis=1) == labels[out]
        given = log_softmax(logits, axis=1)[np.arange(len(logits)), labels[out]]
        log_loss[out] = -np.maximum(given, np.log(_LEAST_PROBABILITY))
    return HeldOut(correct, log_loss, time.perf_counter() - begun)


def probe_evaluator(spec: VQCNNSpec, device: Device | None) -> Evaluator:
    """Return the evaluator that probes of a structure run on: in single precision, noisy on a device."""
    # PERF: single precision halves the time; its error of 1e-6 is far below that of an accuracy.
    return compile_model(spec, device).fast
