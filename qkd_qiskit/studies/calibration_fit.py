"""From the records of a calibration sweep to coefficients, and what they are worth on other tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from sklearn.isotonic import isotonic_regression

from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import (
    FULL_BLOCK,
    Coefficients,
    DataCoefficients,
    DeviceCoefficients,
    NeedCoefficients,
    budget_terms,
    class_diversity,
    grant,
)
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.studies.calibration_plan import CalibrationPlan, Task
from qkd_qiskit.studies.calibration_sweep import UnitRecord, task_ladder
from qkd_qiskit.vqcnn import VQCNNSpec, resolve_kernel

POINT = 0.01 + 1e-9
"""What counts as equally accurate: one point, the tolerance of 'sufficient', and what rounding may add."""
ENOUGH_TASKS = 0.8
MOST_GATES = 1.5
ENOUGH_FITTED = 0.9
"""Share of the fitted tasks that must be sufficient: more than is promised, as new tasks do worse."""

_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)
_OVERLAP_GRID = (0.0, *np.geomspace(0.5, 100, 40))
_GAP_GRID = np.geomspace(0.03, 0.5, 60)
# Bounds of the exponents: outside, a handful of tasks would be read as a law.
_EXPONENTS = ((0.0, 2.0), (0.0, 1.0), (0.0, 1.5))
_EPSILON = 0.1


@dataclass(frozen=True)
class Curve:
    """Accuracy of one task against the size of the structure, as means over seeds.

    Attributes:
        task: The task.
        records: Its records, one a seed.
        blocks: Sizes of the trained structures, ascending [R].
        accuracy: Mean accuracy [R].
        seeds: Accuracy of each seed [S, R].
        granted: Accuracy of granted structures that are no rungs, by seed and blocks.
    """

    task: Task
    records: tuple[UnitRecord, ...]
    blocks: tuple[int, ...]
    accuracy: NDArray[np.float64]
    seeds: NDArray[np.float64]
    granted: Mapping[tuple[int, int], float] = field(default_factory=dict)

    @property
    def plateau(self) -> float:
        """The best mean accuracy."""
        return float(self.accuracy.max())

    @property
    def smallest(self) -> int:
        """Blocks of the smallest structure whose mean accuracy is within a point of the plateau."""
        return self.blocks[int(np.argmax(self.accuracy >= self.plateau - POINT))]

    @property
    def smooth_smallest(self) -> int:
        """The same on the rising curve nearest to the means, which chance moves less: what is fitted."""
        rising = np.asarray(isotonic_regression(self.accuracy))
        return self.blocks[int(np.argmax(rising >= rising[-1] - POINT))]

    @property
    def overlap(self) -> float:
        """Mean class overlap of the draws."""
        return float(np.mean([record.statistics.overlap for record in self.records]))

    def seed_accuracy(self, seed: int, blocks: int) -> float:
        """Accuracy of one seed with a structure, or with the largest trained one that is not larger."""
        if (seed, blocks) in self.granted:
            return self.granted[seed, blocks]
        place = max((i for i, size in enumerate(self.blocks) if size <= blocks), default=0)
        row = next(i for i, record in enumerate(self.records) if record.seed == seed)
        return float(self.seeds[row, place])


@dataclass(frozen=True)
class Verdict:
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
        """All figures, ready for JSON."""
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


def curves(
    plan: CalibrationPlan,
    records: Sequence[UnitRecord],
    granted: Mapping[tuple[str, int, int], float] | None = None,
) -> tuple[Curve, ...]:
    """Accuracy curves of all tasks that have records, in the plan's order.

    Args:
        plan: The sweep.
        records: Its records.
        granted: Accuracy by task, seed and blocks of structures that are no rungs.
    """
    found = []
    for task in plan.tasks:
        own = tuple(sorted((r for r in records if r.task == task.name), key=lambda record: record.seed))
        if own:
            seeds = np.array([[rung.accuracy for rung in record.rungs] for record in own])
            blocks = tuple(rung.blocks for rung in own[0].rungs)
            extra = {key[1:]: value for key, value in (granted or {}).items() if key[0] == task.name}
            found.append(Curve(task, own, blocks, seeds.mean(axis=0), seeds, extra))
    return tuple(found)


def fit_coefficients(plan: CalibrationPlan, found: Sequence[Curve], *, method: str = "fit") -> Coefficients:
    """Fit the rule to the tasks of use `fit`.

    The need: quantile regression (Koenker and Bassett, Econometrica 46:33, 1978) of the logarithm of the
    smallest sufficient blocks, with coefficients that cannot be negative, at the lowest level at which 90 %
    of the fitted tasks are sufficient. The data bound: the tightest with which 80 % of the tasks with few
    samples are. The ESP floor stays as it is: it is chosen by reason, see `docs/gate-budget.md`.

    Args:
        plan: The sweep.
        found: Curves of its tasks.
        method: Text that goes with the coefficients.

    Raises:
        EstimatorError: If there are too few tasks to fit.
    """
    used = [curve for curve in found if curve.task.use == "fit"]
    ample = [curve for curve in used if not curve.task.few and curve.task.backend is None]
    few = [curve for curve in used if curve.task.few]
    if len(ample) < 4 or not few:
        raise EstimatorError(
            "expected at least 4 tasks of use 'fit' with ample samples and one with few, "
            f"found {len(ample)} and {len(few)}"
        )

    def rule(need: NeedCoefficients, gap: float) -> Coefficients:
        return Coefficients(
            schema=1,
            provisional=True,
            method=method,
            need=need,
            data=DataCoefficients(constant=round(_EPSILON / gap, 4), epsilon=_EPSILON),
            device=DeviceCoefficients(esp_floor=0.5),
        )

    unlimited = 1e3
    need = _first(
        (_fit_need(ample, level) for level in _LEVELS),
        lambda need: _share(plan, ample, rule(need, unlimited)) >= ENOUGH_FITTED,
    )
    top = need.model_copy(update={"scale": 1e6})
    gap = _first(
        (float(value) for value in _GAP_GRID * 10),
        lambda gap: _share(plan, few, rule(top, gap)) >= ENOUGH_TASKS,
    )
    return rule(need, gap)


def verdicts(plan: CalibrationPlan, found: Sequence[Curve], rule: Coefficients) -> tuple[Verdict, ...]:
    """What a rule grants for each task, through the same functions as `estimate_gate_budget`."""
    return tuple(_verdict(plan, curve, rule) for curve in found)


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


def summarize(found: Sequence[Verdict]) -> Summary:
    """Shares and median over some verdicts; an empty group counts as sufficient."""
    need = [verdict for verdict in found if verdict.limited_by in ("need", "minimum")]
    bound = [verdict for verdict in found if verdict.limited_by not in ("need", "minimum")]
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


def _verdict(plan: CalibrationPlan, curve: Curve, rule: Coefficients) -> Verdict:
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
            return Verdict(
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
    return Verdict(
        task=task.name,
        use=task.use,
        limited_by=limited_by,
        granted=float(median(granted)),
        smallest=curve.smallest,
        accuracy=float(np.mean(accuracies)),
        best=best,
    )


def _fit_need(found: Sequence[Curve], level: float) -> NeedCoefficients:
    """Quantile regression for each overlap coefficient of a grid; the lowest loss wins."""
    rows, targets = [], []
    for curve in found:
        parameters = min(resolve_kernel(curve.task.kernel).n_parameters, FULL_BLOCK)
        for record in curve.records:
            s = record.statistics
            diversity = class_diversity(s.classes, s.entropy, max(s.classes, 2))
            rows.append(
                [math.log(diversity), math.log(max(s.dimension, 1.0)), math.log(FULL_BLOCK / parameters)]
            )
            targets.append(math.log(curve.smooth_smallest))
    design, y = np.array(rows), np.array(targets)
    overlap = np.array([record.statistics.overlap for curve in found for record in curve.records])
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for coefficient in _OVERLAP_GRID:
        loss, values = _quantile_regression(design, y - np.log1p(coefficient * overlap), level)
        if best is None or loss < best[0] - 1e-12:
            best = (loss, float(coefficient), values)
    assert best is not None
    scale, diversity, dimension, kernel = best[2].tolist()
    return NeedCoefficients(
        scale=_three_digits(math.exp(scale)),
        diversity=_three_digits(diversity),
        overlap=_three_digits(best[1]),
        dimension=_three_digits(dimension),
        kernel=_three_digits(kernel),
    )


def _quantile_regression(
    design: NDArray[np.float64], y: NDArray[np.float64], level: float
) -> tuple[float, NDArray[np.float64]]:
    """Intercept and bounded exponents that minimize the pinball loss, as a linear program."""
    n, k = design.shape
    costs = np.concatenate([np.zeros(1 + k), np.full(n, level), np.full(n, 1 - level)]) / n
    equalities = np.hstack([np.ones((n, 1)), design, np.eye(n), -np.eye(n)])
    bounds = [(None, None), *_EXPONENTS, *[(0.0, None)] * (2 * n)]
    solved = linprog(costs, A_eq=equalities, b_eq=y, bounds=bounds, method="highs")
    return float(solved.fun), np.asarray(solved.x[: 1 + k])


def _share(plan: CalibrationPlan, found: Sequence[Curve], rule: Coefficients) -> float:
    """Share of tasks whose granted structure is within a point of their plateau."""
    granted = verdicts(plan, found, rule)
    plateaus = [curve.plateau for curve in found]
    good = [
        verdict.refused is None and verdict.accuracy >= plateau - POINT
        for verdict, plateau in zip(granted, plateaus, strict=True)
    ]
    return float(np.mean(good))


def _first(candidates: Any, is_good: Callable[[Any], bool]) -> Any:
    """The first good candidate, or the last one."""
    for candidate in candidates:
        chosen = candidate
        if is_good(candidate):
            break
    return chosen


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")
