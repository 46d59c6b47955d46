"""Submission of a run's global model in one call, for programs."""

from __future__ import annotations

from pathlib import Path

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.models import keep_devices
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.runtime import Ledger, SpendingLimit, SubmissionOptions, SubmissionOutcome
from qkd_qiskit.services.recovery import find_equal
from qkd_qiskit.services.submission import (
    destination,
    equal_submission,
    make_runner,
    prepare_submission,
    to_send,
    write_outcomes,
)


@takes(SubmissionError, run=(str, Path), backend=str, options=(SubmissionOptions, NOTHING))
def submit_model(
    run: str | Path,
    backend: str,
    options: SubmissionOptions | None = None,
    *,
    limits: SpendingLimit | None = None,
    spend: bool = False,
    wait: bool = True,
    progress: Progress | None = None,
) -> list[SubmissionOutcome]:
    """Run a finished run's global model on a device, and evaluate what comes back.

    Shipped devices and descriptors are simulated by the Runtime's local mode; every other name is asked for
    at IBM Quantum. The same call again goes on where an earlier one stopped: nothing is submitted twice, and
    what is done is read from the run's folder. `qkd-qiskit jobs RUN` lists the jobs.

    Args:
        run: Folder of a finished run.
        backend: Name of the device, or the path of a descriptor.
        options: Samples, shots and mitigation; 50 test samples and 1024 shots when omitted.
        limits: Most quantum seconds and money.
        spend: Whether a device that costs quantum seconds may be used.
        wait: Whether to wait until all jobs have ended.
        progress: Notified of the steps.

    Returns:
        The outcomes, one a model; none where nothing is done yet. They are in the run's folder `jobs` too.

    Raises:
        SubmissionError: If it would cost quantum seconds and `spend` is false, or the service holds jobs of
            an equal submission whose folder was lost.
        QKDError: If it cannot be done, or the estimate exceeds the limits.
    """
    folder, watch = Path(run), progress or NullProgress()
    target = destination(folder, backend)
    plan = prepare_submission(
        folder, target, options or SubmissionOptions(samples=50, shots=1024), budget=limits, progress=watch
    )
    with Ledger(folder) as ledger:
        submission = equal_submission(ledger, folder, plan)
        if submission is None:
            if lost := find_equal(target.service, plan):
                raise SubmissionError(
                    f"the service has jobs of the same submission, {lost}, which {folder} does not know: "
                    "`qkd-qiskit submit --recover` takes them over"
                )
            open_batches = True
        else:
            open_batches = to_send(ledger, submission)
        if open_batches and not (target.local or spend):
            raise SubmissionError(
                f"running on {backend} costs about {plan.estimate.seconds:.1f} quantum seconds: spend=True "
                "allows it"
            )
        if submission is None:
            keep_devices(folder, (backend,))
            ledger.add(plan.submission, plan.ranges)
            submission = plan.submission
        runner = make_runner(ledger, submission, target.service, watch)
        runner.submit()
        runner.collect(wait=wait)
        if not ledger.batches(submission.id, "done"):
            return []
        return [outcome for outcome, _, _ in write_outcomes(folder, ledger, submission)]
