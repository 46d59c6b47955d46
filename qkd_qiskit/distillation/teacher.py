"""The teacher: calibrated clients, combined; how, is chosen on the public validation part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.calibration import (
    CALIBRATIONS,
    CalibrationKind,
    OutputCalibration,
    fit_calibration,
)
from qkd_qiskit.distillation.outputs import OUTPUT_FLOOR, ClientOutputs, lift, soften
from qkd_qiskit.distillation.rules import RULES, AggregationRule, Census, rule_named
from qkd_qiskit.errors import DistillationError


@dataclass(frozen=True)
class TeacherScore:
    """How one way of combining did on the public validation part.

    Attributes:
        aggregation: Rule of combination.
        calibration: Kind of the clients' calibration.
        accuracy: Share of right answers, in [0, 1].
        loss: Mean cross-entropy in nats; the lowest wins.
    """

    aggregation: str
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
        rule: Combines the clients.
        sharpness: Power that the combined probabilities are raised to before they are renormalized.
        scores: All candidates on the validation part, the chosen one first.
    """

    clients: tuple[str, ...]
    held: tuple[IntArray, ...]
    rejects: tuple[bool, ...]
    n_classes: int
    calibrations: tuple[OutputCalibration, ...]
    rule: AggregationRule
    sharpness: float
    scores: tuple[TeacherScore, ...]

    @property
    def aggregation(self) -> str:
        """Name of the rule of combination."""
        return self.rule.name

    def class_probabilities(self, outputs: Sequence[FloatArray], own: FloatArray | None = None) -> FloatArray:
        """Combine the clients' outputs on any inputs.

        Args:
            outputs: One array [N, k_i (+ 1)] a client, in the order of `clients`.
            own: Class probabilities [N, G] of the server's own model, where the teacher was built with one.

        Returns:
            Probabilities [N, G] over the global class set; rows sum to one.

        Raises:
            DistillationError: If the number of clients differs.
        """
        if len(outputs) != len(self.clients):
            raise DistillationError(
                f"teacher: expected outputs of {len(self.clients)} clients, found {len(outputs)}"
            )
        lifted = [
            lift(calibration.apply(o), held, self.n_classes)
            for calibration, o, held in zip(self.calibrations, outputs, self.held, strict=True)
        ]
        combined = self.rule.answer(lifted, self.held, self.rejects, own)
        return soften(combined, 1.0 / self.sharpness)


def build_teacher(
    clients: Iterable[ClientOutputs],
    *,
    n_classes: int,
    calibration: tuple[IntArray, IntArray],
    validation: tuple[IntArray, IntArray],
    own: FloatArray | None = None,
    aggregations: Sequence[str] = tuple(RULES),
    calibrations: Sequence[CalibrationKind] = CALIBRATIONS,
) -> tuple[Teacher, FloatArray]:
    """Calibrate each client, and choose how to combine them.

    Clients are gone through as often as the rules want it, at least twice, one at a time: of each no more is
    kept than its calibrations and what a rule has estimated of it.

    Args:
        clients: Outputs of at least one client on all samples that clients answer; anything that can be gone
            through more than once.
        n_classes: Number G of all classes.
        calibration: Indices of samples and their global class indices, for fitting; may be empty.
        validation: The same for choosing; disjoint from the former and not empty.
        own: Class probabilities [N, G] of the server's own model on the same samples; None where it has none.
        aggregations: Names of rules to choose from.
        calibrations: Kinds to choose from.

    Returns:
        The candidate with the lowest cross-entropy on the validation part, the first of equals; and its class
        probabilities on all samples [N, G].

    Raises:
        DistillationError: If there is no client, nothing to choose from or with, or the two parts overlap.
    """
    rows, labels = calibration
    held_back, answers = validation
    if len(held_back) == 0 or np.intersect1d(rows, held_back).size:
        raise DistillationError("teacher: expected validation samples, disjoint from the calibration samples")
    both, both_labels = np.concatenate([rows, held_back]), np.concatenate([labels, answers])
    members: list[_Member] = []
    censuses: dict[CalibrationKind, Census] = {}
    for client in clients:
        outcomes = client.outcomes_of(labels)
        fitted = {kind: fit_calibration(client.outputs[rows], outcomes, kind) for kind in calibrations}
        members.append(_Member(client.client, client.held, client.reject, fitted))
        for kind in calibrations:
            if kind not in censuses:
                known = np.full(len(client.outputs), -1, dtype=np.int64)
                known[both] = both_labels
                censuses[kind] = Census(len(client.outputs), n_classes, own=own, labels=known)
            censuses[kind].count(_mended(client, fitted[kind], n_classes), client.held)
    if not members or not aggregations or not calibrations:
        raise DistillationError("teacher: expected at least one client, aggregation and calibration")
    running = {
        (kind, rule): rule_named(rule)(censuses[kind])
        for rule in aggregations
        for kind in (calibrations if rule_named(rule).wants_calibrated else calibrations[:1])
    }
    _add_all(clients, members, running, n_classes)
    candidates: list[tuple[TeacherScore, float]] = []
    for (kind, rule), aggregated in running.items():
        p = aggregated.combined()
        # One number for all classes: the validation part may help, as few samples make it far too sharp.
        sharpness = fit_calibration(p[both], both_labels, "temperature").scale
        seen = soften(p[held_back], 1.0 / sharpness)
        score = TeacherScore(
            aggregation=rule,
            calibration=kind,
            accuracy=float((seen.argmax(axis=1) == answers).mean()),
            loss=float(-np.log(np.maximum(seen[np.arange(len(seen)), answers], OUTPUT_FLOOR)).mean()),
        )
        candidates.append((score, sharpness))
    candidates.sort(key=lambda candidate: candidate[0].loss)
    best, sharpness = candidates[0]
    teacher = Teacher(
        clients=tuple(member.client for member in members),
        held=tuple(member.held for member in members),
        rejects=tuple(member.reject for member in members),
        n_classes=n_classes,
        calibrations=tuple(member.fitted[best.calibration] for member in members),
        rule=running[best.calibration, best.aggregation],
        sharpness=sharpness,
        scores=tuple(score for score, _ in candidates),
    )
    soft = soften(running[best.calibration, best.aggregation].combined(), 1.0 / sharpness)
    return teacher, soft


@dataclass(frozen=True, eq=False)
class _Member:
    """All that is kept of a client while teachers are compared."""

    client: str
    held: IntArray
    reject: bool
    fitted: dict[CalibrationKind, OutputCalibration]


def _add_all(
    clients: Iterable[ClientOutputs],
    members: Sequence[_Member],
    running: dict[tuple[CalibrationKind, str], AggregationRule],
    n_classes: int,
) -> None:
    """Add the clients to all rules, as often as each of them wants."""
    open_rules = dict(running)
    while open_rules:
        kinds = dict.fromkeys(kind for kind, _ in open_rules)
        for client, member in zip(clients, members, strict=True):
            for kind in kinds:
                lifted = _mended(client, member.fitted[kind], n_classes)
                for (wanted, _), rule in open_rules.items():
                    if wanted == kind:
                        rule.add(lifted, client.held, client.reject)
        open_rules = {key: rule for key, rule in open_rules.items() if rule.again()}


def _mended(client: ClientOutputs, calibration: OutputCalibration, n_classes: int) -> FloatArray:
    return lift(calibration.apply(client.outputs), client.held, n_classes)
