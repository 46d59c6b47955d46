"""A calibration from end to end: sweep, fit, validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from qkd_qiskit.estimator import Coefficients
from qkd_qiskit.estimator.calibration.assessment import (
    Summary,
    TaskAssessment,
    assess_tasks,
    fit_error,
    granted_beside_rungs,
    summarize,
)
from qkd_qiskit.estimator.calibration.curves import Curve, curves
from qkd_qiskit.estimator.calibration.fit import fit_coefficients
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan
from qkd_qiskit.estimator.calibration.records import UnitRecord, read_records, run_sweep, train_granted
from qkd_qiskit.progress import Progress


@dataclass(frozen=True)
class CalibrationResult:
    """A finished calibration.

    Attributes:
        coefficients: What was fitted; `provisional` unless the left-out tasks confirm it.
        error: Root mean square of log(need / smallest sufficient) over the fitted tasks.
        curves: Accuracy of every task against size.
        assessments: What the coefficients grant for every task.
        fit: What they are worth on the fitted tasks.
        validation: What they are worth on the tasks that were left out.
        seconds: Time that the trainings took, in all.
    """

    coefficients: Coefficients
    error: float
    curves: tuple[Curve, ...]
    assessments: tuple[TaskAssessment, ...]
    fit: Summary
    validation: Summary
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        return {
            "schema": 1,
            "coefficients": self.coefficients.model_dump(mode="json", by_alias=True),
            "rms_log_error": self.error,
            "fit": {**asdict(self.fit), "is_met": self.fit.is_met},
            "validation": {**asdict(self.validation), "is_met": self.validation.is_met},
            "seconds": self.seconds,
            "tasks": [
                {
                    **assessment.to_dict(),
                    "seeds": len(curve.records),
                    "samples": curve.task.samples,
                    "classes": curve.task.n_outcomes,
                    "kernel": curve.task.kernel,
                    "overlap": curve.overlap,
                    "blocks": list(curve.blocks),
                    "mean_accuracy": [round(value, 5) for value in curve.accuracy.tolist()],
                }
                for curve, assessment in zip(self.curves, self.assessments, strict=True)
            ],
        }


def calibrate(
    plan: CalibrationPlan, folder: Path, *, jobs: int = 1, progress: Progress | None = None
) -> CalibrationResult:
    """Run a sweep, or finish an interrupted one, fit the coefficients and validate them.

    Args:
        plan: The sweep.
        folder: Gets `records.jsonl` and `granted.jsonl` while the sweep runs.
        jobs: Processes that train at the same time.
        progress: Notified of every training unit.

    Raises:
        EstimatorError: If there are too few tasks to fit, or files cannot be read or written.
        DataError: If a dataset has too few samples.
    """
    records = run_sweep(plan, folder / "records.jsonl", jobs=jobs, progress=progress)
    found = curves(plan, records)
    # Validation is by the very structures that are granted, not by their neighbours among the rungs.
    wanted = granted_beside_rungs(plan, found, fit_coefficients(plan, found))
    granted = train_granted(plan, wanted, folder / "granted.jsonl", progress=progress)
    return evaluate_records(plan, records, granted)


def evaluate_records(
    plan: CalibrationPlan,
    records: Sequence[UnitRecord],
    granted: Mapping[tuple[str, int, int], float] | None = None,
) -> CalibrationResult:
    """Fit and validate without training.

    Args:
        plan: The sweep.
        records: Its records.
        granted: Accuracy by task, seed and blocks of granted structures that are no rungs. Where one is
            missing, the largest trained structure that is not larger stands for it.

    Raises:
        EstimatorError: If there are too few tasks to fit.
    """
    found = curves(plan, records, granted)
    rule = fit_coefficients(plan, found)
    assessed = assess_tasks(plan, found, rule)
    fit, validation = (
        summarize([task for task in assessed if task.use == use]) for use in ("fit", "validation")
    )
    error = fit_error(plan, found, rule)
    rule = rule.model_copy(
        update={
            "provisional": not validation.is_met,
            "method": _method(plan, found, error, fit, validation),
        }
    )
    seconds = sum(record.seconds for record in records)
    return CalibrationResult(rule, error, found, assessed, fit, validation, round(seconds, 1))


def shipped_records(
    plan: CalibrationPlan,
) -> tuple[tuple[UnitRecord, ...], dict[tuple[str, int, int], float]]:
    """Read the shipped records that belong to a plan, and those of granted structures.

    Raises:
        EstimatorError: If a file is damaged.
    """
    folder = resources.files("qkd_qiskit.estimator.calibration")
    if plan.probes is not None:
        with resources.as_file(folder / "kinds.jsonl") as path:
            return tuple(read_records(path, plan).values()), {}
    with resources.as_file(folder / "records.jsonl") as path:
        records = tuple(read_records(path, plan).values())
    with resources.as_file(folder / "granted.jsonl") as path:
        return records, train_granted(plan, {}, path)


def _method(
    plan: CalibrationPlan, found: Sequence[Curve], error: float, fit: Summary, validation: Summary
) -> str:
    """Say in words how the values were chosen."""
    seeds = sorted({len(curve.records) for curve in found})
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    classes = max(curve.task.n_outcomes for curve in found)
    samples = sorted(curve.task.samples for curve in found)
    return (
        f"Fitted by `qkd-qiskit calibrate` to {sum(c.task.use == 'fit' for c in found)} tasks (mnist5000 and "
        f"digits, 2 to {classes} classes, {samples[0]} to {samples[-1]} samples, {plan.n_qubits} qubits, "
        f"{plan.encoding} encoding, {plan.rungs[0]} to {plan.rungs[-1]} blocks, {count} seeds), "
        "each trained in full. Need: quantile regression of the log of the smallest structure within one "
        f"point of the best; root mean square error {error:.2f} in the log. On "
        f"{validation.need_tasks + validation.bound_tasks} tasks left out: where the need limits, "
        f"{_of(validation.need_sufficient, validation.need_tasks)} tasks are within a point of their "
        f"plateau, with {validation.need_ratio:.2f} times the smallest sufficient two-qubit gates (median); "
        f"where a bound limits, {_of(validation.bound_sufficient, validation.bound_tasks)} are within one "
        f"point of the best allowed structure. Fitted tasks: {_of(fit.need_sufficient, fit.need_tasks)} at "
        f"{fit.need_ratio:.2f} times, and {_of(fit.bound_sufficient, fit.bound_tasks)}. The ESP floor "
        "follows from the shots, by the sweep `esp`."
    )


def _of(share: float, number: int) -> str:
    return f"{round(share * number)} of {number}"
