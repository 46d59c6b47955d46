"""The command line `qkd-qiskit`: reads options, calls the package, prints tables.

Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from qkd_qiskit.errors import ConfigError, QKDError, ReportingError, VQCNNError

PROGRAM = "qkd-qiskit"
INTERRUPTED = 130
TERMINATED = 143

app = typer.Typer(
    name=PROGRAM,
    help="Quantum knowledge distillation for variational quantum convolutional neural networks.",
    add_completion=False,
    suggest_commands=False,
    pretty_exceptions_enable=False,
)
backends_app = typer.Typer(help="The devices that come with the package.")
app.add_typer(backends_app, name="backends")
study_app = typer.Typer(help="Studies of the distillation: many federations, kept as they come.")
app.add_typer(study_app, name="study")

Seed = Annotated[int | None, typer.Option(min=0, help="Replaces the experiment's seed.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replaces one setting; repeatable: clients.0.samples=50"),
]
Json = Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Also write the table as JSON.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
Backends = Annotated[list[str] | None, typer.Option("--backend", help="Device name or .toml; repeatable.")]
Qubits = Annotated[int, typer.Option(min=2, help="Width of the model.")]
Encoding = Annotated[str, typer.Option(help="angle or amplitude")]
Kernel = Annotated[str, typer.Option(help="Preset name or gate string.")]
Sharing = Annotated[str, typer.Option(help="layer or site")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Quantum knowledge distillation for variational quantum convolutional neural networks."""


@app.command()
def run(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or a .toml file.")] = "quickstart",
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the results; runs/NAME when omitted.")
    ] = None,
    seed: Seed = None,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped.")] = False,
    json_path: Json = None,
) -> None:
    """Run one experiment end to end, and print its result."""
    from qkd_qiskit.config import load_experiment

    settings = load_experiment(experiment, overrides=overrides or (), seed=seed)
    folder = output or Path("runs") / settings.name
    _check_folder(folder)
    _check_json(json_path)

    from qkd_qiskit.pipeline import run_experiment
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.reporting import print_results, write_json

    with RichProgress() as progress:
        finished = run_experiment(settings, output=folder, progress=progress, resume=resume)
    print_results(finished.results)
    typer.echo(f"results: {folder / 'results.json'}\nreport:  {folder / 'report.html'}")
    if json_path is not None:
        write_json(finished.results, json_path)


