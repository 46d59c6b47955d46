"""From recorded probes to the numbers of the probe model, and what probes are worth on tasks left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.estimator import Coefficients, ProbeModel, budget_terms, grant, load_coefficients
from qkd_qiskit.estimator.calibration.curves import POINT, Curve, curves
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan
from qkd_qiskit.estimator.calibration.records import ProbeRecord, UnitRecord, task_ladder
from qkd_qiskit.estimator.probes.posterior import size_prior
from qkd_qiskit.estimator.probes.run import round_seconds
from qkd_qiskit.estimator.probes.search import Evidence, granted_size, search_sizes, size_interval

SECONDS = 60.0
"""Time that probes may take."""

_TRUSTS = (1.0, 0.7, 0.5)
_FALLS = (0.1, 0.3)
_NOISES = (0.7, 1.0, 1.4)
_CONFIDENCES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)


@dataclass(frozen=True, eq=False)
class ProbedTask:
    """The recorded truth and probes of one task.

    Attributes:
        curve: Its accuracy curve.
        smooth: The rising curve nearest to the mean accuracies [R]: the truth.
        proposal: The rule's need in blocks for the probed draw.
        granted: Blocks that the rule grants, and, as they need not have been trained, the next trained size.
        correct: Whether each held-out sample was right [R, rounds, N].
        costs: Seconds of one round of each size, in closed form for one core [R].
    """

    curve: Curve
    smooth: FloatArray
    proposal: float
    granted: tuple[int, int]
    correct: FloatArray
    costs: tuple[float, ...]

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
        use: `fit` or `validation`.
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
    """Return the tasks whose first draw was probed.

    Args:
        plan: The sweep.
        found: Curves of its tasks.
        rule: Coefficients of the rule.
        model: Gives the costs of trainings.
    """
    tasks = []
    for curve in found:
        record = next((record for record in curve.records if record.probes), None)
        if record is None or plan.probes is None:
            continue
        ladder = task_ladder(plan, curve.task)
        terms = budget_terms(ladder, record.statistics, rule, None)
        spec, _ = grant(ladder, terms)
        granted = len(spec.blocks)
        rungs = {len(rung.blocks): rung for rung in ladder}
        tasks.append(
            ProbedTask(
                curve=curve,
                smooth=curve.smooth,
                proposal=terms.need,
                granted=(granted, min(int(np.searchsorted(curve.blocks, granted)), len(curve.blocks) - 1)),
                correct=np.array([_bits(probe, record.probed) for probe in record.probes]),
                costs=tuple(
                    round_seconds(rungs[blocks], record.probed, plan.probes.folds, model)
                    for blocks in curve.blocks
                ),
            )
        )
    return tuple(tasks)


def simulate_probes(
    task: ProbedTask, model: ProbeModel, *, seconds: float = SECONDS
) -> tuple[Evidence, float]:
    """Return what the search would have found, with recorded answers in place of trainings, and its cost."""
    record = task.curve.blocks
    evidence = Evidence(record, size_prior(record, task.proposal, model), model, task.correct.shape[2])
    spent = search_sizes(
        evidence,
        lambda size, number: task.correct[size, number],
        task.costs,
        budget=seconds,
        most_rounds=task.correct.shape[1],
    )
    return evidence, spent


def assess_probes(
    tasks: Sequence[ProbedTask], model: ProbeModel, *, seconds: float = SECONDS
) -> tuple[ProbeAssessment, ...]:
    """Assess what rule and probes grant for each task."""
    searched = [simulate_probes(task, model, seconds=seconds) for task in tasks]
    return _assess(tasks, searched, model.confidence)


def _assess(
    tasks: Sequence[ProbedTask], searched: Sequence[tuple[Evidence, float]], confidence: float
) -> tuple[ProbeAssessment, ...]:
    found = []
    for task, (evidence, spent) in zip(tasks, searched, strict=True):
        size = granted_size(evidence.sufficient(), confidence)
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


def summarize_probes(found: Sequence[ProbeAssessment]) -> dict[str, float]:
    """Return median and 90th percentile of granted over needed, and the shares of sufficient and covered."""
    figures = {"tasks": float(len(found))}
    for name, ratios, enough in (
        ("rule", [a.rule / a.needed for a in found], [a.rule_sufficient for a in found]),
        ("probes", [a.probes / a.needed for a in found], [a.sufficient for a in found]),
    ):
        figures |= {
            f"{name}_median": float(np.median(ratios)),
            f"{name}_90": float(np.quantile(ratios, 0.9)),
            f"{name}_sufficient": float(np.mean(enough)),
        }
    return figures | {
        "covered": float(np.mean([a.covered for a in found])),
        "seconds": float(np.median([a.seconds for a in found])),
    }


def fit_probe_model(tasks: Sequence[ProbedTask]) -> ProbeModel:
    """Choose the numbers of the probe model by the tasks of use `fit`.

    The prior is a least-squares line of the need's logarithm over the rule's, its spread what is left. The
    noise of a training is what rounds of one size differ by. How far the likelihood is trusted, the share of
    falling curves and the confidence of a grant are those with the lowest loss on a grid: blocks beyond the
    need, in the logarithm, and four times as dear the tasks that are left without enough, or whose interval
    misses the need beyond a tenth.

    Raises:
        EstimatorError: If there are fewer than four tasks.
    """
    used = [task for task in tasks if task.curve.task.use == "fit"]
    if len(used) < 4:
        raise EstimatorError(f"expected at least 4 probed tasks of use 'fit', found {len(used)}")
    smallest = [task.curve.blocks[0] for task in used]
    proposal = np.log([task.proposal / least for task, least in zip(used, smallest, strict=True)])
    need = np.log([t.curve.blocks[t.needed] / least for t, least in zip(used, smallest, strict=True)])
    slope, offset = np.polyfit(proposal, need, 1)
    slope = max(float(slope), 0.0)
    offset = float(need.mean() - slope * proposal.mean())
    base = ProbeModel(
        prior_offset=round(offset, 3),
        prior_slope=round(slope, 3),
        prior_spread=round(float(np.std(need - offset - slope * proposal)), 3),
    )
    noise = math.sqrt(float(np.mean([_round_variance(task) for task in used])))
    best, lowest = base, math.inf
    for trust, fall, factor in product(_TRUSTS, _FALLS, _NOISES):
        model = base.model_copy(
            update={"trust": trust, "fall_share": fall, "training_noise": round(factor * noise, 4)}
        )
        searched = [simulate_probes(task, model) for task in used]
        for confidence in _CONFIDENCES:
            loss = _loss(_assess(used, searched, confidence))
            if loss < lowest:
                best, lowest = model.model_copy(update={"confidence": confidence}), loss
    return best.model_copy(update={"method": _method(used, noise)})


def _loss(found: Sequence[ProbeAssessment]) -> float:
    beyond = np.mean([max(math.log(a.probes / a.needed), 0.0) for a in found])
    short = 1.0 - np.mean([a.sufficient for a in found])
    missed = max(0.9 - float(np.mean([a.covered for a in found])), 0.0)
    wide = np.mean([math.log(a.interval[1] / a.interval[0]) for a in found])
    return float(beyond + 4.0 * short + 4.0 * missed + 0.1 * wide)


def _round_variance(task: ProbedTask) -> float:
    """Return the variance between rounds of a size's accuracy, less what all sizes have in common."""
    means = task.correct.mean(axis=2)
    if means.shape[1] < 2:
        return 0.0
    left = means - means.mean(axis=1, keepdims=True)
    left = left - left.mean(axis=0, keepdims=True)
    rows, rounds = left.shape
    return float((left**2).sum() / ((rows - 1) * (rounds - 1)))


