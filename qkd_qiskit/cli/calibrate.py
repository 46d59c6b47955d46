"""Calibration of the estimator, and drift of devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit.cli.options import Json, check_folder, check_json, show

app = typer.Typer()

#: Heading of a column of the table of tasks, and where its value lies.
_TASK_COLUMNS = (
    ("task", "task"),
    ("use", "use"),
    ("limit", "limited_by"),
    ("granted\nblocks", "granted"),
    ("smallest\nsufficient", "smallest"),
    ("accu-\nracy", "accuracy"),
    ("best", "best"),
    ("suffi-\ncient", "sufficient"),
)


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
    check_folder(output)
    check_json(json_path)
    from qkd_qiskit.estimator import calibration
    from qkd_qiskit.progress import RichProgress
    from qkd_qiskit.reporting import write_json
    from qkd_qiskit.reporting.calibration_plot import write_calibration

    sweep = calibration.load_plan(plan)
    if refit:
        finished = calibration.evaluate_records(sweep, *calibration.shipped_records(sweep))
    else:
        with RichProgress() as progress:
            finished = calibration.calibrate(sweep, output, jobs=jobs, progress=progress)
    write_calibration(finished, output)
    found = finished.to_dict()
    show("Calibration tasks", _TASK_COLUMNS, found["tasks"], None)
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
    check_folder(output)
    check_json(json_path)
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
    show(f"Trained for {backend}", DRIFT_COLUMNS, [row.to_dict() for row in rows], json_path)
    typer.echo(f"picture: {output / 'drift.png'}")
