"""The pictures of a result: each function draws one figure from checked results and extras."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from qkd_qiskit.evaluation import model_title
from qkd_qiskit.evaluation.results import Gates, Quantity, QuantityRange, Results
from qkd_qiskit.reporting.confusions import plot_client_confusions, plot_confusion
from qkd_qiskit.reporting.curves import plot_rounds, plot_training
from qkd_qiskit.reporting.extras import ReportExtras
from qkd_qiskit.reporting.figures import (
    BLUE,
    CLASS_COLOURS,
    GREEN,
    GREY,
    INK,
    ORANGE,
    new_figure,
    readable_on,
    shortened,
)
from qkd_qiskit.reporting.reliability_plot import plot_reliability
from qkd_qiskit.reporting.table import model_order

__all__ = [
    "MOST_ROWS",
    "plot_accuracies",
    "plot_bytes",
    "plot_class_mix",
    "plot_client_confusions",
    "plot_confusion",
    "plot_gates",
    "plot_quantum_seconds",
    "plot_reliability",
    "plot_rounds",
    "plot_training",
]

#: Most rows of a picture with a bar a client, and most classes with a colour of their own.
MOST_ROWS, _MOST_COLOURS = 40, 20

_COUNTS = (
    ("two_qubit", "two-qubit gates"),
    ("one_qubit", "one-qubit gates"),
    ("two_qubit_depth", "two-qubit depth"),
)


def plot_class_mix(results: Results, extras: ReportExtras) -> Figure:
    """Draw stacked bars: how many samples of each class every client holds; shades where they are many."""
    names = list(extras.class_counts)
    counts = np.array([extras.class_counts[name] for name in names]).reshape(len(names), -1)
    if len(names) > MOST_ROWS or len(extras.classes) > _MOST_COLOURS:
        return _shaded_mix(counts, names, extras.classes)
    figure = new_figure(7.2, 1.2 + 0.5 * len(names))
    axes = figure.subplots()
    left = np.zeros(len(names))
    widest = max(1, int(counts.sum(axis=1).max(initial=0)))
    for place, label in enumerate(extras.classes):
        colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
        bars = axes.barh(
            names, counts[:, place], left=left, color=colour, label=shortened(label), height=0.62
        )
        # A number that does not fit into its segment would run into the next one.
        texts = [str(n) if n > 0.05 * widest else "" for n in counts[:, place]]
        axes.bar_label(bars, texts, label_type="center", color=readable_on(colour), fontsize=8)
        left += counts[:, place]
    devices = {client.name: client.backend for client in results.clients}
    ticks = [f"{shortened(name)}\n{shortened(devices.get(name) or '')}".rstrip() for name in names]
    axes.set_yticks(range(len(names)), ticks)
    axes.invert_yaxis()
    axes.set_xlabel("samples")
    axes.grid(axis="x")
    figure.legend(
        *axes.get_legend_handles_labels(),
        title="class",
        loc="outside right center",
        ncols=1 + len(extras.classes) // 11,
    )
    return figure


def _shaded_mix(counts: NDArray[np.int64], names: list[str], classes: tuple[str, ...]) -> Figure:
    figure = new_figure(7.2, 5.2)
    axes = figure.subplots()
    image = axes.imshow(
        np.ma.masked_equal(counts, 0), aspect="auto", cmap="viridis_r", interpolation="nearest"
    )
    rows, columns = (np.unique(np.linspace(0, n - 1, min(n, 20)).astype(int)) for n in counts.shape)
    axes.set_yticks(rows, [shortened(names[row]) for row in rows], fontsize=8)
    axes.set_xticks(columns, [shortened(classes[column]) for column in columns], rotation=90, fontsize=8)
    axes.set_xlabel("class")
    figure.colorbar(image, ax=axes, label="samples, white for none")
    return figure


def plot_gates(results: Results) -> Figure:
    """Draw predicted beside counted native gates of every client, in three panels; points for many."""
    known = {client.name: client.gates for client in results.clients if client.gates is not None}
    names = list(known)
    if len(names) > MOST_ROWS:
        return _gate_points(list(known.values()))
    figure = new_figure(9, 1.7 + 0.42 * len(names))
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (field, title) in zip(panels, _COUNTS, strict=True):
        predicted = [getattr(gates.estimated, field) for gates in known.values()]
        counted = [getattr(gates.transpiled, field) for gates in known.values()]
        _paired_bars(axes, predicted, counted)
        axes.set_title(title)
        axes.grid(axis="x")
        axes.margins(x=0.16)
    panels[0].set_yticks(range(len(names)), list(map(shortened, names)))
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _gate_points(known: list[Gates]) -> Figure:
    figure = new_figure(9, 3.6)
    for axes, (field, title) in zip(figure.subplots(1, 3), _COUNTS, strict=True):
        predicted, counted = (
            [_middle(getattr(counts, field)) for counts in side]
            for side in ([gates.estimated for gates in known], [gates.transpiled for gates in known])
        )
        axes.scatter(counted, predicted, s=14, color=BLUE, alpha=0.6)
        most = max(1.0, *counted, *predicted)
        axes.plot([0, most], [0, most], color=GREY, linewidth=1, linestyle=":")
        axes.set_title(title)
        axes.set_xlabel("counted")
        axes.grid()
    figure.supylabel("predicted", fontsize=10)
    return figure


def plot_accuracies(results: Results) -> Figure:
    """Draw points with intervals: every model's accuracy under noise, and without noise."""
    names = model_order(results)
    figure = new_figure(7.6, 1.4 + 0.36 * len(names))
    axes = figure.subplots()
    for place, name in enumerate(names):
        model = results.measured[name]
        low, high = (100 * bound for bound in model.interval)
        colour = ORANGE if name == "global" else BLUE if model.accuracy_ideal is not None else GREY
        axes.hlines(place, low, high, color=colour, linewidth=2.2, alpha=0.75)
        axes.plot(100 * model.accuracy, place, "o", color=colour, markersize=7)
        if model.accuracy_ideal is not None:
            axes.plot(
                100 * model.accuracy_ideal, place, "o", markerfacecolor="none", markeredgecolor=colour,
                markeredgewidth=1.4, markersize=10.5,
            )  # fmt: skip
        axes.annotate(
            f"{100 * model.accuracy:.1f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            color=colour,
        )
    axes.set_yticks(range(len(names)), [model_title(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("accuracy on all classes of the test samples, %")
    axes.grid(axis="x")
    axes.plot([], [], "o-", color=INK, label="under noise, 95 % interval")
    axes.plot([], [], "o", markerfacecolor="none", markeredgecolor=INK, markersize=10, label="without noise")
    axes.plot([], [], "o-", color=GREY, label="classical")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def plot_bytes(results: Results) -> Figure:
    """Draw bytes up and down of the distillation beside those of FedAvg."""
    traffic = {"distillation": results.communication.distillation}
    if results.communication.fedavg is not None:
        traffic["FedAvg"] = results.communication.fedavg
    traffic |= {model_title(name): sent for name, sent in (results.communication.baselines or {}).items()}
    figure = new_figure(6.6, 1.3 + 0.5 * len(traffic))
    axes = figure.subplots()
    places = np.arange(len(traffic))
    for shift, label, values, colour in (
        (-0.19, "up (to the server)", [t.up for t in traffic.values()], BLUE),
        (0.19, "down (to the clients)", [t.down for t in traffic.values()], GREEN),
    ):
        bars = axes.barh(places + shift, values, height=0.36, color=colour, label=label)
        axes.bar_label(bars, [f" {value:,}".replace(",", "\u2009") for value in values], fontsize=9)
    axes.set_yticks(
        places, [f"{name}\n{t.rounds} round{'' if t.rounds == 1 else 's'}" for name, t in traffic.items()]
    )
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.set_xlabel("bytes, all clients and rounds")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace(",", "\u2009"))
    axes.grid(axis="x")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def plot_quantum_seconds(extras: ReportExtras) -> Figure:
    """Draw the predicted time on quantum computers of all that would run there."""
    rows = list(extras.quantum_seconds.items())[:MOST_ROWS]
    figure = new_figure(7.2, 1.2 + 0.36 * len(rows))
    axes = figure.subplots()
    bars = axes.barh(range(len(rows)), [seconds for _, seconds in rows], color=BLUE, height=0.6)
    axes.bar_label(bars, [f" {seconds:,.0f} s".replace(",", "\u2009") for _, seconds in rows], fontsize=9)
    axes.set_yticks(range(len(rows)), [shortened(name) for name, _ in rows])
    axes.invert_yaxis()
    axes.margins(x=0.16)
    axes.set_xlabel("predicted seconds on a quantum computer")
    axes.grid(axis="x")
    return figure


def _paired_bars(axes: Axes, predicted: list[Quantity], counted: list[Quantity]) -> None:
    places = np.arange(len(predicted))
    for shift, label, values, colour in (
        (-0.2, "predicted", predicted, BLUE),
        (0.2, "counted", counted, ORANGE),
    ):
        middle = [_middle(value) for value in values]
        axes.barh(places + shift, middle, height=0.38, color=colour, label=label)
        for place, value, length in zip(places + shift, values, middle, strict=True):
            end = length
            if isinstance(value, QuantityRange) and value.low < value.high:
                axes.hlines(place, value.low, value.high, color=INK, linewidth=1.2)
                end = value.high
            axes.annotate(
                f"{length:g}", (end, place), (3, 0), textcoords="offset points", va="center", fontsize=8
            )


def _middle(value: Quantity) -> float:
    if value is None:
        return 0.0
    return value.mid if isinstance(value, QuantityRange) else float(value)
