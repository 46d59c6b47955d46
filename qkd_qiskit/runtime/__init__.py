"""Running models on IBM Quantum, or on fake devices through the same path: jobs, ledger, mitigation."""

from qkd_qiskit.runtime.ibm import IBMService
from qkd_qiskit.runtime.jobs import JobRunner
from qkd_qiskit.runtime.ledger import Batch, Ledger, Submission
from qkd_qiskit.runtime.local import LocalService
from qkd_qiskit.runtime.outcome import SubmissionOutcome, evaluate_submission
from qkd_qiskit.runtime.service import JobRequest, JobService, ServiceRefused, ServiceUncertain
from qkd_qiskit.runtime.submission_plan import (
    SubmissionEstimate,
    SubmissionOptions,
    SubmissionPlan,
    fingerprint,
    plan_submission,
    samples_of_run,
)

__all__ = [
    "Batch",
    "IBMService",
    "JobRequest",
    "JobRunner",
    "JobService",
    "Ledger",
    "LocalService",
    "ServiceRefused",
    "ServiceUncertain",
    "Submission",
    "SubmissionEstimate",
    "SubmissionOptions",
    "SubmissionOutcome",
    "SubmissionPlan",
    "evaluate_submission",
    "fingerprint",
    "plan_submission",
    "samples_of_run",
]
