"""One experiment, and the use of its global model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit import services
from qkd_qiskit.cli import complete
from qkd_qiskit.cli.log import shown_progress
from qkd_qiskit.cli.options import Backends, Json, Overrides, RunFolder, Seed, check_folder, check_json
from qkd_qiskit.cli.tables import percentages, show
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.experiment.folder import holds_run
from qkd_qiskit.experiment.run import load_finished, run_experiment
from qkd_qiskit.experiment.spread import spread_experiment
from qkd_qiskit.reporting import write_json
from qkd_qiskit.trackers import TrackedRun, tracker_named

app = typer.Typer()

_FIRST = 5
_SHARES = ("share", "probability")
_CLASS_COLUMNS = (
    ("class", "class"),
    ("samples", "samples"),
    ("share", "share_percent"),
    ("mean probability", "probability_percent"),
)
_SAMPLE_COLUMNS = (("sample", "sample"), ("class", "predicted"), ("probability", "probability_percent"))


@app.command()
def run(
    experiment: Annotated[
        str,
        typer.Argument(help="Shipped experiment, or a .toml file.", autocompletion=complete.experiments),
    ] = "quickstart",
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the results; runs/NAME when omitted.")
    ] = None,
    seed: Seed = None,
    overrides: Overrides = None,
    clients: Annotated[
        int | None,
        typer.Option(min=1, help="So many clients in place of the experiment's; they share its samples."),
    ] = None,
    backends: Backends = None,
    partition: Annotated[
        str | None,
        typer.Option(
            help="Deals the clients' samples: homo, dirichlet:0.3, classes:2, quantity:0.5.",
            autocompletion=complete.partitions,
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run in the folder.")
    ] = False,
    track: Annotated[
        str | None, typer.Option(metavar="mlflow", help="Also keep settings, figures and files there.")
    ] = None,
    json_path: Json = None,
) -> None:
    """Run one experiment end to end, and print its result."""
    settings = spread_experiment(
        experiment,
        clients=clients,
        backends=backends or (),
        partition=partition,
        overrides=overrides or (),
        seed=seed,
    )
    folder = output or Path("runs") / settings.name
    tracker = None if track is None else tracker_named(track)
    check_folder(folder)
    check_json(json_path)

    finished = load_finished(settings, folder) if resume and not overwrite else None
    if finished is not None:
        typer.echo(f"{folder} was finished before; this is its result.", err=True)
    else:
        if resume and not holds_run(folder):
            typer.echo(f"--resume: nothing to go on with in {folder}; the run begins anew.", err=True)
        try:
            with shown_progress() as progress:
                finished = run_experiment(
                    settings, output=folder, progress=progress, resume=resume, overwrite=overwrite
                )
        except (KeyboardInterrupt, SystemExit):
            # Ctrl-C, or a polite kill.
            typer.echo(
                f"finished stages are kept in {folder}: the same command with --resume goes on there"
                if holds_run(folder)
                else "no stage was finished: the same command begins anew",
                err=True,
            )
            raise
    finished.print()
    typer.echo(f"results: {folder / 'results.json'}\nreport:  {folder / 'report.html'}")
    if json_path is not None:
        write_json(finished.results, json_path)
    if tracker is not None:
        typer.echo(f"tracked: {tracker.keep(TrackedRun(settings, finished.record, folder))}")


@app.command()
def predict(
    run_folder: RunFolder,
    source: Annotated[
        Path, typer.Option("--input", metavar="FILE", help="npy, npz, IDX or table of samples.")
    ],
    labels: Annotated[str | None, typer.Option(help="Label file or column: gives the accuracy too.")] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="Device whose noise is simulated, or ideal; as trained when omitted.",
            autocompletion=complete.devices,
        ),
    ] = None,
    shots: Annotated[int | None, typer.Option(min=1, help="Shots a sample; exact when omitted.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shots.")] = 0,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all class probabilities as CSV.")
    ] = None,
    print_all: Annotated[
        bool, typer.Option("--print", help="Print all class probabilities as CSV, and no summary.")
    ] = False,
    json_path: Json = None,
) -> None:
    """Predict the classes of your own data with a run's global model."""
    check_json(json_path)
    if print_all and output is not None:
        raise ConfigError("expected --print or --output, found both")
    found = services.predict_file(run_folder, source, labels=labels, backend=backend, shots=shots, seed=seed)
    if print_all:
        typer.echo(found.to_csv(), nl=False)
        _tell_accuracy(found, err=True)
    else:
        _summarize(found)
    if output is not None:
        check_folder(output.parent)
        services.write_file(output, found.to_csv())
        typer.echo(f"{len(found.predicted)} samples: {output}")
    if json_path is not None:
        write_json(found.to_dict(), json_path)


def _summarize(found: services.FilePrediction) -> None:
    """Show how many samples each class was predicted for, and the first samples."""
    total = len(found.predicted)
    noise = "without noise" if found.noise is None else f"under the noise of {found.noise}"
    rows = [row | percentages(row, _SHARES) for row in found.class_rows()]
    show(f"{total} samples, {noise}", _CLASS_COLUMNS, rows, None)
    _tell_accuracy(found)
    first = [row | percentages(row, _SHARES) for row in found.sample_rows(_FIRST)]
    show(f"The first {len(first)}" if total > _FIRST else "All of them", _SAMPLE_COLUMNS, first, None)
    if total > _FIRST:
        typer.echo("--print prints all of them, --output FILE writes them.")


def _tell_accuracy(found: services.FilePrediction, *, err: bool = False) -> None:
    """Say the accuracy, where labels were given, and what it is worth."""
    if found.accuracy is None or found.interval is None:
        return
    low, high = found.interval
    typer.echo(f"accuracy {found.accuracy:.1%} ({low:.1%} to {high:.1%})", err=err)
    if found.own:
        typer.echo("These samples are the run's own: the model was trained on some of them.", err=err)


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
    wanted = tuple(formats or services.EXPORTS)
    for path in services.export_model(run_folder, folder, formats=wanted, backend=backend, free=free):
        typer.echo(path)