@app.command()
def estimate(
    experiment: Annotated[
        str | None, typer.Argument(help="Experiment whose clients are estimated; quickstart when omitted.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="No experiment: one client holds this dataset, by name or path.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Label file, or label column of a CSV.")] = None,
    classes: Annotated[str | None, typer.Option(metavar="A,B,...", help="Classes that take part.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="A random part of the dataset.")] = None,
    backends: Backends = None,
    qubits: Qubits = 8,
    encoding: Encoding = "angle",
    kernel: Kernel = "su4",
    sharing: Sharing = "site",
    seed: Seed = None,
    overrides: Overrides = None,
    json_path: Json = None,
) -> None:
    """Estimate how many gates each client's data needs and its device allows.

    With --dataset, one client holds that dataset, on every device or those named; qubits, encoding,
    kernel and sharing then come from the options, and otherwise from the experiment.
    """
    _check_json(json_path)
    if dataset is not None and (experiment is not None or overrides):
        raise ConfigError("--dataset stands without an experiment and without --set")
    if dataset is None and any(value is not None for value in (labels, classes, samples)):
        raise ConfigError("--labels, --classes and --samples need --dataset; an experiment takes --set")

    from qkd_qiskit.config import load_experiment, model_settings
    from qkd_qiskit.reporting import resources

    if dataset is None:
        settings = load_experiment(experiment or "quickstart", overrides=overrides or (), seed=seed)
        found = resources.experiment_budgets(settings, backends=backends or ())
    else:
        from qkd_qiskit.hardware import list_backends

        model = model_settings(n_qubits=qubits, encoding=encoding, kernel=kernel, sharing=sharing)
        found = resources.dataset_budgets(
            dataset,
            path=dataset if _is_path(dataset) else None,
            labels=labels,
            classes=_classes(classes),
            samples=samples,
            model=model,
            backends=backends or list_backends(),
            seed=seed or 0,
        )
    rows = [resources.budget_row(*item) for item in found]
    _show("Gate budgets", resources.ESTIMATE_COLUMNS, rows, json_path)


@app.command()
def transpile(
    experiment: Annotated[
        str | None, typer.Argument(help="Experiment whose clients' circuits are transpiled.")
    ] = None,
    index: Annotated[str | None, typer.Option(help="Model index of the structure.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="Layers, as in 'conv, edge, conv'; a usual plan when omitted.")
    ] = None,
    qubits: Qubits = 8,
    encoding: Encoding = "angle",
    kernel: Kernel = "su4",
    sharing: Sharing = "site",
    outcomes: Annotated[int, typer.Option(min=2, help="Outcomes to tell apart.")] = 2,
    backends: Backends = None,
    seed: Seed = None,
    overrides: Overrides = None,
    reports: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the reports of all devices and shipped experiments instead."),
    ] = None,
    json_path: Json = None,
) -> None:
    """Transpile, and show predicted beside counted native gates.

    Without an experiment the structure comes from --index, or from the options that describe it, on
    ibm_torino or the devices named. With --reports, everything that is shipped is transpiled.
    """
    _check_json(json_path)
    if reports is not None:
        if experiment is not None or index is not None or overrides or backends:
            raise ConfigError("--reports stands without an experiment, --index, --set and --backend")
        _write_reports(reports, json_path)
        return
    if experiment is None and overrides:
        raise ConfigError("--set needs an experiment")
    if experiment is not None and index is not None:
        raise ConfigError("--index stands without an experiment")

    from qkd_qiskit.reporting import resources
    from qkd_qiskit.vqcnn import VQCNNSpec

    if experiment is not None:
        from qkd_qiskit.config import load_experiment

        settings = load_experiment(experiment, overrides=overrides or (), seed=seed)
        rows = resources.experiment_transpile_rows(settings, backends=backends or ())
    else:
        spec = (
            VQCNNSpec.from_index(_model_index(index))
            if index is not None
            else VQCNNSpec(qubits, encoding, plan, kernel, sharing, outcomes)
        )
        rows = [resources.transpile_row(spec, name, seed=seed or 0) for name in backends or ["ibm_torino"]]
    _show("Native gates, predicted and counted", resources.TRANSPILE_COLUMNS, rows, json_path)


@app.command()
def calibrate(
    plan: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Sweep as .toml; the shipped one when omitted.")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for records and results.")] = Path(
        "runs/calibration"
    ),
    jobs: Annotated[int, typer.Option(min=1, help="Processes that train at the same time.")] = 1,
    refit: Annotated[
        bool, typer.Option("--refit", help="Train nothing: fit the records that come with the package.")
    ] = False,
    json_path: Json = None,
) -> None:
    """Train the estimator's calibration tasks, fit its coefficients and validate them.

    An interrupted sweep goes on where it stopped. The shipped one takes the better part of an hour.
    """
    _check_folder(output)
    _check_json(json_path)
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.reporting import write_json
    from qkd_qiskit.studies import calibration
    from qkd_qiskit.studies.calibration_plan import load_plan

    sweep = load_plan(plan)
    if refit:
        finished = calibration.evaluate_records(sweep, *calibration.shipped_records(sweep))
        calibration.write_calibration(finished, output)
    else:
        with RichProgress() as progress:
            finished = calibration.calibrate(sweep, output, jobs=jobs, progress=progress)
    found = finished.to_dict()
    _show("Calibration tasks", calibration.TASK_COLUMNS, found["tasks"], None)
    typer.echo(finished.coefficients.method)
    typer.echo(f"coefficients: {output / 'coefficients.json'}")
    if json_path is not None:
        write_json(found, json_path)


@app.command()
def drift(
    backend: Annotated[
        str, typer.Option(help="Device, or snapshot, that models are trained for.")
    ] = "ibm_torino",
    other: Annotated[
        list[str] | None, typer.Option(help="Later snapshot, or another device; repeatable.")
    ] = None,
    spread: Annotated[
        list[float] | None,
        typer.Option(min=0, help="Spread of made-up calibrations; repeatable; 0.1 and 0.3 without --other."),
    ] = None,
    samples: Annotated[int, typer.Option(min=8, help="Training samples.")] = 300,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of data, start and drift.")] = 3,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for drift.json and drift.png.")] = Path(
        "runs/drift"
    ),
    json_path: Json = None,
) -> None:
    """Train for one calibration of a device, and run under later ones."""
    _check_folder(output)
    _check_json(json_path)
    from qkd_qiskit.hardware import load_backend
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.studies.drift import DRIFT_COLUMNS, study_drift, write_drift

    spreads = spread or ([] if other else [0.1, 0.3])
    with RichProgress() as progress:
        rows = study_drift(
            load_backend(backend),
            [load_backend(name) for name in other or ()],
            spreads=spreads,
            samples=samples,
            seeds=seeds,
            progress=progress,
        )
    write_drift(rows, output)
    _show(f"Trained for {backend}", DRIFT_COLUMNS, [row.to_dict() for row in rows], json_path)
    typer.echo(f"picture: {output / 'drift.png'}")