@dataclass(frozen=True)
class ProbeCalibration:
    """A finished calibration of probes.

    Attributes:
        model: What was fitted.
        assessments: What rule and probes grant for every task.
        fit: Figures of the tasks that the model was chosen by.
        validation: Figures of the tasks that were left out.
        curves: Accuracy of every task against size.
        seconds: Time that the trainings took, in all.
    """

    model: ProbeModel
    assessments: tuple[ProbeAssessment, ...]
    fit: dict[str, float]
    validation: dict[str, float]
    curves: tuple[Curve, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        return {
            "schema": 1,
            "model": self.model.model_dump(mode="json"),
            "fit": self.fit,
            "validation": self.validation,
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
    """Fit the probe model to the tasks of use `fit`, and assess it on all; nothing is trained.

    Args:
        plan: A sweep with probes.
        records: Its records.
        rule: Coefficients of the rule; the shipped ones when omitted.

    Raises:
        EstimatorError: If there are fewer than four probed tasks of use `fit`, or none of use `validation`.
    """
    found = curves(plan, records)
    tasks = probed_tasks(plan, found, rule or load_coefficients(), ProbeModel())
    model = fit_probe_model(tasks)
    assessed = assess_probes(tasks, model)
    by_use = {use: [a for a in assessed if a.use == use] for use in ("fit", "validation")}
    if not by_use["validation"]:
        raise EstimatorError("expected probed tasks of use 'validation', found none")
    return ProbeCalibration(
        model=model,
        assessments=assessed,
        fit=summarize_probes(by_use["fit"]),
        validation=summarize_probes(by_use["validation"]),
        curves=tuple(task.curve for task in tasks),
        seconds=round(sum(record.seconds for record in records), 1),
    )


def _bits(probe: ProbeRecord, samples: int) -> FloatArray:
    rows = [np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:samples] for text in probe.correct]
    return np.array(rows, dtype=np.float64)


def _method(used: Sequence[ProbedTask], noise: float) -> str:
    classes = [task.curve.task.n_outcomes for task in used]
    return (
        f"Chosen by `qkd-qiskit calibrate --plan kinds` on {len(used)} tasks (tables, images, made-up data; "
        f"{min(t.correct.shape[2] for t in used)} to {max(t.correct.shape[2] for t in used)} samples, "
        f"{min(classes)} to {max(classes)} classes). "
        f"Rounds of one size differ by {100 * noise:.1f} points."
    )
