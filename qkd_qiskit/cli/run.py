"""One experiment, and the use of its global model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit import services
from qkd_qiskit.cli.options import Json, Overrides, RunFolder, Seed, check_folder, check_json
from qkd_qiskit.config import load_experiment
from qkd_qiskit.experiment.folder import holds_run
from qkd_qiskit.experiment.run import load_finished, run_experiment
from qkd_qiskit.progress import RichProgress
from qkd_qiskit.reporting import write_json

app = typer.Typer()


@app.command()
def run(
    experiment: Annotated[str, typer.Argument(help="Shipped experiment, or a .toml file.")] = "quickstart",
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the results; runs/NAME when omitted.")
    ] = None,
    seed: Seed = None,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run in the folder.")
    ] = False,
    json_path: Json = None,
) -> None:
    """Run one experiment end to end, and print its result."""
    settings = load_experiment(experiment, overrides=overrides or (), seed=seed)
    folder = output or Path("runs") / settings.name
    check_folder(folder)
    check_json(json_path)

    finished = load_finished(settings, folder) if resume and not overwrite else None
    if finished is not None:
        typer.echo(f"{folder} was finished before; this is its result.", err=True)
    else:
        if resume and not holds_run(folder):
            typer.echo(f"--resume: nothing to go on with in {folder}; the run begins anew.", err=True)
        with RichProgress() as progress:
            finished = run_experiment(
                settings, output=folder, progress=progress, resume=resume, overwrite=overwrite
            )
    finished.print()
    typer.echo(f"results: {folder / 'results.json'}\nreport:  {folder / 'report.html'}")
    if json_path is not None:
        write_json(finished.results, json_path)


@app.command()
def predict(
    run_folder: RunFolder,
    source: Annotated[
        Path, typer.Option("--input", metavar="FILE", help="npy, npz, IDX or table of samples.")
    ],
    labels: Annotated[str | None, typer.Option(help="Label file or column: gives the accuracy too.")] = None,
    backend: Annotated[
        str | None, typer.Option(help="Device whose noise is simulated, or ideal; as trained when omitted.")
    ] = None,
    shots: Annotated[int | None, typer.Option(min=1, help="Shots a sample; exact when omitted.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shots.")] = 0,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a CSV.")] = None,
    json_path: Json = None,
) -> None:
    """Print class probabilities of your own data, from a run's global model."""
    check_json(json_path)
    found = services.predict_file(run_folder, source, labels=labels, backend=backend, shots=shots, seed=seed)
    if output is None:
        typer.echo(found.to_csv(), nl=False)
    else:
        check_folder(output.parent)
        services.write_file(output, found.to_csv())
        typer.echo(f"{len(found.predicted)} samples: {output}")
    if found.accuracy is not None:
        typer.echo(f"accuracy {found.accuracy:.1%}", err=output is None)
    if json_path is not None:
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
    wanted = tuple(formats or services.EXPORTS)
    for path in services.export_model(run_folder, folder, formats=wanted, backend=backend, free=free):
        typer.echo(path)
