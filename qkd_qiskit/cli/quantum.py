"""Other ways to run a model: cross-check, submission, jobs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit import interop, services
from qkd_qiskit.cli import complete
from qkd_qiskit.cli.log import shown_progress
from qkd_qiskit.cli.options import Json, RunFolder, check_json, model_index
from qkd_qiskit.cli.tables import show
from qkd_qiskit.errors import ConfigError, ServiceError, SubmissionError
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.runtime import (
    JobService,
    Ledger,
    SpendingLimit,
    Submission,
    SubmissionOptions,
    check_packing,
    outcome_classes,
    spent,
)

app = typer.Typer()

MaxSeconds = Annotated[int | None, typer.Option(min=1, help="Most quantum seconds in all, estimated.")]
Price = Annotated[
    float | None, typer.Option(min=0, help="What a quantum second costs, in a currency of your own.")
]
MaxPrice = Annotated[float | None, typer.Option(min=0, help="Most money in all, estimated.")]


@app.command()
def crosscheck(
    specs: Annotated[int, typer.Option(min=1, help="Random structures, each ideal and noisy.")] = 5,
    index: Annotated[str | None, typer.Option(help="Check this structure instead.")] = None,
    backend: Annotated[
        str | None, typer.Option(help="With --index: on this device, under its noise, idle noise included.")
    ] = None,
    qubits: Annotated[int, typer.Option(min=2, max=6, help="Widest random structure.")] = 4,
    shots: Annotated[int, typer.Option(min=100, help="Shots of sampled routes.")] = 4000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="ROUTE", help="Fail where this route is not installed; repeatable."),
    ] = None,
    json_path: Json = None,
) -> None:
    """Compare the exact engine with Aer, samplers, SamplerQNN and PennyLane.

    The status is 1 beyond tolerance.

    Routes: Aer, PennyLane native, PennyLane converted, PennyLane on qiskit.aer, SamplerV2, SamplerQNN.
    Those that are not installed are named, with what they need.
    """
    check_json(json_path)
    if index is None and backend is not None:
        raise ConfigError("--backend needs --index")

    interop.require_routes(require or ())
    chosen = None if index is None else model_index(index)
    cases = interop.make_cases(specs, qubits=qubits, index=chosen, backend=backend, seed=seed)
    with shown_progress() as progress:
        rows = interop.crosscheck(cases, shots=shots, seed=seed, progress=progress)
    show("Routes against the exact engine", interop.COLUMNS, [row.to_dict() for row in rows], json_path)
    for route, needed in {row.route: row.missing for row in rows if row.missing}.items():
        typer.echo(f"{route} did not run: {needed}")
    if any(row.passed is False for row in rows):
        raise typer.Exit(1)


@app.command()
def submit(
    run_folder: RunFolder,
    backend: Annotated[
        str,
        typer.Option(
            help="Shipped device (local), or a device of IBM Quantum.", autocompletion=complete.devices
        ),
    ],
    samples: Annotated[int, typer.Option(min=1, help="Test samples.")] = 50,
    shots: Annotated[int, typer.Option(min=1, help="Shots of each.")] = 1024,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the samples.")] = 0,
    batch: Annotated[int | None, typer.Option(min=1, help="Most samples in one job.")] = None,
    mitigate: Annotated[bool, typer.Option(help="Calibrate readout mitigation in every job.")] = True,
    decoupling: Annotated[bool, typer.Option(help="Dynamical decoupling, on real devices.")] = False,
    twirling: Annotated[bool, typer.Option(help="Twirl gates and measurements, on real devices.")] = False,
    max_seconds: MaxSeconds = None,
    price_per_second: Price = None,
    max_price: MaxPrice = None,
    pack: Annotated[
        str | None, typer.Option(metavar="auto|N", help="Copies of the circuit side by side on the device.")
    ] = None,
    pack_margin: Annotated[int, typer.Option(min=0, help="Idle qubits between two copies.")] = 1,
    pack_floor: Annotated[
        float, typer.Option(min=0, max=1, help="Least ESP of a copy, as a share of the best copy's.")
    ] = 0.8,
    pack_check: Annotated[
        bool, typer.Option("--pack-check", help="Run each copy alone as well, and test for equality.")
    ] = False,
    also: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN", help="With --pack: the model of this run, or file, too; repeatable."),
    ] = None,
    clients: Annotated[
        bool, typer.Option("--clients", help="With --pack: all clients of the device, not the global model.")
    ] = False,
    recover: Annotated[
        bool, typer.Option("--recover", help="Take over jobs of an equal submission whose folder was lost.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before spending.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the results.")] = True,
    json_path: Json = None,
) -> None:
    """Run a run's global model on a device: real, or shipped and simulated.

    Real devices are those of IBM Quantum; shipped ones run in the Runtime's local mode. The same command
    again goes on where an earlier one was interrupted; nothing is submitted twice.
    """
    check_json(json_path)
    packing = services.packing_options(
        pack, margin=pack_margin, floor=pack_floor, check=pack_check, others=clients or bool(also)
    )
    options = SubmissionOptions(
        samples, shots, seed, batch, mitigate, decoupling, twirling, max_seconds=max_seconds, packing=packing
    )
    budget = SpendingLimit(max_seconds, price_per_second, max_price)
    works = services.chosen_workloads(run_folder, also=also or (), clients=backend if clients else None)
    target = services.destination(run_folder, backend)
    with shown_progress() as progress:
        plan = services.prepare_submission(
            run_folder, target, options, works, budget=budget, progress=progress
        )
    if copies := services.copy_rows(plan.submission):
        show("Copies", services.COPY_COLUMNS, [row.to_dict() for row in copies], None)
    estimate = services.estimate_row(plan, target)
    columns = services.estimate_columns(estimate)
    show("Estimate", columns, [estimate.to_dict()], json_path if dry_run else None)
    if dry_run:
        return
    with Ledger(run_folder) as ledger:
        submission = services.equal_submission(ledger, run_folder, plan)
        lost = None if submission is not None else services.find_equal(target.service, plan)
        if lost is not None:
            if not recover:
                raise SubmissionError(
                    f"the service has jobs of the same submission, {lost}, which this folder does not know: "
                    "--recover takes them over, another --seed measures anew"
                )
            submission = services.take_over(ledger, plan, lost, target.service)
        open_batches = True if submission is None else services.to_send(ledger, submission)
        if open_batches and not (target.local or yes):
            _ask_before_spending(backend, plan.estimate.seconds, budget)
        if submission is None:
            for other in services.unfinished(ledger):
                typer.echo(
                    f"note: {other.id} to {other.backend}, with other options, is not finished; "
                    f"`jobs {run_folder} --submission {other.id}` goes on with it"
                )
            services.keep_devices(run_folder, (backend,))
            ledger.add(plan.submission, plan.ranges)
            submission = plan.submission
        else:
            typer.echo(f"going on with {submission.id}; another --seed measures anew")
            # What is paid and allowed may change; it is no reason to measure anew.
            services.limit_spending(
                ledger, submission, {"price_per_second": price_per_second, "max_price": max_price}
            )
        trouble = _move_on(ledger, submission, target.service, send=True, wait=wait)
        _report(
            run_folder, ledger, submission, target.service, json_path=json_path, asked=True, trouble=trouble
        )


@app.command()
def jobs(
    run_folder: RunFolder,
    name: Annotated[str | None, typer.Option("--submission", help="Which; the newest when omitted.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Send what is not sent yet.")] = False,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="Send again what failed, was cancelled or has an odd status."),
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel what is under way.")] = False,
    adopt: Annotated[
        str | None, typer.Option(metavar="N=JOB_ID", help="Batch N, in doubt or given up, has this job.")
    ] = None,
    forget: Annotated[
        int | None, typer.Option(metavar="N", help="Batch N has no job, or one that is worth no waiting.")
    ] = None,
    recover: Annotated[
        bool,
        typer.Option("--recover", help="Find submissions and jobs again where run.sqlite is lost."),
    ] = False,
    max_seconds: MaxSeconds = None,
    price_per_second: Price = None,
    max_price: MaxPrice = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all jobs have ended.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before spending.")] = False,
    json_path: Json = None,
) -> None:
    """List the jobs of a run, and collect, resume or cancel them."""
    check_json(json_path)
    if cancel and (resume or retry):
        raise ConfigError("--cancel stands without --resume and --retry")
    if recover:
        for line in services.recover_jobs(run_folder) or ("nothing was missing",):
            typer.echo(line)
    with services.open_ledger(run_folder) as ledger:
        submission = services.chosen_submission(ledger, name)
        for line in services.missing_lines(ledger):
            typer.echo(f"warning: {line}")
        target = services.destination(run_folder, submission.backend, local=submission.settings["local"])
        runner = services.make_runner(ledger, submission, target.service, NullProgress())
        budget = services.limit_spending(
            ledger,
            submission,
            {"max_seconds": max_seconds, "price_per_second": price_per_second, "max_price": max_price},
        )
        trouble = None
        if adopt is not None:
            runner.adopt(*services.adoption(adopt))
        if forget is not None:
            runner.forget(forget)
        if cancel:
            try:
                typer.echo(f"cancelled {runner.cancel()} batches")
            except ServiceError as error:
                trouble = error
        if retry:
            runner.retry()
        for line in runner.warnings:
            typer.echo(f"warning: {line}")
        send = (resume or retry) and services.to_send(ledger, submission)
        if send:
            found = spent(ledger, submission)
            budget.check(found.open, used=found.used or 0.0)
            if not (target.local or yes):
                _ask_before_spending(submission.backend, found.open, budget)
        trouble = trouble or _move_on(ledger, submission, target.service, send=send, wait=wait)
        asked = send or wait
        _report(
            run_folder, ledger, submission, target.service, json_path=json_path, asked=asked, trouble=trouble
        )


def _ask_before_spending(backend: str, seconds: float, budget: SpendingLimit) -> None:
    if not sys.stdin.isatty():
        raise SubmissionError(
            f"running on {backend} costs quantum seconds: say --yes, or answer at a terminal"
        )
    price = budget.price(seconds)
    cost = "" if price is None else f", {price:.2f} in money"
    if not typer.confirm(f"Submit to {backend} and spend about {seconds:.1f} quantum seconds{cost}?"):
        raise typer.Exit


def _move_on(
    ledger: Ledger, submission: Submission, service: JobService, *, send: bool, wait: bool
) -> ServiceError | None:
    """Send and collect; return what the service made impossible, after everything else was done."""
    trouble = None
    with shown_progress() as progress:
        runner = services.make_runner(ledger, submission, service, progress)
        if send:
            try:
                runner.submit()
            except ServiceError as error:
                trouble = error
        try:
            # Nobody wants to wait for hours before being told that the rest was not sent.
            runner.collect(wait=wait and trouble is None)
        except ServiceError as error:
            trouble = trouble or error
    return trouble


def _report(
    run_folder: Path,
    ledger: Ledger,
    submission: Submission,
    service: JobService,
    *,
    json_path: Path | None,
    asked: bool,
    trouble: ServiceError | None,
) -> None:
    """Show jobs and outcomes, then what is wrong, with the exit status that belongs to it.

    Args:
        run_folder: Folder of the run.
        ledger: The open ledger.
        submission: One of its submissions.
        service: Where its jobs are.
        json_path: Where the table goes as JSON.
        asked: Whether the user asked for results; jobs without any are a failure then.
        trouble: What the service made impossible.
    """
    rows = [row.to_dict() for row in services.batch_rows(ledger, submission)]
    show(f"Jobs of {submission.id}", services.batch_columns(submission), rows, json_path)
    if used := services.spending_line(ledger, submission):
        typer.echo(used)
    equal = not ledger.batches(submission.id, "done") or _show_outcomes(run_folder, ledger, submission)
    try:
        for stranger in services.make_runner(ledger, submission, service, NullProgress()).strangers():
            typer.echo(f"warning: job {stranger} has this submission's tag, but the ledger does not know it")
    except ServiceError as error:
        trouble = trouble or error
    ended = services.ended_line(run_folder, ledger, submission)
    if ended and asked:
        typer.echo(ended, err=True)
    if trouble is not None:
        raise trouble
    if (ended and asked) or not equal:
        raise typer.Exit(1)


def _show_outcomes(run_folder: Path, ledger: Ledger, submission: Submission) -> bool:
    """Show what is done of each model; return whether its copies count what each counts alone."""
    written = services.write_outcomes(run_folder, ledger, submission)
    for outcome, table, picture in written:
        if columns := services.count_columns(outcome):
            show("Raw counts", columns, services.count_rows(outcome), None)
            typer.echo(services.outcome_line(outcome_classes(outcome.counts.shape[1], outcome.classes)))
        rows = [asdict(row) for row in services.accuracy_rows(outcome)]
        show("Accuracy", services.ACCURACY_COLUMNS, rows, None)
        if outcome.noise is not None:
            title = "Counts beside the noise model of the calibration (mean total variation)"
            show(title, services.NOISE_COLUMNS, [services.noise_row(outcome.noise)], None)
            if warning := outcome.noise.warning():
                typer.echo(f"warning: {warning}")
        for note in outcome.notes:
            typer.echo(note)
        typer.echo(f"results: {table}\npicture: {picture}")
    checks = check_packing(ledger, submission)
    if checks:
        show("Copies together and alone", services.CHECK_COLUMNS, [check.to_dict() for check in checks], None)
    disturbed = services.disturbed_lines(checks)
    for line in disturbed:
        typer.echo(line, err=True)
    return not disturbed
