"""What fitted coefficients are worth: granted structures against the smallest sufficient ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import (
    Coefficients,
    budget_terms,
    grant,
)
from qkd_qiskit.estimator.calibration.curves import POINT, Curve
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan
from qkd_qiskit.estimator.calibration.records import task_ladder
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.vqcnn import VQCNNSpec

ENOUGH_TASKS = 0.8
MOST_GATES = 1.5


@dataclass(frozen=True)
class TaskAssessment:
    """What a rule grants for one task, and how good that is.

    Attributes:
        task: Name of the task.
        use: `fit` or `validation`.
        limited_by: The term that limits most seeds, or `refused`.
        granted: Median of the granted blocks over seeds.
        smallest: Blocks of the smallest sufficient structure.
        accuracy: Mean accuracy of what was granted.
        best: Mean accuracy of the best structure, or, where data or device limit, of the best allowed one.
        refused: Why nothing was granted, where that is so.
    """

    task: str
    use: str
    limited_by: str
    granted: float
    smallest: int
    accuracy: float
    best: float
    refused: str | None = None

    @property
    def sufficient(self) -> bool:
        """Whether the granted structure is within a point of the best."""
        return self.refused is None and self.accuracy >= self.best - POINT

    @property
    def ratio(self) -> float:
        """Granted over smallest sufficient blocks; two-qubit gates have the same ratio."""
        return self.granted / self.smallest

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        return {**asdict(self), "sufficient": self.sufficient, "ratio": self.ratio}


@dataclass(frozen=True)
class Summary:
    """What a rule is worth on some tasks.

    Attributes:
        need_tasks: Number of tasks that the need (or the smallest structure) limits.
        need_sufficient: Share of them whose granted structure is sufficient.
        need_ratio: Median of granted over smallest sufficient blocks.
        bound_tasks: Number of tasks that data or device limit.
        bound_sufficient: Share of them that are within a point of the best allowed structure.
    """

    need_tasks: int
    need_sufficient: float
    need_ratio: float
    bound_tasks: int
    bound_sufficient: float

    @property
    def is_met(self) -> bool:
        """Whether 80 % of the tasks are sufficient on either side, with at most 1.5 times the gates."""
        return (
            self.need_tasks > 0
            and self.need_sufficient >= ENOUGH_TASKS
            and self.need_ratio <= MOST_GATES
            and self.bound_sufficient >= ENOUGH_TASKS
        )


def assess_tasks(
    plan: CalibrationPlan, found: Sequence[Curve], rule: Coefficients
) -> tuple[TaskAssessment, ...]:
    """Assess what a rule grants for each task, through the same functions as `estimate_gate_budget`."""
    return tuple(_assess_task(plan, curve, rule) for curve in found)


def granted_beside_rungs(
    plan: CalibrationPlan, found: Sequence[Curve], rule: Coefficients
) -> dict[tuple[str, int], VQCNNSpec]:
    """Structures that a rule grants to validation tasks and that the sweep has not trained."""
    wanted = {}
    for curve in found:
        if curve.task.use != "validation":
            continue
        ladder = task_ladder(plan, curve.task)
        device = None if curve.task.backend is None else load_backend(curve.task.backend)
        for record in curve.records:
            try:
                spec, _ = grant(ladder, budget_terms(ladder, record.statistics, rule, device))
            except EstimatorError:
                continue
            if len(spec.blocks) not in curve.blocks:
                wanted[curve.task.name, record.seed] = spec
    return wanted


def summarize(found: Sequence[TaskAssessment]) -> Summary:
    """Return the shares and median over some tasks; an empty group counts as sufficient."""
    need = [assessment for assessment in found if assessment.limited_by in ("need", "minimum")]
    bound = [assessment for assessment in found if assessment.limited_by not in ("need", "minimum")]
    return Summary(
        need_tasks=len(need),
        need_sufficient=float(np.mean([v.sufficient for v in need])) if need else 1.0,
        need_ratio=median(v.ratio for v in need) if need else 1.0,
        bound_tasks=len(bound),
        bound_sufficient=float(np.mean([v.sufficient for v in bound])) if bound else 1.0,
    )


def fit_error(plan: CalibrationPlan, found: Sequence[Curve], rule: Coefficients) -> float:
    """Root mean square of log(need / smallest sufficient) over the tasks that the need was fitted to."""
    errors = []
    for curve in found:
        if curve.task.use == "fit" and not curve.task.few and curve.task.backend is None:
            ladder = task_ladder(plan, curve.task)
            for record in curve.records:
                need = budget_terms(ladder, record.statistics, rule, None).need
                need = max(need, float(len(ladder[0].blocks)))
                errors.append(math.log(need / curve.smooth_smallest))
    return float(np.sqrt(np.mean(np.square(errors)))) if errors else 0.0


def _assess_task(plan: CalibrationPlan, curve: Curve, rule: Coefficients) -> TaskAssessment:
    task = curve.task
    ladder = task_ladder(plan, task)
    device = None if task.backend is None else load_backend(task.backend)
    granted, limits, accuracies = [], [], []
    allowed = float(curve.blocks[-1])
    for record in curve.records:
        terms = budget_terms(ladder, record.statistics, rule, device)
        try:
            spec, limit = grant(ladder, terms)
        except EstimatorError as error:
            return TaskAssessment(
                task.name, task.use, "refused", 0.0, curve.smallest, 0.0, curve.plateau, str(error)
            )
        granted.append(len(spec.blocks))
        limits.append(limit)
        accuracies.append(curve.seed_accuracy(record.seed, len(spec.blocks)))
        allowed = min(allowed, max(terms.data if limit == "data" else terms.device, curve.blocks[0]))
    limited_by = max(sorted(set(limits)), key=limits.count)
    best = curve.plateau
    if limited_by in ("data", "device"):
        best = float(curve.accuracy[np.array(curve.blocks) <= allowed].max())
    return TaskAssessment(
        task=task.name,
        use=task.use,
        limited_by=limited_by,
        granted=float(median(granted)),
        smallest=curve.smallest,
        accuracy=float(np.mean(accuracies)),
        best=best,
    )
