"""From recorded probes to the numbers of the probe model, and what they are worth on tasks left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import Coefficients, ProbeModel, load_coefficients
from qkd_qiskit.estimator.calibration.curves import Curve, curves
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan
from qkd_qiskit.estimator.calibration.predictors import (
    Figures,
    Part,
    compare_ways,
    figures_of_draws,
)
from qkd_qiskit.estimator.calibration.probed import (
    ProbeAssessment,
    ProbedTask,
    prior_of,
    probed_tasks,
)
from qkd_qiskit.estimator.calibration.records import UnitRecord
from qkd_qiskit.estimator.probes.search import Evidence, granted_within, size_interval

_CANDIDATES: Mapping[str, tuple[float, ...]] = {
    "prior_floor": (0.1, 0.3, 0.6),
    "steep_noise": (0.0, 0.05, 0.2),
    "curve_noise": (0.003, 0.005, 0.008, 0.012),
    "fall_share": (0.05, 0.1, 0.3),
}
_WIDTHS = (1.0, 1.2, 1.4, 1.7, 2.0)
_CONFIDENCES = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.92, 0.95)
_LIKELIHOOD = ("training_noise", "curve_noise", "steep_noise", "fall_share", "pseudo_errors", "trust")
_PRIOR = ("prior_offset", "prior_slope", "prior_headroom", "prior_spread")
_ENOUGH = 0.9
_COVERED = 0.9
_LEAST_NOISE = 0.002


class Replays:
    """What all recorded rounds say of each task, whatever the prior; kept, as choices are made many times."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], tuple[FloatArray, FloatArray]] = {}

    def of(self, task: ProbedTask, model: ProbeModel) -> tuple[FloatArray, FloatArray]:
        """Return the likelihood of each need [R], and how surely each size suffices for each need [R, R].

        Args:
            task: The task.
            model: Its prior does not count.
        """
        key = (task, *(getattr(model, name) for name in _LIKELIHOOD))
        if key not in self._found:
            sizes, rounds, samples = task.correct.shape
            evidence = Evidence(task.curve.blocks, np.full(sizes, 1.0 / sizes), model, samples)
            for size, number in product(range(sizes), range(rounds)):
                evidence.add(size, task.correct[size, number])
            self._found[key] = evidence.needs()
        return self._found[key]


def fit_probe_model(used: Sequence[ProbedTask], replays: Replays | None = None) -> ProbeModel:
    """Choose the numbers of the probe model.

    - Prior: an ordered probit of the need on the logarithms of the rule's proposal and of the headroom, so
      that needs below the smallest size and beyond the largest may be.
    - Noise of a training: what rounds of one size differ by, beyond what single answers vary.
    - Noise of a curve, share of falling curves and floor of the prior: those with the largest probability of
      the needs, each task's under the prior of the other datasets.
    - Width of prior and likelihood: the least with which nine tenths of the intervals cover the need, in the
      same way.
    - Confidence: the least with which nine tenths of the grants are within a point, in the same way; where
      none up to 0.95 does, the least with the most.

    Args:
        used: The tasks to choose by.
        replays: What was found for them so far; more is added.
    """
    replays = Replays() if replays is None else replays
    noise = math.sqrt(max(float(np.mean([_round_variance(task) for task in used])), _LEAST_NOISE**2))
    flips = float(np.mean([_flip_share(task) for task in used]))
    base = fit_prior(used).model_copy(
        update={"training_noise": round(noise, 4), "flip_share": round(flips, 3)}
    )
    without = {
        family: fit_prior([task for task in used if task.family != family] or used)
        for family in {task.family for task in used}
    }

    def others(task: ProbedTask, model: ProbeModel) -> ProbeModel:
        prior = without[task.family]
        return model.model_copy(update={name: getattr(prior, name) for name in _PRIOR})

    def needs(task: ProbedTask, model: ProbeModel) -> tuple[FloatArray, FloatArray]:
        likelihood, sufficient = replays.of(task, model)
        need = prior_of(task, model) * likelihood
        need = need / need.sum()
        return need, need @ sufficient

    candidates = [
        base.model_copy(update=dict(zip(_CANDIDATES, values, strict=True)))
        for values in product(*_CANDIDATES.values())
    ]
    best = max(
        candidates,
        key=lambda model: sum(
            math.log(max(float(needs(task, others(task, model))[0][task.needed]), 1e-12)) for task in used
        ),
    )
    for width in _WIDTHS:
        found = [needs(task, _widened(others(task, best), width)) for task in used]
        bounds = [size_interval(need) for need, _ in found]
        covered = [low <= task.needed <= high for task, (low, high) in zip(used, bounds, strict=True)]
        if np.mean(covered) >= _COVERED:
            break
    sufficient: list[float] = []
    for level in _CONFIDENCES:
        granted = [granted_within(*one, level) for one in found]
        enough_for = [task.is_sufficient(size) for task, size in zip(used, granted, strict=True)]
        sufficient.append(float(np.mean(enough_for)))
    enough = min(_ENOUGH, max(sufficient))
    confidence = next(c for c, share in zip(_CONFIDENCES, sufficient, strict=True) if share >= enough)
    return _widened(best, width).model_copy(update={"confidence": confidence, "method": _method(used)})


