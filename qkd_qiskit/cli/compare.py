"""Finished runs beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qkd_qiskit.cli.options import Json, check_json
from qkd_qiskit.cli.tables import show
from qkd_qiskit.experiment.comparison import RunComparison, compare_runs
from qkd_qiskit.reporting.table import comparison_conclusion, interval_label, percent

# The only command of its app, which Typer would give options of its own.
app = typer.Typer(add_completion=False)

_COLUMNS = (
    ("run", "run"),
    ("experiment", "experiment"),
    ("seed", "seed"),
    ("accuracy", "accuracy_percent"),
    ("95 %\ninterval", "interval_percent"),
    ("minus\nthe first", "difference_percent"),
    ("95 %\ninterval ", "difference_interval_percent"),
    ("", "conclusion"),
    ("same\nsamples", "same_samples"),
)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Folders of finished runs.")],
    model: Annotated[str, typer.Option(help="Which model of each: global, fedavg, ...")] = "global",
    json_path: Json = None,
) -> None:
    """Compare finished runs: differences of accuracy with intervals.

    Runs that were tested on the same samples are compared sample by sample.
    """
    check_json(json_path)
    rows = [_row(found) for found in compare_runs(runs, model=model)]
    show(f"Accuracy of {model}, in %", _COLUMNS, rows, json_path)


def _row(found: RunComparison) -> dict[str, object]:
    own, difference = found.accuracy, found.difference
    row: dict[str, object] = {
        "run": str(found.run),
        "experiment": found.experiment,
        "seed": found.seed,
        "accuracy": own.value,
        "interval": [own.low, own.high],
        "accuracy_percent": percent(own.value),
        "interval_percent": interval_label((own.low, own.high)),
        "same_samples": "yes" if found.paired else "no",
        "paired": found.paired,
    }
    if difference is not None:
        interval = (difference.low, difference.high)
        row |= {
            "difference": difference.value,
            "difference_interval": list(interval),
            "difference_percent": f"{100 * difference.value:+.1f}",
            "difference_interval_percent": interval_label(interval),
            "conclusion": comparison_conclusion(interval),
        }
    return row
