"""From the records of a calibration sweep to the coefficients of the rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import (
    FULL_BLOCK,
    Coefficients,
    DataCoefficients,
    DeviceCoefficients,
    FittedRange,
    NeedCoefficients,
    class_diversity,
)
from qkd_qiskit.estimator.calibration.assessment import ENOUGH_TASKS, assess_tasks
from qkd_qiskit.estimator.calibration.curves import POINT, Curve
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan
from qkd_qiskit.vqcnn import resolve_kernel

ENOUGH_FITTED = 0.9
"""Share of the fitted tasks that must be sufficient: more than is promised, as new tasks do worse."""

_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)
_OVERLAP_GRID = (0.0, *np.geomspace(0.5, 100, 40))
_GAP_GRID = np.geomspace(0.03, 0.5, 60)
# Bounds of the exponents: outside, a handful of tasks would be read as a law.
_EXPONENTS = ((0.0, 2.0), (0.0, 1.0), (0.0, 1.5))
_EPSILON = 0.1


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
            encoding=plan.encoding,
            fitted=_range(plan, used),
            need=need,
            data=DataCoefficients(constant=round(_EPSILON / gap, 4), epsilon=_EPSILON),
            device=DeviceCoefficients(),
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


def _range(plan: CalibrationPlan, used: Sequence[Curve]) -> FittedRange:
    blocks = [count for curve in used for count in curve.blocks]
    classes = [curve.task.n_outcomes for curve in used]
    return FittedRange(
        n_qubits=plan.n_qubits,
        blocks=(min(blocks), max(blocks)),
        classes=(min(classes), max(classes)),
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
    """Return the share of tasks whose granted structure is within a point of their plateau."""
    granted = assess_tasks(plan, found, rule)
    plateaus = [curve.plateau for curve in found]
    good = [
        assessment.refused is None and assessment.accuracy >= plateau - POINT
        for assessment, plateau in zip(granted, plateaus, strict=True)
    ]
    return float(np.mean(good))


def _first(candidates: Any, is_good: Callable[[Any], bool]) -> Any:
    """Return the first good candidate, or the last one."""
    for candidate in candidates:
        chosen = candidate
        if is_good(candidate):
            break
    return chosen


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")