def _write_reports(folder: Path, json_path: Path | None) -> None:
    _check_folder(folder)
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.reporting import write_json
    from qkd_qiskit.reporting.transpile_reports import write_transpile_reports

    with RichProgress() as progress:
        written = write_transpile_reports(folder, progress=progress)
    typer.echo(f"{len(written)} devices, {len(written[0]['rows'])} structures each: {folder / 'README.md'}")
    if json_path is not None:
        write_json(written, json_path)


@app.command()
def predict(
    run_folder: RunFolder,
    source: Annotated[Path, typer.Option("--input", metavar="FILE", help="npy, npz, csv or IDX samples.")],
    labels: Annotated[str | None, typer.Option(help="Label file or column: gives the accuracy too.")] = None,
    backend: Annotated[
        str | None, typer.Option(help="Device whose noise is simulated, or ideal; as trained when omitted.")
    ] = None,
    shots: Annotated[int | None, typer.Option(min=1, help="Shots a sample; exact when omitted.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shots.")] = 0,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a CSV.")] = None,
    json_path: Json = None,
) -> None:
    """Class probabilities of your own data, from a run's global model."""
    _check_json(json_path)
    from qkd_qiskit import serving

    found = serving.predict_file(run_folder, source, labels=labels, backend=backend, shots=shots, seed=seed)
    if output is None:
        typer.echo(found.to_csv(), nl=False)
    else:
        _check_folder(output.parent)
        serving.write_file(output, found.to_csv())
        typer.echo(f"{len(found.predicted)} samples: {output}")
    if found.accuracy is not None:
        typer.echo(f"accuracy {found.accuracy:.1%}", err=output is None)
    if json_path is not None:
        from qkd_qiskit.reporting import write_json

        write_json(found.to_dict(), json_path)


