"""A client's training set: its own samples, and public samples of other classes for the reject outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.training.objective import Targets


@dataclass(frozen=True, eq=False)
class ClientTrainingSet:
    """What a client trains on.

    Attributes:
        inputs: Encoded inputs [N, F], own samples first.
        targets: Their outcomes and weights, with the reject outcome where classes are missing.
        held: Indices [k] of the client's classes in the global class set, increasing.
    """

    inputs: FloatArray
    targets: Targets
    held: IntArray


def client_training_set(
    inputs: FloatArray,
    labels: IntArray,
    public_inputs: FloatArray,
    public_labels: IntArray,
    *,
    n_classes: int,
) -> ClientTrainingSet:
    """Make the training set of a client that may miss classes.

    A client that holds all classes trains on its own samples alone. Any other one adds the labelled public
    samples of the classes that it misses, as the reject outcome. Their total weight is that of the missing
    classes' share among all classes, whatever their number: otherwise a small client would mostly learn to
    say no.

    Args:
        inputs: Own encoded inputs [N, F].
        labels: Their global class indices [N], 0 to n_classes - 1; a single class is legal.
        public_inputs: Encoded labelled public inputs for training [M, F].
        public_labels: Their global class indices [M].
        n_classes: Number of all classes of the experiment, at least 2.

    Raises:
        DistillationError: If the client has no sample, or misses classes of which the public set has none.
    """
    if len(inputs) == 0 or len(inputs) != len(labels):
        raise DistillationError(
            f"client: expected equally many inputs and labels, at least one, "
            f"found {len(inputs)} and {len(labels)}"
        )
    held, own = np.unique(labels, return_inverse=True)
    own = own.astype(np.int64)
    if len(held) == n_classes:
        return ClientTrainingSet(inputs, Targets(n_classes, labels=own), held)
    other = ~np.isin(public_labels, held)
    n_other = int(other.sum())
    if n_other == 0:
        raise DistillationError(
            f"client with {len(held)} of {n_classes} classes: expected public samples of the others, "
            "found none"
        )
    missing_share = 1.0 - len(held) / n_classes
    weights = np.concatenate(
        [
            np.full(len(own), (1.0 - missing_share) / len(own)),
            np.full(n_other, missing_share / n_other),
        ]
    )
    targets = Targets(
        len(held) + 1,
        labels=np.concatenate([own, np.full(n_other, len(held), dtype=np.int64)]),
        weights=weights * len(weights),
        reject=True,
    )
    return ClientTrainingSet(np.concatenate([inputs, public_inputs[other]]), targets, held)


def refined_training_set(
    first: ClientTrainingSet,
    n_own: int,
    public_inputs: FloatArray,
    teacher: FloatArray,
    *,
    rng: np.random.Generator,
) -> ClientTrainingSet:
    """Make the training set of a client that has got the server's soft labels.

    Its own samples keep their labels. As many public samples join them, if there are as many: their soft
    labels say what lies outside its classes far better than the few labelled ones of the first round.

    Args:
        first: Its training set of the first round, own samples first.
        n_own: Number of own samples in it, copies included.
        public_inputs: Encoded public inputs that the server has answered [M, F].
        teacher: The server's class probabilities on them [M, G].
        rng: Chooses the public samples.

    Raises:
        DistillationError: If inputs and soft labels differ in number.
    """
    if len(public_inputs) != len(teacher):
        raise DistillationError(f"client: expected {len(public_inputs)} soft labels, found {len(teacher)}")
    labels = first.targets.labels
    assert labels is not None
    chosen = rng.permutation(len(teacher))[:n_own]
    soft = teacher[chosen][:, first.held]
    if first.targets.reject:
        soft = np.concatenate([soft, np.maximum(1.0 - soft.sum(axis=1, keepdims=True), 0.0)], axis=1)
    own = np.eye(first.targets.n_outcomes)[labels[:n_own]]
    # Without hard labels the divergence from a one-hot row is the cross-entropy.
    soft = np.concatenate([own, soft])
    targets = Targets(first.targets.n_outcomes, soft=soft, soft_loss="kl", reject=first.targets.reject)
    inputs = np.concatenate([first.inputs[:n_own], public_inputs[chosen]])
    return ClientTrainingSet(inputs, targets, first.held)