def sources_left_out(tasks: Sequence[ProbedTask]) -> list[Part]:
    """Return, for every source of data, its tasks with all others and the numbers that these choose."""
    replays = Replays()
    parts = []
    for family in dict.fromkeys(task.family for task in tasks):
        used = [task for task in tasks if task.family != family] or tasks
        asked = [task for task in tasks if task.family == family]
        parts.append(Part(used, asked, fit_probe_model(used, replays)))
    return parts


def _widened(model: ProbeModel, width: float) -> ProbeModel:
    """Return a model with a wider prior, and a likelihood of as much wider errors."""
    return model.model_copy(
        update={
            "prior_spread": round(width * model.prior_spread, 3),
            "trust": round(model.trust / width**2, 3),
        }
    )


def fit_prior(tasks: Sequence[ProbedTask]) -> ProbeModel:
    """Return a model with the prior of the largest likelihood of the needs, slightly held back.

    Args:
        tasks: Those to fit to.
    """
    edges = [np.log(np.array(task.curve.blocks) / task.curve.blocks[0]) for task in tasks]
    upper = [
        edge[task.needed] if task.needed + 1 < len(edge) else np.inf
        for task, edge in zip(tasks, edges, strict=True)
    ]
    lower = [
        edge[task.needed - 1] if task.needed else -np.inf for task, edge in zip(tasks, edges, strict=True)
    ]
    high, low = np.array(upper), np.array(lower)
    count = np.array([len(edge) for edge in edges])
    x = np.array(
        [
            [1.0, math.log(task.proposal / task.curve.blocks[0]), math.log1p(100.0 * task.headroom)]
            for task in tasks
        ]
    )
    floor = ProbeModel().prior_floor

    def loss(values: FloatArray) -> float:
        centre, spread = x @ values[:3], math.exp(values[3])
        mass = ndtr((high - centre) / spread) - ndtr((low - centre) / spread)
        likelihood = np.log((mass + floor / count) / (1.0 + floor)).sum()
        # A few tasks must not make a law of chance.
        return float(0.05 * (values[1] ** 2 + values[2] ** 2) + 0.5 * (values[3] + 0.5) ** 2 - likelihood)

    bounds = [(-4.0, 4.0), (0.0, 3.0), (0.0, 3.0), (math.log(0.2), math.log(3.0))]
    found = minimize(loss, np.array([0.0, 0.3, 0.5, -0.3]), method="L-BFGS-B", bounds=bounds).x
    offset, slope, headroom = (round(float(value), 3) for value in found[:3])
    return ProbeModel(
        prior_offset=offset,
        prior_slope=slope,
        prior_headroom=headroom,
        prior_spread=round(math.exp(float(found[3])), 3),
    )


def _round_variance(task: ProbedTask) -> float:
    """Return the variance between rounds of a size's accuracy beyond that of single answers.

    What all sizes have in common is taken off. The samples' own variance, which is part of the likelihood
    already, is that of answers that flip one by one.
    """
    _, rounds, samples = task.correct.shape
    means = task.correct.mean(axis=2)
    if rounds < 2:
        return 0.0
    left = means - means.mean(axis=1, keepdims=True)
    left = left - left.mean(axis=0, keepdims=True)
    between = (left**2).sum() / ((len(means) - 1) * (rounds - 1))
    return float(between - task.correct.var(axis=1, ddof=1).mean() / samples)


