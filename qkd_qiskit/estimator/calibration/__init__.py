"""Calibration of the estimator: many trained tasks, and the coefficients that they give."""

from qkd_qiskit.estimator.calibration.assessment import MOST_GATES, Summary, TaskAssessment
from qkd_qiskit.estimator.calibration.curves import Curve
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan, CalibrationTask, load_plan
from qkd_qiskit.estimator.calibration.probe_fit import ProbeCalibration, calibrate_probes
from qkd_qiskit.estimator.calibration.probed import ProbeAssessment
from qkd_qiskit.estimator.calibration.records import (
    RungRecord,
    UnitRecord,
    draw_task,
    read_records,
    run_sweep,
)
from qkd_qiskit.estimator.calibration.result import (
    CalibrationResult,
    calibrate,
    evaluate_records,
    shipped_records,
)

__all__ = [
    "MOST_GATES",
    "CalibrationPlan",
    "CalibrationResult",
    "CalibrationTask",
    "Curve",
    "ProbeAssessment",
    "ProbeCalibration",
    "RungRecord",
    "Summary",
    "TaskAssessment",
    "UnitRecord",
    "calibrate",
    "calibrate_probes",
    "draw_task",
    "evaluate_records",
    "load_plan",
    "read_records",
    "run_sweep",
    "shipped_records",
]