@app.command()
def export(
    run_folder: RunFolder,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="qpy, qasm3 or card; repeatable; all when omitted.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the files; RUN/export when omitted.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="Export this device's ISA circuit.")] = None,
    free: Annotated[bool, typer.Option("--free", help="Leave the weights as parameters.")] = False,
) -> None:
    """Write a run's global model as QPY, OpenQASM 3 and model card."""
    folder = output or run_folder / "export"
    from qkd_qiskit import serving

    wanted = tuple(formats or serving.EXPORTS)
    for path in serving.export_model(run_folder, folder, formats=wanted, backend=backend, free=free):
        typer.echo(path)


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
    json_path: Json = None,
) -> None:
    """Compare the exact engine with Aer, samplers, SamplerQNN and PennyLane; status 1 beyond tolerance."""
    _check_json(json_path)
    if index is None and backend is not None:
        raise ConfigError("--backend needs --index")

    from qkd_qiskit import bridge
    from qkd_qiskit.progress import RichProgress

    bridge.require_pennylane()
    chosen = None if index is None else _model_index(index)
    cases = bridge.make_cases(specs, qubits=qubits, index=chosen, backend=backend, seed=seed)
    with RichProgress() as progress:
        rows = bridge.crosscheck(cases, shots=shots, seed=seed, progress=progress)
    _show("Routes against the exact engine", bridge.COLUMNS, [row.to_dict() for row in rows], json_path)
    if any(row.passed is False for row in rows):
        raise typer.Exit(1)


@app.command()
def submit(
    run_folder: RunFolder,
    backend: Annotated[str, typer.Option(help="Shipped device (local), or a device of IBM Quantum.")],
    samples: Annotated[int, typer.Option(min=1, help="Test samples.")] = 50,
    shots: Annotated[int, typer.Option(min=1, help="Shots of each.")] = 1024,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the samples.")] = 0,
    batch: Annotated[int | None, typer.Option(min=1, help="Most samples in one job.")] = None,
    mitigate: Annotated[bool, typer.Option(help="Calibrate readout mitigation in every job.")] = True,
    decoupling: Annotated[bool, typer.Option(help="Dynamical decoupling, on real devices.")] = False,
    twirling: Annotated[bool, typer.Option(help="Twirl gates and measurements, on real devices.")] = False,
    max_seconds: Annotated[int | None, typer.Option(min=1, help="Most quantum seconds in all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before spending.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the results.")] = True,
    json_path: Json = None,
) -> None:
    """Run a run's global model on a device: real ones at IBM Quantum, shipped ones in the local mode.

    The same command again goes on where an earlier one was interrupted; nothing is submitted twice.
    """
    _check_json(json_path)
    from qkd_qiskit import serving
    from qkd_qiskit.runtime import Ledger, Options

    options = Options(samples, shots, seed, batch, mitigate, decoupling, twirling, max_seconds=max_seconds)
    target = serving.destination(run_folder, backend)
    plan = serving.prepare_submission(run_folder, target, options)
    _show("Estimate", serving.ESTIMATE_COLUMNS, [serving.estimate_row(plan, target)], None)
    if dry_run:
        return
    with Ledger(run_folder) as ledger:
        submission = serving.equal_submission(ledger, run_folder, target, options)
        open_batches = True if submission is None else serving.to_send(ledger, submission)
        if open_batches and not (target.local or yes):
            _ask_before_spending(backend)
        if submission is None:
            ledger.add(plan.submission, plan.ranges)
            submission = plan.submission
        else:
            typer.echo(f"going on with {submission.id}; another --seed measures anew")
        _work(run_folder, ledger, submission, target, send=True, wait=wait, json_path=json_path)