@dataclass(frozen=True)
class ProbeCalibration:
    """A finished calibration of probes.

    Attributes:
        model: What was fitted to all tasks but those of use `confirmation`.
        assessments: What rule and probes grant for every task, by numbers that the tasks of its source of
            data had no part in; those of use `confirmation` by `model`.
        figures: What each way to a size is worth: `validation` by numbers of the tasks of use `fit`,
            `sources` with each source of data left out in turn, `confirmation` by `model`.
        trade: What other confidences would give the probes of `sources` and of `confirmation`.
        draws: What the smallest sufficient size of one draw is worth, judged by the other draws.
        curves: Accuracy of every task against size.
        seconds: Time that the trainings took, in all.
    """

    model: ProbeModel
    assessments: tuple[ProbeAssessment, ...]
    figures: Mapping[str, Mapping[str, Figures]]
    trade: Mapping[str, Mapping[float, Figures]]
    draws: Figures
    curves: tuple[Curve, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        return {
            "schema": 2,
            "model": self.model.model_dump(mode="json"),
            "figures": [
                {"tasks of": group, "by": name, **asdict(figures)}
                for group, ways in self.figures.items()
                for name, figures in ways.items()
            ]
            + [{"tasks of": "several draws", "by": "another draw", **asdict(self.draws)}],
            "trade": [
                {"tasks of": group, "confidence": confidence, **asdict(figures)}
                for group, levels in self.trade.items()
                for confidence, figures in levels.items()
            ],
            "seconds": self.seconds,
            "tasks": [
                {
                    **assessment.to_dict(),
                    "draws": len(curve.records),
                    "blocks": list(curve.blocks),
                    "mean_accuracy": [round(value, 5) for value in curve.accuracy.tolist()],
                }
                for curve, assessment in zip(self.curves, self.assessments, strict=True)
            ],
        }


def calibrate_probes(
    plan: CalibrationPlan, records: Sequence[UnitRecord], rule: Coefficients | None = None
) -> ProbeCalibration:
    """Fit the probe model to all tasks but those of use `confirmation`, and assess the way it is fitted.

    Nothing is trained.

    Args:
        plan: A sweep with probes.
        records: Its records.
        rule: Coefficients of the rule; the shipped ones when omitted.

    Raises:
        EstimatorError: If there are fewer than four probed tasks of use `fit`, or none of use `validation`.
    """
    tasks = probed_tasks(plan, curves(plan, records), rule or load_coefficients(), ProbeModel())
    by_use = {
        use: [task for task in tasks if task.curve.task.use == use]
        for use in ("fit", "validation", "confirmation")
    }
    if len(by_use["fit"]) < 4:
        raise EstimatorError(f"expected at least 4 probed tasks of use 'fit', found {len(by_use['fit'])}")
    if not by_use["validation"]:
        raise EstimatorError("expected probed tasks of use 'validation', found none")
    known = [task for task in tasks if task.curve.task.use != "confirmation"]
    model = fit_probe_model(known)
    groups = {
        "validation": [Part(by_use["fit"], by_use["validation"], fit_probe_model(by_use["fit"]))],
        "sources": sources_left_out(known),
    }
    if by_use["confirmation"]:
        groups["confirmation"] = [Part(known, by_use["confirmation"], model)]
    compared = {name: compare_ways(parts) for name, parts in groups.items()}
    found = {
        assessment.task: assessment
        for name, one in compared.items()
        if name != "validation"
        for assessment in one.assessments
    }
    return ProbeCalibration(
        model=model,
        assessments=tuple(found[task.curve.task.name] for task in tasks),
        figures={name: one.figures for name, one in compared.items()},
        trade={name: one.trade for name, one in compared.items() if name != "validation"},
        draws=figures_of_draws([task.curve for task in tasks]),
        curves=tuple(task.curve for task in tasks),
        seconds=round(sum(record.seconds for record in records), 1),
    )


def _flip_share(task: ProbedTask) -> float:
    """Return the share of the variance of a single answer that changes from round to round, below 1."""
    if task.correct.shape[1] < 2:
        return 0.0
    mean = task.correct.mean(axis=(1, 2))
    share = task.correct.var(axis=1, ddof=1).mean() / max(float((mean * (1 - mean)).mean()), 1e-3)
    return min(float(share), 0.95)


def _method(used: Sequence[ProbedTask]) -> str:
    classes = [task.curve.task.n_outcomes for task in used]
    return (
        f"Chosen by `qkd-qiskit calibrate --plan kinds` on {len(used)} tasks (tables, images, made-up data; "
        f"{min(t.correct.shape[2] for t in used)} to {max(t.correct.shape[2] for t in used)} held-out "
        f"samples, {min(classes)} to {max(classes)} classes)."
    )
