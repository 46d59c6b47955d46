"""The teacher: calibrated clients, combined; how, is chosen on the public validation part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.distillation.aggregation import (
    AGGREGATIONS,
    OUTPUT_FLOOR,
    Aggregation,
    aggregate,
    lift,
)
from qkd_qiskit.distillation.calibration import (
    CALIBRATIONS,
    Calibration,
    CalibrationKind,
    fit_calibration,
)
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.training.losses import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class ClientOutputs:
    """One client's outputs on the public set, as the teacher takes them.

    Attributes:
        client: Name of the client.
        held: Indices [k] of its classes in the global class set, increasing.
        outputs: Outcome probabilities [n_public, k], or [n_public, k + 1] with the reject outcome last.
    """

    client: str
    held: IntArray
    outputs: FloatArray

    @property
    def reject(self) -> bool:
        """Whether the last column is the reject outcome."""
        return bool(self.outputs.shape[1] == len(self.held) + 1)


@dataclass(frozen=True)
class TeacherScore:
    """How one way of combining did on the public validation part.

    Attributes:
        aggregation: Rule of combination.
        calibration: Kind of the clients' calibration.
        accuracy: Share of right answers, in [0, 1].
        loss: Mean cross-entropy in nats; the lowest wins.
    """

    aggregation: Aggregation
    calibration: CalibrationKind
    accuracy: float
    loss: float


@dataclass(frozen=True, eq=False)
class Teacher:
    """A fitted ensemble of clients.

    Attributes:
        clients: Names, in the order in which `class_probabilities` expects the outputs.
        held: Indices of each client's classes in the global class set.
        rejects: Whether each client has the reject outcome.
        n_classes: Number G of all classes.
        calibrations: One a client.
        aggregation: Rule of combination.
        sharpness: Power that the combined probabilities are raised to before they are renormalized.
        scores: All candidates on the validation part, the chosen one first.
    """

    clients: tuple[str, ...]
    held: tuple[IntArray, ...]
    rejects: tuple[bool, ...]
    n_classes: int
    calibrations: tuple[Calibration, ...]
    aggregation: Aggregation
    sharpness: float
    scores: tuple[TeacherScore, ...]

    def class_probabilities(self, outputs: Sequence[FloatArray]) -> FloatArray:
        """Combine the clients' outputs on any inputs.

        Args:
            outputs: One array [N, k_i (+ 1)] a client, in the order of `clients`.

        Returns:
            Probabilities [N, G] over the global class set; rows sum to one.

        Raises:
            DistillationError: If the number of clients differs.
        """
        if len(outputs) != len(self.clients):
            raise DistillationError(
                f"teacher: expected outputs of {len(self.clients)} clients, found {len(outputs)}"
            )
        combined = _combine(
            [c.apply(o) for c, o in zip(self.calibrations, outputs, strict=True)],
            self.held,
            self.rejects,
            self.n_classes,
            self.aggregation,
        )
        return soften(combined, 1.0 / self.sharpness)


def soften(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Probabilities [N, G] at another temperature: raised to `1 / temperature` and renormalized."""
    logs = np.log(np.maximum(probabilities, OUTPUT_FLOOR)) / temperature
    p = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def build_teacher(
    clients: Sequence[ClientOutputs],
    *,
    n_classes: int,
    calibration: tuple[IntArray, IntArray],
    validation: tuple[IntArray, IntArray],
    aggregations: Sequence[Aggregation] = AGGREGATIONS,
    calibrations: Sequence[CalibrationKind] = CALIBRATIONS,
) -> Teacher:
    """Calibrate each client, and choose how to combine them.

    Args:
        clients: Outputs of at least one client on the whole public set.
        n_classes: Number G of all classes.
        calibration: Indices into the public set and their global class indices, for fitting; may be empty.
        validation: The same for choosing; disjoint from the former and not empty.
        aggregations: Rules to choose from.
        calibrations: Kinds to choose from.

    Returns:
        The candidate with the lowest cross-entropy on the validation part; the first of equals.

    Raises:
        DistillationError: If there is no client, nothing to choose from or with, or the two parts overlap.
    """
    if not clients or not aggregations or not calibrations:
        raise DistillationError("teacher: expected at least one client, aggregation and calibration")
    rows, labels = calibration
    held_back, answers = validation
    if len(held_back) == 0 or np.intersect1d(rows, held_back).size:
        raise DistillationError("teacher: expected validation samples, disjoint from the calibration samples")
    held = tuple(c.held for c in clients)
    rejects = tuple(c.reject for c in clients)
    both, both_labels = np.concatenate([rows, held_back]), np.concatenate([labels, answers])
    candidates: list[tuple[TeacherScore, tuple[Calibration, ...], float]] = []
    for kind in calibrations:
        fitted = tuple(fit_calibration(c.outputs[rows], own_outcomes(labels, c), kind) for c in clients)
        mended = [f.apply(c.outputs) for f, c in zip(fitted, clients, strict=True)]
        for rule in aggregations:
            p = _combine(mended, held, rejects, n_classes, rule)
            # One number for all classes: the validation part may help, as few samples make it far too sharp.
            sharpness = fit_calibration(p[both], both_labels, "temperature").scale
            seen = soften(p[held_back], 1.0 / sharpness)
            score = TeacherScore(
                aggregation=rule,
                calibration=kind,
                accuracy=float((seen.argmax(axis=1) == answers).mean()),
                loss=float(-np.log(np.maximum(seen[np.arange(len(seen)), answers], OUTPUT_FLOOR)).mean()),
            )
            candidates.append((score, fitted, sharpness))
    candidates.sort(key=lambda candidate: candidate[0].loss)
    best, fitted, sharpness = candidates[0]
    return Teacher(
        clients=tuple(c.client for c in clients),
        held=held,
        rejects=rejects,
        n_classes=n_classes,
        calibrations=fitted,
        aggregation=best.aggregation,
        sharpness=sharpness,
        scores=tuple(score for score, _, _ in candidates),
    )


def own_outcomes(labels: IntArray, client: ClientOutputs) -> IntArray:
    """Global class indices [N] as outcomes of one client.

    A class that the client does not hold becomes its reject outcome, or -1 where it has none.
    """
    outcome = np.full(len(labels), len(client.held) if client.reject else -1, dtype=np.int64)
    for position, label in enumerate(client.held):
        outcome[labels == label] = position
    return outcome


def _combine(
    outputs: Sequence[FloatArray],
    held: Sequence[IntArray],
    rejects: Sequence[bool],
    n_classes: int,
    rule: Aggregation,
) -> FloatArray:
    lifted = [lift(o, h, n_classes) for o, h in zip(outputs, held, strict=True)]
    return aggregate(lifted, held, rejects, rule)
