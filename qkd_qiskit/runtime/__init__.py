"""Running models on IBM Quantum, or on fake devices through the same path: jobs, ledger, mitigation."""

from qkd_qiskit.runtime.drafts import ModelWorkload
from qkd_qiskit.runtime.estimate import SubmissionEstimate
from qkd_qiskit.runtime.ibm import IBMService
from qkd_qiskit.runtime.jobs import JobRunner
from qkd_qiskit.runtime.ledger import Batch, Ledger, Submission
from qkd_qiskit.runtime.local import LocalService
from qkd_qiskit.runtime.noise_check import NoiseComparison, compare_noise, predict_counts
from qkd_qiskit.runtime.outcome import SubmissionOutcome, evaluate_submission, outcome_classes
from qkd_qiskit.runtime.pack_check import CopyCheck, check_packing
from qkd_qiskit.runtime.packing import Packing, PackingOptions
from qkd_qiskit.runtime.readings import packing_of
from qkd_qiskit.runtime.service import JobRequest, JobService, ServiceRefused, ServiceUncertain
from qkd_qiskit.runtime.spending import SpendingLimit, Spent, estimated_seconds, spent
from qkd_qiskit.runtime.submission_plan import (
    SubmissionOptions,
    SubmissionPlan,
    fingerprint,
    plan_submission,
    plan_workloads,
    samples_of_run,
)

__all__ = [
    "Batch",
    "CopyCheck",
    "IBMService",
    "JobRequest",
    "JobRunner",
    "JobService",
    "Ledger",
    "LocalService",
    "ModelWorkload",
    "NoiseComparison",
    "Packing",
    "PackingOptions",
    "ServiceRefused",
    "ServiceUncertain",
    "SpendingLimit",
    "Spent",
    "Submission",
    "SubmissionEstimate",
    "SubmissionOptions",
    "SubmissionOutcome",
    "SubmissionPlan",
    "check_packing",
    "compare_noise",
    "estimated_seconds",
    "evaluate_submission",
    "fingerprint",
    "outcome_classes",
    "packing_of",
    "plan_submission",
    "plan_workloads",
    "predict_counts",
    "samples_of_run",
    "spent",
]
