"""From recorded probes to the numbers of the probe model, and what they are worth on tasks left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import Coefficients, ProbeModel, load_coefficients
from qkd_qiskit.estimator.calibration.curves import Curve, curves
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan
from qkd_qiskit.estimator.calibration.probed import (
    ProbeAssessment,
    ProbedTask,
    assess_evidence,
    assess_probes,
    prior_of,
    probed_tasks,
    simulate_probes,
    summarize_probes,
)
from qkd_qiskit.estimator.calibration.records import UnitRecord
from qkd_qiskit.estimator.probes.search import Evidence

_CANDIDATES: Mapping[str, tuple[float, ...]] = {
    "prior_floor": (0.05, 0.1, 0.2, 0.3),
    "steep_noise": (0.0, 0.05, 0.1, 0.2),
    "curve_noise": (0.003, 0.005, 0.008),
    "fall_share": (0.1, 0.3),
}
_WIDTHS = (1.0, 1.2, 1.4, 1.7, 2.0)
_CONFIDENCES = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9)
_PRIOR = ("prior_offset", "prior_slope", "prior_headroom", "prior_spread")
_ENOUGH = 0.9
_COVERED = 0.85
_LEAST_NOISE = 0.002


def fit_probe_model(
    used: Sequence[ProbedTask],
) -> tuple[ProbeModel, tuple[ProbeAssessment, ...]]:
    """Choose the numbers of the probe model.

    - Prior: an ordered probit of the need on the logarithms of the rule's proposal and of the headroom, so
      that needs below the smallest size and beyond the largest may be.
    - Noise of a training: what rounds of one size differ by, beyond what single answers vary.
    - Noise of a curve, share of falling curves and floor of the prior: those with the largest probability of
      the needs, each task's under the prior of the other datasets.
    - Width of prior and likelihood: the least with which 85 % of the intervals cover the need, in the same
      way.
    - Confidence: the least with which nine tenths of the grants are within a point, in the same way; where
      none up to 0.9 does, the least with the most.

    Args:
        used: The tasks to choose by.

    Returns:
        The numbers, and what they grant each task under the prior of the other datasets.
    """
    noise = math.sqrt(max(float(np.mean([_round_variance(task) for task in used])), _LEAST_NOISE**2))
    flips = float(np.mean([_flip_share(task) for task in used]))
    base = fit_prior(used).model_copy(
        update={"training_noise": round(noise, 4), "flip_share": round(flips, 3)}
    )
    without = {
        family: fit_prior([task for task in used if _family(task) != family] or used)
        for family in {_family(task) for task in used}
    }

    def others(task: ProbedTask, model: ProbeModel) -> ProbeModel:
        prior = without[_family(task)]
        return model.model_copy(update={name: getattr(prior, name) for name in _PRIOR})

    answers = [_answers(task, base) for task in used]

    def score(model: ProbeModel) -> float:
        return sum(_score(t, others(t, model), found) for t, found in zip(used, answers, strict=True))

    best, highest = base, score(base)
    for name, values in _CANDIDATES.items():
        for value in values:
            model = best.model_copy(update={name: value})
            reached = highest if model == best else score(model)
            if reached > highest:
                best, highest = model, reached
    for width in _WIDTHS:
        searched = [simulate_probes(task, _widened(others(task, best), width)) for task in used]
        if np.mean([found.covered for found in assess_evidence(used, searched, _ENOUGH)]) >= _COVERED:
            break
    sufficient = [
        float(np.mean([found.sufficient for found in assess_evidence(used, searched, confidence)]))
        for confidence in _CONFIDENCES
    ]
    enough = min(_ENOUGH, max(sufficient))
    confidence = next(c for c, share in zip(_CONFIDENCES, sufficient, strict=True) if share >= enough)
    best = _widened(best, width).model_copy(update={"confidence": confidence, "method": _method(used)})
    return best, assess_evidence(used, searched, confidence)


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
        mass = norm.cdf((high - centre) / spread) - norm.cdf((low - centre) / spread)
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


def _answers(task: ProbedTask, model: ProbeModel) -> Evidence:
    """Return the evidence of all recorded rounds."""
    sizes, rounds, samples = task.correct.shape
    evidence = Evidence(task.curve.blocks, prior_of(task, model), model, samples)
    for size, number in product(range(sizes), range(rounds)):
        evidence.add(size, task.correct[size, number])
    return evidence


def _score(task: ProbedTask, model: ProbeModel, found: Evidence) -> float:
    """Return the logarithm of the need's probability with what was found, under a model."""
    found.model, found.prior = model, prior_of(task, model)
    return float(np.log(found.smallest()[task.needed]))


def _family(task: ProbedTask) -> str:
    """Return what tasks of one dataset have in common."""
    of = task.curve.task
    return of.file or (of.dataset if of.synthetic is None else of.synthetic.kind)


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
        model: What was fitted to all tasks.
        assessments: What rule and probes grant for every task by the numbers of the tasks of use `fit`.
        fit: Figures of the tasks of use `fit`.
        validation: Figures of the tasks that were left out.
        each: Figures of all tasks, by the numbers of all, each under the prior of the other datasets.
        curves: Accuracy of every task against size.
        seconds: Time that the trainings took, in all.
    """

    model: ProbeModel
    assessments: tuple[ProbeAssessment, ...]
    fit: dict[str, float]
    validation: dict[str, float]
    each: dict[str, float]
    curves: tuple[Curve, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        return {
            "schema": 1,
            "model": self.model.model_dump(mode="json"),
            "fit": self.fit,
            "validation": self.validation,
            "each": self.each,
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
    """Fit the probe model to the tasks of use `fit`, assess it on the others, and fit it to all.

    Nothing is trained. The assessment tells what the way of fitting is worth on datasets that it has not
    seen; what is used then comes from all of them.

    Args:
        plan: A sweep with probes.
        records: Its records.
        rule: Coefficients of the rule; the shipped ones when omitted.

    Raises:
        EstimatorError: If there are fewer than four probed tasks of use `fit`, or none of use `validation`.
    """
    found = curves(plan, records)
    tasks = probed_tasks(plan, found, rule or load_coefficients(), ProbeModel())
    used = [task for task in tasks if task.curve.task.use == "fit"]
    if len(used) < 4:
        raise EstimatorError(f"expected at least 4 probed tasks of use 'fit', found {len(used)}")
    assessed = assess_probes(tasks, fit_probe_model(used)[0])
    by_use = {use: [a for a in assessed if a.use == use] for use in ("fit", "validation")}
    if not by_use["validation"]:
        raise EstimatorError("expected probed tasks of use 'validation', found none")
    model, each = fit_probe_model(tasks)
    return ProbeCalibration(
        model=model,
        assessments=assessed,
        fit=summarize_probes(by_use["fit"]),
        validation=summarize_probes(by_use["validation"]),
        each=summarize_probes(each),
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
