"""The teacher: calibrated clients, combined by rules, each of which counts for as much as labels say.

Which rule is best differs from data set to data set, and few labels tell it with little certainty. So the
rules are not chosen between: their answers are averaged, weighted by how probable the labels that the server
keeps to itself are under each, as in Bayesian model averaging.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

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

_EVIDENCE = 0.5
"""Power of the labels' probability in a candidate's weight."""
_LEAST_WEIGHT = 0.01
"""Candidates with less than this share of the largest weight are left out."""


@dataclass(frozen=True, eq=False)
class KnownLabels:
    """Labels that the server keeps to itself: indices of samples, and their global class indices.

    Attributes:
        calibration: For fitting; may be empty.
        validation: For weighing; disjoint from the former and not empty.
        copies: Copies of each original among the samples of either part.
    """

    calibration: tuple[IntArray, IntArray]
    validation: tuple[IntArray, IntArray]
    copies: int = 0


@dataclass(frozen=True)
class TeacherScore:
    """How one way of combining did on the public validation part.

    Attributes:
        aggregation: Rule of combination.
        calibration: Kind of the clients' calibration.
        accuracy: Share of right answers, in [0, 1].
        loss: Mean cross-entropy in nats.
        weight: Share of its answers in the teacher's, in [0, 1].
    """

    aggregation: str
    calibration: CalibrationKind
    accuracy: float
    loss: float
    weight: float


@dataclass(frozen=True, eq=False)
class TeacherPart:
    """One way of combining the clients.

    Attributes:
        calibrations: One a client.
        rule: Combines the clients.
        sharpness: Power that the combined probabilities are raised to before they are renormalized.
        weight: Share in the teacher's answers; those of all parts sum to one.
    """

    calibrations: tuple[OutputCalibration, ...]
    rule: AggregationRule
    sharpness: float
    weight: float


@dataclass(frozen=True, eq=False)
class Teacher:
    """A fitted ensemble of clients.

    Attributes:
        clients: Names, in the order in which `class_probabilities` expects the outputs.
        held: Indices of each client's classes in the global class set.
        rejects: Whether each client has the reject outcome.
        n_classes: Number G of all classes.
        parts: Those ways of combining that count, those of the largest weight first.
        scores: All candidates on the validation part, in the same order.
    """

    clients: tuple[str, ...]
    held: tuple[IntArray, ...]
    rejects: tuple[bool, ...]
    n_classes: int
    parts: tuple[TeacherPart, ...]
    scores: tuple[TeacherScore, ...]

    @property
    def aggregation(self) -> str:
        """Name of the rule that counts most."""
        return self.parts[0].rule.name

    @property
    def calibrations(self) -> tuple[OutputCalibration, ...]:
        """Each client's calibration for that rule."""
        return self.parts[0].calibrations

    def class_probabilities(
        self, outputs: Sequence[FloatArray], own: FloatArray | None = None, *, sharpened: bool = True
    ) -> FloatArray:
        """Combine the clients' outputs on any inputs.

        Args:
            outputs: One array [N, k_i (+ 1)] a client, in the order of `clients`.
            own: Class probabilities [N, G] of the server's own model, where the teacher was built with one.
            sharpened: Whether each rule's answers are calibrated.

        Returns:
            Probabilities [N, G] over the global class set; rows sum to one.

        Raises:
            DistillationError: If the number of clients differs.
        """
        if len(outputs) != len(self.clients):
            raise DistillationError(
                f"teacher: expected outputs of {len(self.clients)} clients, found {len(outputs)}"
            )
        total: FloatArray | float = 0.0
        for part in self.parts:
            lifted = [
                lift(calibration.apply(o), held, self.n_classes)
                for calibration, o, held in zip(part.calibrations, outputs, self.held, strict=True)
            ]
            answers = part.rule.answer(lifted, self.held, self.rejects, own)
            total = total + part.weight * (soften(answers, 1.0 / part.sharpness) if sharpened else answers)
        return np.asarray(total)


