"""A run's global model on a device: destination, plan, jobs, outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qkd_qiskit.errors import StoreError, SubmissionError, did_you_mean
from qkd_qiskit.hardware import Device, device_name, list_backends, split_name
from qkd_qiskit.models import DEVICES_FOLDER, device_of_run, load_model
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.reporting import write_json
from qkd_qiskit.reporting.job_plots import plot_counts
from qkd_qiskit.runtime import (
    IBMService,
    JobRequest,
    JobRunner,
    JobService,
    Ledger,
    LocalService,
    ModelWorkload,
    SpendingLimit,
    Submission,
    SubmissionOptions,
    SubmissionOutcome,
    SubmissionPlan,
    check_packing,
    evaluate_submission,
    outcome_classes,
    plan_workloads,
    predict_counts,
    samples_of_run,
)
from qkd_qiskit.runtime.ledger import FORMER_FILE
from qkd_qiskit.runtime.submission_record import plan_files, plan_name, read_plan
from qkd_qiskit.services.output import write_file
from qkd_qiskit.services.packing import model_name
from qkd_qiskit.store.database import DATABASE_FILE

_FOLDER = "jobs"
_LABEL = "plan"


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
    own = (run / DEVICES_FOLDER / f"{device_name(plain)}.toml").is_file()
    if local if local is not None else own or plain in list_backends() or plain.endswith(".toml"):
        device = device_of_run(run, backend)
        return Destination(device, LocalService(run / _FOLDER / "local", device), True)
    try:
        service = IBMService(backend)
    except SubmissionError as error:
        raise SubmissionError(f"{error}{did_you_mean(plain, list_backends())}") from None
    return Destination(service.device(), service, False, service.rep_delay, service.estimate)


def prepare_submission(
    run: Path,
    target: Destination,
    options: SubmissionOptions,
    works: Sequence[ModelWorkload] | None = None,
    *,
    budget: SpendingLimit | None = None,
    progress: Progress | None = None,
) -> SubmissionPlan:
    """Return what `submit` would do, with what the calibration's noise predicts; nothing is written.

    Args:
        run: Folder of a finished run.
        target: Where it would run.
        options: What the user chose.
        works: The models with their samples; the run's own when omitted.
        budget: Limits that the estimate must keep, simulated or not; that of the options when omitted.
        progress: Notified of the steps.

    Raises:
        QKDError: If it cannot be done, or the estimate exceeds the budget.
    """
    watch = progress or NullProgress()
    watch.start(_LABEL, 3)
    delay = {} if target.rep_delay is None else {"rep_delay": target.rep_delay}
    if works is None:
        works = [ModelWorkload(load_model(run), samples_of_run(run))]
    watch.advance(_LABEL)
    plan = plan_workloads(works, target.device, options, local=target.local, ask=target.ask, **delay)
    watch.advance(_LABEL)
    limits = budget or SpendingLimit(options.max_seconds)
    limits.check(plan.estimate.seconds)
    submission = plan.submission
    submission.settings.update(price_per_second=limits.price_per_second, max_price=limits.max_price)
    submission.settings["outcomes"] = [
        outcome_classes(work.model.spec.n_outcomes, work.model.classes) for work in works
    ]
    if options.packing is None:
        # Copies that share a sample have noise of their own each; --pack-check compares them.
        predicted = predict_counts(works[0].model, target.device, submission.inputs)
        submission = replace(submission, predicted=predicted)
    watch.advance(_LABEL)
    return replace(plan, submission=submission)


def equal_submission(ledger: Ledger, run: Path, plan: SubmissionPlan) -> Submission | None:
    """Find the submission of an earlier command with the same models, device and options.

    Raises:
        SubmissionError: If there was one that the ledger has lost.
    """
    wanted = plan.submission.settings["fingerprint"]
    here = ledger.submissions()
    found = [one for one in here if one.settings["fingerprint"] == wanted]
    if found:
        return found[-1]
    known = {one.id for one in here}
    for path in plan_files(run):
        try:
            lost, _ = read_plan(path)
        except SubmissionError:
            continue
        if lost.id not in known and lost.settings.get("fingerprint") == wanted:
            raise SubmissionError(
                f"{lost.id} is the same, and the ledger has lost it: `jobs {run} --recover` finds its jobs "
                f"again; without {path} it is measured anew"
            )
    return None


def chosen_submission(ledger: Ledger, name: str | None) -> Submission:
    """Return the submission of a name, or the newest.

    Raises:
        SubmissionError: If there is none.
    """
    found = [one for one in ledger.submissions() if name in (None, one.id)]
    if not found:
        missing = "".join(f"; {line}" for line in missing_lines(ledger))
        empty = "the ledger holds no submission" if missing else "nothing was submitted from this run yet"
        raise SubmissionError(f"{f'no submission {name}' if name else empty}{missing}")
    return found[-1]


def missing_lines(ledger: Ledger) -> tuple[str, ...]:
    """Say which submissions a ledger has lost, by its own damage or by plan files, and what to do."""
    known = {one.id for one in ledger.submissions()}
    lines = [f"{line}; `jobs {ledger.folder} --recover` may help" for line in ledger.damaged()]
    told = " ".join(lines)
    lines += [
        f"{name} has a plan file, and the ledger has lost it: `jobs {ledger.folder} --recover` finds its "
        "jobs again"
        for name in map(plan_name, plan_files(ledger.folder))
        if name not in known and name not in told
    ]
    return tuple(lines)


def make_runner(ledger: Ledger, submission: Submission, service: JobService, progress: Progress) -> JobRunner:
    """Move the batches of a submission on."""
    if isinstance(service, LocalService):
        service.progress = progress
    return JobRunner(ledger, submission, service, progress)


def write_outcomes(
    run: Path, ledger: Ledger, submission: Submission
) -> list[tuple[SubmissionOutcome, Path, Path]]:
    """Evaluate what is done, and write it as JSON and as a picture, for each model.

    Returns:
        The outcomes and the paths of their two files.

    Raises:
        SubmissionError: If nothing is done yet.
        ReportingError: If a file cannot be written.
    """
    sources = (submission.settings.get("packing") or {}).get("sources", [""])
    checks = [check.to_dict() for check in check_packing(ledger, submission)]
    written = []
    for number, source in enumerate(sources):
        model = load_model(run / source)
        outcome = evaluate_submission(ledger, submission, model, number=number)
        name = submission.id if len(sources) == 1 else f"{submission.id}-{number}-{model_name(source)}"
        stem = run / _FOLDER / name
        record = outcome.to_dict() | ({"pack_check": checks} if checks else {})
        json_path = write_json(record, stem.with_name(f"{name}.json"))
        picture = plot_counts(
            outcome.probabilities,
            outcome.labels,
            [str(label) for label in model.classes],
            {kind: value for kind, (value, _, _) in outcome.accuracies.items()},
            title=f"{submission.backend}{', simulated' if submission.settings['local'] else ''}",
            shots=submission.settings["shots"],
        )
        written.append((outcome, json_path, write_file(stem.with_name(f"{name}.png"), picture)))
    return written


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
        lost = f"; `jobs {run} --recover` finds its jobs again" if plan_files(run) else ""
        raise SubmissionError(f"nothing was submitted from {run} yet: it has no {DATABASE_FILE}{lost}")


def open_ledger(run: Path) -> Ledger:
    """Open the ledger of a folder from which something was submitted.

    Raises:
        SubmissionError: If nothing was.
        StoreError: If another process works there, or the ledger is damaged.
    """
    require_ledger(run)
    try:
        return Ledger(run)
    except StoreError as error:
        if "cannot use" in str(error) and plan_files(run):
            raise StoreError(f"{error}; `jobs {run} --recover` finds its jobs again") from None
        raise


def limit_spending(
    ledger: Ledger, submission: Submission, changed: Mapping[str, float | None]
) -> SpendingLimit:
    """Return the limits of what a submission sends from now on, and store what was changed.

    Args:
        ledger: The open ledger.
        submission: One of its submissions.
        changed: Fields of `SpendingLimit`; None for those that stay.

    Raises:
        SubmissionError: If the numbers are out of range.
    """
    new = {name: value for name, value in changed.items() if value is not None}
    budget = SpendingLimit.of(submission.settings | new)
    if new:
        submission.settings.update(new)
        ledger.store_settings(submission)
    return budget


def adoption(text: str) -> tuple[int, str]:
    """Batch number and job id of `N=JOB_ID`.

    Raises:
        SubmissionError: If the text is something else.
    """
    number, sign, job_id = text.partition("=")
    if not (sign and number.isdecimal() and job_id):
        raise SubmissionError(f"--adopt: expected N=JOB_ID, found {text!r}")
    return int(number), job_id
