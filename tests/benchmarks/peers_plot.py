"""The picture of a bench: seconds a particle against samples and against qubits."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_TASKS = (
    ("swarm", "noisy probabilities"),
    ("gradient", "noisy gradient"),
    ("ideal swarm", "ideal probabilities"),
)


def plot_bench(result: Mapping[str, Any], *, qubits: int = 8, samples: int = 500) -> bytes:
    """Draw a bench as PNG: above against the number of samples, below against the number of qubits.

    Filled marks are measured, open ones are scaled up from fewer samples.

    Args:
        result: What `run_bench` returned.
        qubits: Width of the upper row.
        samples: Samples of the lower row.
    """
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("Open marks are scaled up from fewer samples; noise of the fake backend", fontsize=9)
    axes = figure.subplots(2, len(_TASKS), sharey="row")
    for column, (task, title) in enumerate(_TASKS):
        rows = [t for t in result["timings"] if t["task"] == task]
        _lines(axes[0, column], [t for t in rows if t["qubits"] == qubits], "samples")
        _lines(axes[1, column], [t for t in rows if t["samples"] == samples], "qubits")
        axes[0, column].set(title=title, xscale="log", xlabel=f"samples, at {qubits} qubits")
        axes[1, column].set(xlabel=f"qubits, at {samples} samples")
        for row in axes:
            if row[column].lines:
                row[column].legend(fontsize=7)
    for row in axes:
        row[0].set_ylabel("seconds a particle")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def _lines(axes: Axes, rows: list[dict[str, Any]], key: str) -> None:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    for number, method in enumerate(sorted(methods, key=lambda name: name != "engine")):
        points = sorted(
            (row[key], row["seconds"], row["extrapolated"]) for row in rows if row["method"] == method
        )
        color, width = f"C{number}", 2.4 if method == "engine" else 1.2
        label = "this engine" if method == "engine" else method
        axes.plot([p[0] for p in points], [p[1] for p in points], color=color, lw=width, label=label)
        for extrapolated in (False, True):
            marked = [p for p in points if p[2] == extrapolated]
            face = "white" if extrapolated else color
            axes.plot(
                [p[0] for p in marked],
                [p[1] for p in marked],
                "o",
                color=color,
                markerfacecolor=face,
                markersize=4,
            )
    axes.set_yscale("log")
    axes.grid(alpha=0.3)
