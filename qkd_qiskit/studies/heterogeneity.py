"""From equal clients to one class a client: who keeps its accuracy."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from qkd_qiskit.config import ExperimentSettings, Label
from qkd_qiskit.data import load_dataset
from qkd_qiskit.progress import Progress
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.studies.federated import (
    draw_accuracy,
    federation_cell,
    percent,
    pooled_accuracy,
    pooled_difference,
)
from qkd_qiskit.studies.swarm_data import run_cells

SHOWN = ("global", "teacher_ensemble", "centralized", "public_only", "fedavg", "fedprox", "best_client")
HETEROGENEITY_COLUMNS = ("classes a client", *SHOWN, "global minus fedavg", "global minus centralized")


def with_classes(settings: ExperimentSettings, classes: Sequence[Label], count: int) -> ExperimentSettings:
    """The same clients with `count` classes each: client i holds the i-th class and those that follow it."""
    clients = tuple(
        client.model_copy(
            update={
                "classes": tuple(sorted(classes[(number + k) % len(classes)] for k in range(count))),
            }
        )
        for number, client in enumerate(settings.clients)
    )
    return settings.model_copy(update={"clients": clients})


def study_heterogeneity(
    settings: Sequence[ExperimentSettings], folder: Path, *, progress: Progress | None = None
) -> list[dict[str, str]]:
    """Run the federation with all classes a client, then fewer, down to one; draw `heterogeneity.png`.

    Args:
        settings: One experiment a seed; their clients' classes are replaced.
        folder: Where records and the picture lie; an interrupted study goes on there.
        progress: Told of every run.

    Returns:
        Rows with the columns `HETEROGENEITY_COLUMNS`; percent with bootstrap 95 % intervals.
    """
    data = settings[0].data
    classes = data.classes
    if classes is None:
        classes = load_dataset(data.dataset, path=data.path, labels=data.labels).classes
    counts = list(range(len(classes), 0, -1))
    cells = [
        federation_cell(f"{count}-classes", with_classes(one, classes, count))
        for count in counts
        for one in settings
    ]
    records = run_cells("heterogeneity", cells, folder, progress=progress)
    of = {count: records[k * len(settings) : (k + 1) * len(settings)] for k, count in enumerate(counts)}
    shown = [name for name in SHOWN if name in records[0]["right"]]
    rows = []
    for count in counts:
        row = {"classes a client": str(count)}
        row |= {name: percent(pooled_accuracy(of[count], name)) for name in shown}
        for other in ("fedavg", "centralized"):
            row[f"global minus {other}"] = percent(pooled_difference(of[count], "global", of[count], other))
        rows.append(row)
    # One client alone falls so far that the others could not be told apart; the table has it.
    drawn = [name for name in shown if name != "best_client"]
    write_atomic(folder / "heterogeneity.png", _draw(of, drawn))
    return rows


def _draw(of: dict[int, list[dict[str, Any]]], shown: Sequence[str]) -> bytes:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    counts = list(of)
    for name in shown:
        draw_accuracy(axes, counts, [pooled_accuracy(of[count], name) for count in counts], name)
    axes.invert_xaxis()
    axes.set(xlabel="classes a client, from alike to one each", ylabel="accuracy, %", xticks=counts)
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right center")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=140)
    return buffer.getvalue()
