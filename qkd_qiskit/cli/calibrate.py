"""The command `calibrate`: the estimator's coefficients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit.cli.log import shown_progress
from qkd_qiskit.cli.options import Json, check_folder, check_json
from qkd_qiskit.cli.tables import show
from qkd_qiskit.estimator import calibration
from qkd_qiskit.reporting import write_json
from qkd_qiskit.reporting.calibration_plot import write_calibration
from qkd_qiskit.reporting.probe_plot import write_probe_calibration

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

_PROBE_COLUMNS = (
    ("task", "task"),
    ("use", "use"),
    ("clas-\nses", "classes"),
    ("sam-\nples", "samples"),
    ("needed\nblocks", "needed"),
    ("rule", "rule"),
    ("probes", "probes"),
    ("from", "interval.0"),
    ("to", "interval.1"),
    ("within\na point", "sufficient"),
    ("covered", "covered"),
)
_JUDGED_COLUMNS = (
    ("median", "median"),
    ("90 %", "most"),
    ("within\na point", "sufficient"),
    ("points\nlost", "lost"),
    ("interval\ncovers", "covered"),
    ("seconds", "seconds"),
    ("rising:\nmedian", "rising.median"),
    ("\n90 %", "rising.most"),
    ("within\na point", "rising.sufficient"),
    ("interval\ncovers", "rising.covered"),
)
_FIGURE_COLUMNS = (("tasks of", "tasks of"), ("tasks", "tasks"), ("by", "by"), *_JUDGED_COLUMNS)
_TRADE_COLUMNS = (
    ("tasks of", "tasks of"),
    ("confi-\ndence", "confidence"),
    *(_JUDGED_COLUMNS[place] for place in (0, 1, 2, 3, 6, 7, 8)),
)


@app.command()
def calibrate(
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Sweep as .toml, or kinds, the shipped one of the probes; that of the rule when omitted.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the datasets that the package lacks.")
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

    An interrupted sweep goes on where it stopped. The shipped ones take the better part of an hour each. A
    sweep with probes fits the probes' numbers instead of the rule's.
    """
    check_folder(output)
    check_json(json_path)

    sweep = calibration.load_plan(plan)
    if sweep.probes is not None:
        _calibrate_probes(sweep, output, jobs=jobs, data=data, refit=refit, json_path=json_path)
        return
    if refit:
        finished = calibration.evaluate_records(sweep, *calibration.shipped_records(sweep))
    else:
        with shown_progress() as progress:
            finished = calibration.calibrate(sweep, output, jobs=jobs, progress=progress)
    write_calibration(finished, output)
    found = finished.to_dict()
    show("Calibration tasks", _TASK_COLUMNS, found["tasks"], None)
    typer.echo(finished.coefficients.method)
    typer.echo(f"coefficients: {output / 'coefficients.json'}")
    if json_path is not None:
        write_json(found, json_path)


def _calibrate_probes(
    sweep: calibration.CalibrationPlan,
    output: Path,
    *,
    jobs: int,
    data: Path | None,
    refit: bool,
    json_path: Path | None,
) -> None:
    """Finish a sweep with probes, fit their numbers, and show what rule and probes grant."""
    if refit:
        records, _ = calibration.shipped_records(sweep)
    else:
        with shown_progress() as progress:
            path = output / "records.jsonl"
            records = calibration.run_sweep(sweep, path, jobs=jobs, folder=data, progress=progress)
    finished = calibration.calibrate_probes(sweep, records)
    write_probe_calibration(finished, output)
    found = finished.to_dict()
    show("Rule and probes", _PROBE_COLUMNS, found["tasks"], None)
    show("Granted over smallest sufficient blocks", _FIGURE_COLUMNS, found["figures"], None)
    show("The probes with other confidences", _TRADE_COLUMNS, found["trade"], None)
    typer.echo(finished.model.method)
    typer.echo(f"numbers: {output / 'probe_model.json'}\npicture: {output / 'probes.png'}")
    if json_path is not None:
        write_json(found, json_path)
