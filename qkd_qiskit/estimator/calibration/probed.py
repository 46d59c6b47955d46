"""Recorded probes: what the search would have found with them, and what rule and probes grant then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import Coefficients, ProbeModel, budget_terms, grant
from qkd_qiskit.estimator.calibration.curves import POINT, Curve
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan
from qkd_qiskit.estimator.calibration.records import ProbeRecord, task_ladder
from qkd_qiskit.estimator.probes.posterior import prior_centre, size_prior
from qkd_qiskit.estimator.probes.run import round_seconds
from qkd_qiskit.estimator.probes.search import Evidence, search_sizes, size_interval

SECONDS = 60.0
"""Time that probes may take."""


@dataclass(frozen=True, eq=False)
class ProbedTask:
    """The recorded truth and probes of one task.

    Attributes:
        curve: Its accuracy curve.
        smooth: The truth [R]: the saturating curve nearest to the mean accuracies.
        proposal: The rule's need in blocks for the probed draw.
        headroom: What a kernel machine gains over a linear rule on it.
        granted: Blocks that the rule grants, and, as they need not have been trained, the next trained size.
        correct: Whether each held-out sample was right [R, rounds, N].
        costs: Seconds of one round of each size, in closed form for one core [R].
    """

    curve: Curve
    smooth: FloatArray
    proposal: float
    headroom: float
    granted: tuple[int, int]
    correct: FloatArray
    costs: tuple[float, ...]

    @property
    def family(self) -> str:
        """What tasks of one source of data have in common: its file, dataset, or kind of made-up data."""
        of = self.curve.task
        return of.file or (of.dataset if of.synthetic is None else of.synthetic.kind)

    @property
    def rising(self) -> ProbedTask:
        """The task with another truth: the rising curve nearest to the mean accuracies."""
        return replace(self, smooth=self.curve.smooth)

    @property
    def needed(self) -> int:
        """Number of the smallest sufficient size."""
        return int(np.argmax(self.smooth >= self.smooth[-1] - POINT))

    def is_sufficient(self, size: int) -> bool:
        """Return whether a size is within a point of the plateau."""
        return bool(self.smooth[size] >= self.smooth[-1] - POINT)


@dataclass(frozen=True)
class ProbeAssessment:
    """What rule and probes grant for one task.

    Attributes:
        task: Name of the task.
        use: `fit`, `validation` or `confirmation`.
        classes: Number of classes.
        samples: Samples of the probed draw.
        needed: Blocks of the smallest sufficient size.
        rule: Blocks that the rule grants.
        probes: Blocks that the probes grant.
        interval: Between which sizes the probes see the need with 90 %.
        rule_sufficient: Whether the rule's grant is within a point of the plateau.
        sufficient: Whether the probes' grant is.
        covered: Whether the interval holds `needed`.
        seconds: Time of the probes on one core, in closed form.
    """

    task: str
    use: str
    classes: int
    samples: int
    needed: int
    rule: int
    probes: int
    interval: tuple[int, int]
    rule_sufficient: bool
    sufficient: bool
    covered: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        return {**asdict(self), "ratio": self.probes / self.needed, "rule_ratio": self.rule / self.needed}


def probed_tasks(
    plan: CalibrationPlan, found: Sequence[Curve], rule: Coefficients, model: ProbeModel
) -> tuple[ProbedTask, ...]:
    """Return the tasks of which a draw was probed.

    Args:
        plan: The sweep.
        found: Curves of its tasks.
        rule: Coefficients of the rule.
        model: Gives the costs of trainings.

    Raises:
        EstimatorError: If a record lacks the headroom of its draw.
    """
    tasks = []
    for curve in found:
        record = next((record for record in curve.records if record.probes), None)
        if record is None or plan.probes is None:
            continue
        if record.headroom is None:
            raise EstimatorError(f"task {curve.task.name}: expected a record with its headroom, found none")
        ladder = task_ladder(plan, curve.task)
        terms = budget_terms(ladder, record.statistics, rule, None)
        spec, _ = grant(ladder, terms)
        granted = len(spec.blocks)
        rungs = {len(rung.blocks): rung for rung in ladder}
        tasks.append(
            ProbedTask(
                curve=curve,
                smooth=curve.saturating,
                proposal=terms.need,
                headroom=record.headroom,
                granted=(granted, min(int(np.searchsorted(curve.blocks, granted)), len(curve.blocks) - 1)),
                correct=np.array([_bits(probe, record.probed) for probe in record.probes]),
                costs=tuple(
                    round_seconds(rungs[blocks], record.probed, plan.probes.folds, model)
                    for blocks in curve.blocks
                ),
            )
        )
    return tuple(tasks)


def prior_of(task: ProbedTask, model: ProbeModel) -> FloatArray:
    """Return the probability [R] that each size is the smallest sufficient one, before any probe."""
    blocks = task.curve.blocks
    return size_prior(blocks, prior_centre(blocks[0], task.proposal, task.headroom, model), model)


def simulate_probes(
    task: ProbedTask, model: ProbeModel, *, seconds: float = SECONDS
) -> tuple[Evidence, float]:
    """Return what the search would have found, with recorded answers in place of trainings, and its cost."""
    evidence = Evidence(task.curve.blocks, prior_of(task, model), model, task.correct.shape[2])
    spent = search_sizes(
        evidence,
        lambda size, number: task.correct[size, number],
        task.costs,
        budget=seconds,
        most_rounds=task.correct.shape[1],
    )
    return evidence, spent


def assess_evidence(
    tasks: Sequence[ProbedTask], searched: Sequence[tuple[Evidence, float]]
) -> tuple[ProbeAssessment, ...]:
    """Assess what is granted for each task with what was found, and the seconds spent."""
    found = []
    for task, (evidence, spent) in zip(tasks, searched, strict=True):
        size = evidence.granted(evidence.model.confidence)
        low, high = size_interval(evidence.smallest())
        blocks, (granted, nearest) = task.curve.blocks, task.granted
        found.append(
            ProbeAssessment(
                task=task.curve.task.name,
                use=task.curve.task.use,
                classes=task.curve.task.n_outcomes,
                samples=evidence.samples,
                needed=blocks[task.needed],
                rule=granted,
                probes=blocks[size],
                interval=(blocks[low], blocks[high]),
                rule_sufficient=task.is_sufficient(nearest),
                sufficient=task.is_sufficient(size),
                covered=low <= task.needed <= high,
                seconds=round(spent, 1),
            )
        )
    return tuple(found)


def _bits(probe: ProbeRecord, samples: int) -> FloatArray:
    rows = [np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:samples] for text in probe.correct]
    return np.array(rows, dtype=np.float64)
