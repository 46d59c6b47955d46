"""The command `calibrate`: the estimator's coefficients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit.cli.options import Json, check_folder, check_json
from qkd_qiskit.cli.tables import show
from qkd_qiskit.estimator import calibration
from qkd_qiskit.progress import RichProgress
from qkd_qiskit.reporting import write_json
from qkd_qiskit.reporting.calibration_plot import write_calibration

# The only command of its app, which Typer would give options of its own.
app = typer.Typer(add_completion=False)

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