@app.command()
def jobs(
    run_folder: RunFolder,
    name: Annotated[str | None, typer.Option("--submission", help="Which; the newest when omitted.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Send what is not sent yet.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Send failed and cancelled jobs again.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel what is under way.")] = False,
    adopt: Annotated[
        str | None, typer.Option(metavar="N=JOB_ID", help="Batch N in doubt has this job.")
    ] = None,
    forget: Annotated[int | None, typer.Option(metavar="N", help="Batch N in doubt has no job.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all jobs have ended.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before spending.")] = False,
    json_path: Json = None,
) -> None:
    """List the jobs of a run, and collect, resume or cancel them."""
    _check_json(json_path)
    if cancel and (resume or retry):
        raise ConfigError("--cancel stands without --resume and --retry")
    from qkd_qiskit import serving
    from qkd_qiskit.progress import NullProgress
    from qkd_qiskit.runtime import Ledger

    serving.require_ledger(run_folder)
    with Ledger(run_folder) as ledger:
        submission = serving.chosen_submission(ledger, name)
        target = serving.destination(run_folder, submission.backend, local=submission.settings["local"])
        runner = serving.make_runner(ledger, submission, target.service, NullProgress())
        if adopt is not None:
            runner.adopt(*serving.adoption(adopt))
        if forget is not None:
            runner.forget(forget)
        if cancel:
            typer.echo(f"cancelled {runner.cancel()} batches")
        send = resume or retry
        if send and not (target.local or yes):
            _ask_before_spending(submission.backend)
        if retry:
            runner.retry()
        _work(run_folder, ledger, submission, target, send=send, wait=wait, json_path=json_path)


def _ask_before_spending(backend: str) -> None:
    from qkd_qiskit.errors import SubmissionError

    if not sys.stdin.isatty():
        raise SubmissionError(
            f"running on {backend} costs quantum seconds: say --yes, or answer at a terminal"
        )
    if not typer.confirm(f"Submit to {backend} and spend these quantum seconds?"):
        raise typer.Exit


def _work(
    run_folder: Path,
    ledger: Any,
    submission: Any,
    target: Any,
    *,
    send: bool,
    wait: bool,
    json_path: Path | None,
) -> None:
    """Send, collect and show."""
    from qkd_qiskit import serving
    from qkd_qiskit.progress import RichProgress

    with RichProgress() as progress:
        runner = serving.make_runner(ledger, submission, target.service, progress)
        if send:
            runner.submit()
        runner.collect(wait=wait)
    rows = serving.batch_rows(ledger, submission)
    _show(f"Jobs of {submission.id}", serving.BATCH_COLUMNS, rows, json_path)
    for stranger in runner.strangers():
        typer.echo(f"warning: job {stranger} has this submission's tag, but the ledger does not know it")
    if ledger.batches(submission.id, "done"):
        outcome, table, picture = serving.write_outcome(run_folder, ledger, submission)
        _show("Accuracy", serving.ACCURACY_COLUMNS, serving.accuracy_rows(outcome), None)
        for note in outcome.notes:
            typer.echo(note)
        typer.echo(f"results: {table}\npicture: {picture}")


Seeds = Annotated[int, typer.Option(min=1, help="Number of seeds, from --first-seed on.")]
FirstSeed = Annotated[int, typer.Option(min=0, help="The first seed.")]
StudyFolder = Annotated[
    Path | None, typer.Option("--output", metavar="DIR", help="Records and pictures; runs/STUDY if omitted.")
]


def _study(
    name: str,
    experiment: str,
    seeds: int,
    first_seed: int,
    overrides: list[str] | None,
    output: Path | None,
    json_path: Path | None,
) -> None:
    """Run one study of the distillation, and print its table."""
    folder = Path("runs") / name if output is None else output
    _check_folder(folder)
    _check_json(json_path)
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.studies.distillation_studies import run_study

    with RichProgress() as progress:
        rows = run_study(
            name,
            experiment,
            range(first_seed, first_seed + seeds),
            folder,
            overrides=overrides or (),
            progress=progress,
        )
    _show(f"{name}: {experiment}", [(key, key) for key in rows[0]], rows, json_path)
    typer.echo(f"records: {folder}")