def build_teacher(
    clients: Iterable[ClientOutputs],
    *,
    n_classes: int,
    known: KnownLabels,
    own: FloatArray | None = None,
    aggregations: Sequence[str] = tuple(RULES),
    calibrations: Sequence[CalibrationKind] = CALIBRATIONS,
) -> tuple[Teacher, FloatArray]:
    """Calibrate each client, and weigh the ways to combine them.

    A candidate's weight is the square root of the probability of all known labels by its answers: the square
    root, as calibrations were fitted to some of these very labels. An original and its copies count as one.

    Clients are gone through as often as the rules want it, at least twice, one at a time: of each no more is
    kept than its calibrations and what a rule has estimated of it.

    Args:
        clients: Outputs of at least one client on all samples that clients answer; anything that can be gone
            through more than once.
        n_classes: Number G of all classes.
        known: The labels that the server keeps to itself.
        own: Class probabilities [N, G] of the server's own model on the same samples; None where it has none.
        aggregations: Names of rules to weigh.
        calibrations: Kinds to weigh.

    Returns:
        The teacher, and its class probabilities on all samples [N, G].

    Raises:
        DistillationError: If there is no client, nothing to choose from or with, or the two parts overlap.
    """
    rows, labels = known.calibration
    held_back, answers = known.validation
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
                told = np.full(len(client.outputs), -1, dtype=np.int64)
                told[both] = both_labels
                censuses[kind] = Census(
                    len(client.outputs), n_classes, own=own, labels=told, copies=known.copies
                )
            censuses[kind].count(_mended(client, fitted[kind], n_classes), client.held)
    if not members or not aggregations or not calibrations:
        raise DistillationError("teacher: expected at least one client, aggregation and calibration")
    running = {
        (kind, rule): rule_named(rule)(censuses[kind])
        for rule in aggregations
        for kind in (calibrations if rule_named(rule).wants_calibrated else calibrations[:1])
    }
    _add_all(clients, members, running, n_classes)
    candidates: list[_Candidate] = []
    for (kind, rule), aggregated in running.items():
        p = aggregated.unseen(both)
        # One number for all classes: the validation part may help, as few samples make it far too sharp.
        sharpness = fit_calibration(p, both_labels, "temperature").scale
        losses = _cross_entropies(soften(p, 1.0 / sharpness), both_labels)
        right = p[len(rows) :].argmax(axis=1) == answers
        score = TeacherScore(rule, kind, float(right.mean()), float(losses[len(rows) :].mean()), 0.0)
        candidates.append(_Candidate(score, aggregated, sharpness, float(losses.mean())))
    return _weighed(members, candidates, len(both) // (1 + known.copies), n_classes)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One way of combining, with its cross-entropy on all known labels."""

    score: TeacherScore
    rule: AggregationRule
    sharpness: float
    loss: float


def _weighed(
    members: Sequence[_Member], candidates: Sequence[_Candidate], n_labels: int, n_classes: int
) -> tuple[Teacher, FloatArray]:
    """Return the teacher of candidates, and its answers [N, G], where so many labels weigh them."""
    losses = np.array([candidate.loss for candidate in candidates])
    weights = softmax(-_EVIDENCE * n_labels * losses)
    weights[weights < _LEAST_WEIGHT * weights.max()] = 0.0
    weights /= weights.sum()
    order = np.argsort(-weights, kind="stable")
    parts: list[TeacherPart] = []
    soft: FloatArray | float = 0.0
    for number in order[: np.count_nonzero(weights)]:
        found, weight = candidates[number], float(weights[number])
        fitted = tuple(member.fitted[found.score.calibration] for member in members)
        parts.append(TeacherPart(fitted, found.rule, found.sharpness, weight))
        soft = soft + weight * soften(found.rule.combined(), 1.0 / found.sharpness)
    teacher = Teacher(
        clients=tuple(member.client for member in members),
        held=tuple(member.held for member in members),
        rejects=tuple(member.reject for member in members),
        n_classes=n_classes,
        parts=tuple(parts),
        scores=tuple(replace(candidates[k].score, weight=float(weights[k])) for k in order),
    )
    return teacher, np.asarray(soft)


def _cross_entropies(probabilities: FloatArray, labels: IntArray) -> FloatArray:
    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], OUTPUT_FLOOR)))


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
