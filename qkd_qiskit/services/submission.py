"""A run's global model on a device: destination, plan, jobs, outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.hardware import Device, list_backends, load_backend, split_name
from qkd_qiskit.models import load_model
from qkd_qiskit.progress import Progress
from qkd_qiskit.reporting import write_json
from qkd_qiskit.reporting.job_plots import plot_counts
from qkd_qiskit.runtime import (
    IBMService,
    JobRequest,
    JobRunner,
    JobService,
    Ledger,
    LocalService,
    Submission,
    SubmissionOptions,
    SubmissionOutcome,
    SubmissionPlan,
    evaluate_submission,
    fingerprint,
    plan_submission,
    samples_of_run,
)
from qkd_qiskit.runtime.ledger import FORMER_FILE
from qkd_qiskit.services.output import write_file
from qkd_qiskit.store.database import DATABASE_FILE

_FOLDER = "jobs"


@dataclass(frozen=True, eq=False)
class Destination:
    """Where jobs go.

    Attributes:
        device: The device, with its calibration.
        service: Runs the jobs.
        local: Whether it is simulated here, and costs nothing.
        rep_delay: Seconds between two executions; None for the usual.
        ask: Gives the service's own estimate of a job's quantum seconds; None where there is none.
    """

    device: Device
    service: JobService
    local: bool
    rep_delay: float | None = None
    ask: Callable[[JobRequest], float] | None = None


def destination(run: Path, backend: str, *, local: bool | None = None) -> Destination:
    """Shipped devices and descriptors run locally; every other name is asked for at IBM Quantum.

    Args:
        run: Folder of the run.
        backend: Name of the device, or the path of a descriptor.
        local: What a ledger says about it; by the name when omitted.

    Raises:
        SubmissionError: If IBM Quantum cannot be reached, or has no such device.
        HardwareError: If the descriptor is wrong.
    """
    plain, _ = split_name(backend)
    if local if local is not None else plain in list_backends() or plain.endswith(".toml"):
        device = load_backend(backend)
        return Destination(device, LocalService(run / _FOLDER / "local", device), True)
    service = IBMService(backend)
    return Destination(service.device(), service, False, service.rep_delay, service.estimate)


def prepare_submission(run: Path, target: Destination, options: SubmissionOptions) -> SubmissionPlan:
    """Return what `submit` would do; nothing is written.

    Raises:
        QKDError: If it cannot be done.
    """
    delay = {} if target.rep_delay is None else {"rep_delay": target.rep_delay}
    model, samples = load_model(run), samples_of_run(run)
    return plan_submission(
        model, samples, target.device, options, local=target.local, ask=target.ask, **delay
    )


def equal_submission(
    ledger: Ledger, run: Path, target: Destination, options: SubmissionOptions
) -> Submission | None:
    """Find the submission of an earlier command with the same model, device and options."""
    wanted = fingerprint(load_model(run), target.device.name, options)
    found = [one for one in ledger.submissions() if one.settings["fingerprint"] == wanted]
    return found[-1] if found else None


def chosen_submission(ledger: Ledger, name: str | None) -> Submission:
    """Return the submission of a name, or the newest.

    Raises:
        SubmissionError: If there is none.
    """
    found = [one for one in ledger.submissions() if name in (None, one.id)]
    if not found:
        raise SubmissionError(f"no submission {name}" if name else "nothing was submitted from this run yet")
    return found[-1]


def make_runner(ledger: Ledger, submission: Submission, service: JobService, progress: Progress) -> JobRunner:
    """Move the batches of a submission on."""
    return JobRunner(ledger, submission, service, progress)


def write_outcome(run: Path, ledger: Ledger, submission: Submission) -> tuple[SubmissionOutcome, Path, Path]:
    """Evaluate what is done, and write it as JSON and as a picture.

    Returns:
        The outcome and the paths of the two files.

    Raises:
        SubmissionError: If nothing is done yet.
        ReportingError: If a file cannot be written.
    """
    model = load_model(run)
    outcome = evaluate_submission(ledger, submission, model)
    stem = run / _FOLDER / submission.id
    json_path = write_json(outcome.to_dict(), stem.with_suffix(".json"))
    picture = plot_counts(
        outcome.probabilities,
        outcome.labels,
        [str(name) for name in model.classes],
        {kind: value for kind, (value, _, _) in outcome.accuracies.items()},
        title=f"{submission.backend}{', simulated' if submission.settings['local'] else ''}",
        shots=submission.settings["shots"],
    )
    return outcome, json_path, write_file(stem.with_suffix(".png"), picture)


def to_send(ledger: Ledger, submission: Submission) -> bool:
    """Return whether a submission still has batches that are not surely sent."""
    return bool(ledger.batches(submission.id, "planned", "intent"))


def unfinished(ledger: Ledger) -> tuple[Submission, ...]:
    """Submissions with batches that are not sent, or not collected."""
    return tuple(
        one for one in ledger.submissions() if ledger.batches(one.id, "planned", "intent", "submitted")
    )


def require_ledger(run: Path) -> None:
    """Refuse a folder from which nothing was submitted.

    Raises:
        SubmissionError: If there is no ledger.
    """
    if not any((run / name).is_file() for name in (DATABASE_FILE, FORMER_FILE)):
        raise SubmissionError(f"nothing was submitted from {run} yet: it has no {DATABASE_FILE}")


def adoption(text: str) -> tuple[int, str]:
    """Batch number and job id of `N=JOB_ID`.

    Raises:
        SubmissionError: If the text is something else.
    """
    number, sign, job_id = text.partition("=")
    if not (sign and number.isdecimal() and job_id):
        raise SubmissionError(f"--adopt: expected N=JOB_ID, found {text!r}")
    return int(number), job_id