@study_app.command("ablation")
def study_ablation(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "mnist4",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """Show what each ingredient gives: one left out or exchanged at a time."""
    _study("ablation", experiment, seeds, first_seed, overrides, output, json_path)


@study_app.command("robustness")
def study_robustness(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "mnist10",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """Show what silent, broken and lying clients cost."""
    _study("robustness", experiment, seeds, first_seed, overrides, output, json_path)


@study_app.command("heterogeneity")
def study_heterogeneity(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "heterogeneity",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """From all classes a client to one: who keeps its accuracy."""
    _study("heterogeneity", experiment, seeds, first_seed, overrides, output, json_path)


@study_app.command("noise")
def study_noise(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "noise",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """Strength of the noise, shots, and gradients against qubits."""
    _study("noise", experiment, seeds, first_seed, overrides, output, json_path)


@study_app.command("privacy")
def study_privacy(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or .toml file.")] = "mnist4",
    seeds: Seeds = 3,
    first_seed: FirstSeed = 0,
    overrides: Overrides = None,
    output: StudyFolder = None,
    json_path: Json = None,
) -> None:
    """Membership inference from outputs, beside that from FedAvg's parameters."""
    _study("privacy", experiment, seeds, first_seed, overrides, output, json_path)


@backends_app.command("list")
def backends_list(json_path: Json = None) -> None:
    """List the devices."""
    _check_json(json_path)
    from qkd_qiskit.hardware import list_backends
    from qkd_qiskit.reporting import resources

    rows = [resources.backend_row(name) for name in list_backends()]
    _show("Devices", resources.BACKEND_COLUMNS, rows, json_path)


@backends_app.command("show")
def backends_show(
    name: Annotated[str, typer.Argument(help="Device name, or a .toml descriptor.")],
    picture: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Draw couplings, errors and the chain: .png, .svg, .pdf."),
    ] = None,
    qubits: Qubits = 8,
    kernel: Kernel = "su4",
    json_path: Json = None,
) -> None:
    """Show one device, and the chain that a model of --qubits would run on."""
    _check_json(json_path)
    from rich.console import Console

    from qkd_qiskit.reporting import resources, rows_table, write_json
    from qkd_qiskit.vqcnn import VQCNNSpec

    spec = VQCNNSpec(qubits, kernels=kernel)
    row = resources.backend_row(name, spec)
    lines = [
        (key.replace("_", " "), " ".join(map(str, value)) if isinstance(value, list) else value)
        for key, value in row.items()
    ]
    Console().print(rows_table(row["name"], ("property", "value"), lines))
    if picture is not None:
        from qkd_qiskit.hardware import load_backend
        from qkd_qiskit.reporting.device_picture import save_device_picture

        save_device_picture(load_backend(name), picture, spec if row["chain"] else None)
        typer.echo(f"picture: {picture}")
    if json_path is not None:
        write_json(row, json_path)


@backends_app.command("snapshot")
def backends_snapshot(
    name: Annotated[
        str, typer.Argument(help="Device name, .toml descriptor, or fake backend such as FakeTorino.")
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The .toml to write; NAME-DATE.toml when omitted.")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="ISO date of the calibration, where the device has none.")
    ] = None,
) -> None:
    """Store a device's calibration with its date, to be loaded again without the device."""
    from qkd_qiskit.hardware import load_backend, load_fake_backend, write_snapshot

    device = load_fake_backend(name) if name.startswith("Fake") else load_backend(name)
    found = date or device.calibration_date or ""
    path = write_snapshot(device, output or Path(f"{device.name}-{found[:10]}.toml"), date=date)
    typer.echo(f"snapshot: {path}\ncalibration: {found}")


@app.command()
def bench(
    qubits: Annotated[str, typer.Option(metavar="A,B,...", help="Widths to measure.")] = "4,6,8,10,12",
    samples: Annotated[
        str, typer.Option(metavar="A,B,...", help="Numbers of samples.")
    ] = "10,100,500,1000,5000,10000",
    particles: Annotated[int, typer.Option(min=1, help="Particles of the swarm.")] = 30,
    threads: Annotated[int, typer.Option(min=0, help="BLAS threads; 0 for one each core.")] = 0,
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Also PennyLane and qiskit-machine-learning.")
    ] = True,
    plot: Annotated[Path | None, typer.Option(metavar="PATH", help="Also draw the result as PNG.")] = None,
    json_path: Json = None,
) -> None:
    """Measure the exact engine beside its peers, side by side on this machine."""
    _check_json(json_path)
    _check_json(plot)
    from qkd_qiskit.files import write_atomic
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.studies.bench import BENCH_COLUMNS, BenchSettings, bench_rows, run_bench
    from qkd_qiskit.studies.bench_plot import plot_bench

    settings = BenchSettings(
        qubits=_numbers("--qubits", qubits),
        samples=_numbers("--samples", samples),
        particles=particles,
        threads=threads,
        peers=peers,
    )
    with RichProgress() as progress:
        result = run_bench(settings, progress)
    _show("Seconds a particle; * scaled up from at most 10 samples", BENCH_COLUMNS, bench_rows(result), None)
    for name, value in result["checks"].items():
        typer.echo(f"{name.replace('_', ' ')}: {'not measured' if value is None else f'{value:.3g}'}")
    if plot is not None:
        write_atomic(plot, plot_bench(result))
    if json_path is not None:
        from qkd_qiskit.reporting import write_json

        write_json(result, json_path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; the process's own arguments when omitted.

    Returns:
        Exit status: 0 when the work is done, 2 for bad input, 1 for a failure, 130 when interrupted.
    """
    command = typer.main.get_command(app)
    try:
        with _clean_termination():
            status = command.main(
                None if arguments is None else list(arguments), prog_name=PROGRAM, standalone_mode=False
            )
            sys.stdout.flush()
    except QKDError as error:
        return _complain(str(error))
    except click.ClickException as error:
        return _complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python's own flush at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    # Typer itself may have turned the interruption into this status.
    if status == INTERRUPTED:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _complain(message: str) -> int:
    print(f"{PROGRAM}: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


@contextmanager
def _clean_termination() -> Iterator[None]:
    """Let a polite kill unwind the stack, so that temporary files go and worker processes end."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show(
    title: str, columns: Sequence[tuple[str, str]], rows: Sequence[dict[str, Any]], json_path: Path | None
) -> None:
    """Print rows as a table of some of their keys, and write all of them as JSON if wanted."""
    from rich.console import Console

    from qkd_qiskit.reporting import records_table, write_json

    Console().print(records_table(title, columns, rows))
    said = [note for row in rows for note in row.get("notes", ())]
    said += [f"{row['client']} on {row['backend']}: {row['refused']}" for row in rows if row.get("refused")]
    for line in dict.fromkeys(said):
        typer.echo(line)
    if json_path is not None:
        write_json(list(rows), json_path)


def _check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written before minutes of work go into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportingError(f"cannot write into {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise ReportingError(f"cannot write into {folder}: no permission")


def _check_json(path: Path | None) -> None:
    if path is None:
        return
    if path.is_dir():
        raise ReportingError(f"--json: expected a file, found the folder {path}")
    _check_folder(path.parent)


def _is_path(dataset: str) -> bool:
    """Whether a dataset is named by its place: `openml:NAME` may hold dots and slashes too."""
    path = Path(dataset)
    return path.exists() or (not dataset.startswith("openml:") and (path.suffix != "" or len(path.parts) > 1))


def _classes(text: str | None) -> tuple[int | str, ...] | None:
    """Class names between commas; whole numbers are taken as numbers."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(int(name) if name.lstrip("-").isdecimal() else name for name in names)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """Positive whole numbers between commas."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"{option}: expected positive whole numbers between commas, found {text!r}")
    return tuple(int(part) for part in parts)


def _model_index(text: str) -> int:
    # int() alone would raise on very long numbers, and accept signs, spaces and underscores.
    if not (text.isascii() and text.isdecimal()) or len(text) > sys.get_int_max_str_digits():
        raise VQCNNError(f"--index: expected a model index, a whole decimal number, found {text[:40]!r}")
    return int(text)
