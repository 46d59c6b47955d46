"""The pictures of a result: each function draws one figure from checked results and extras."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qkd_qiskit.evaluation import model_title
from qkd_qiskit.evaluation.results import Quantity, QuantityRange, Results
from qkd_qiskit.reporting.extras import ReportExtras, TrainingCurve
from qkd_qiskit.reporting.figures import BLUE, CLASS_COLOURS, GREEN, GREY, INK, ORANGE, new_figure
from qkd_qiskit.reporting.table import model_order
from qkd_qiskit.text import printable

#: Most characters of a name in a picture: a longer one would leave no room for what is drawn.
_LONGEST_NAME = 32


def _short(name: str) -> str:
    return printable(name, _LONGEST_NAME)


def plot_class_mix(results: Results, extras: ReportExtras) -> Figure:
    """Draw stacked bars: how many samples of each class every client holds."""
    names = list(extras.class_counts)
    counts = np.array([extras.class_counts[name] for name in names]).reshape(len(names), -1)
    figure = new_figure(7.2, 1.2 + 0.5 * len(names))
    axes = figure.subplots()
    left = np.zeros(len(names))
    widest = max(1, int(counts.sum(axis=1).max(initial=0)))
    for place, label in enumerate(extras.classes):
        colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
        bars = axes.barh(names, counts[:, place], left=left, color=colour, label=_short(label), height=0.62)
        # A number that does not fit into its segment would run into the next one.
        texts = [str(n) if n > 0.05 * widest else "" for n in counts[:, place]]
        axes.bar_label(bars, texts, label_type="center", color="white", fontsize=8)
        left += counts[:, place]
    devices = {client.name: client.backend for client in results.clients}
    ticks = [f"{_short(name)}\n{_short(devices.get(name) or '')}".rstrip() for name in names]
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


def plot_gates(results: Results) -> Figure:
    """Draw predicted beside counted native gates of every client, in three panels."""
    known = {client.name: client.gates for client in results.clients if client.gates is not None}
    names = list(known)
    figure = new_figure(9, 1.7 + 0.42 * len(names))
    panels = figure.subplots(1, 3, sharey=True)
    for axes, field, title in zip(
        panels,
        ("two_qubit", "one_qubit", "two_qubit_depth"),
        ("two-qubit gates", "one-qubit gates", "two-qubit depth"),
        strict=True,
    ):
        predicted = [getattr(gates.estimated, field) for gates in known.values()]
        counted = [getattr(gates.transpiled, field) for gates in known.values()]
        _paired_bars(axes, predicted, counted)
        axes.set_title(title)
        axes.grid(axis="x")
        axes.margins(x=0.16)
    panels[0].set_yticks(range(len(names)), list(map(_short, names)))
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def plot_training(extras: ReportExtras) -> Figure:
    """Draw one panel a model: the best loss of a swarm where there is one, then the refinement's loss."""
    histories = {name: curve for name, curve in extras.histories.items() if curve.swarm or curve.refine}
    columns = min(3, len(histories)) or 1
    rows = math.ceil(len(histories) / columns) or 1
    figure = new_figure(3 * columns + 0.6, 2.1 * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, curve) in zip(panels, histories.items(), strict=False):
        _curve(axes, curve)
        axes.set_title(_short(model_title(name)))
    for axes in panels[len(histories) :]:
        axes.set_axis_off()
    if histories:
        figure.supxlabel("iteration", fontsize=10)
        figure.supylabel("training loss", fontsize=10)
        handles = {
            label: handle
            for axes in panels
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=2)
    return figure


def plot_confusion(extras: ReportExtras) -> Figure:
    """Draw true against predicted classes of the global model; colours are shares of a row."""
    size = len(extras.classes)
    confusion = np.zeros((size, size), dtype=np.int64) if extras.confusion is None else extras.confusion
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.46 * size
    figure = new_figure(side + 0.7, side)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(size):
        for column in range(size):
            axes.text(
                column, row, str(confusion[row, column]), ha="center", va="center",
                fontsize=9 if size <= 6 else 7, color="white" if shares[row, column] > 0.55 else INK,
            )  # fmt: skip
    labels = list(map(_short, extras.classes))
    axes.set_xticks(range(size), labels)
    axes.set_yticks(range(size), labels)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.85)
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
    axes.ticklabel_format(axis="x", style="plain")
    axes.grid(axis="x")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
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


def _curve(axes: Axes, curve: TrainingCurve) -> None:
    swarm, refine = list(curve.swarm), list(curve.refine)
    # The refinement starts where the swarm ended.
    start = max(len(swarm) - 1, 0)
    if len(swarm) > 1:
        axes.plot(range(len(swarm)), swarm, color=BLUE, label="particle swarm")
    axes.plot(range(start, start + len(refine)), refine, color=ORANGE, label="gradient refinement")
    moved, refined = curve.noiseless
    if moved or refined:
        end = start + refined if refined else moved
        axes.axvspan(-0.5, end - 0.5, color=BLUE, alpha=0.08, lw=0, label="without noise")
    axes.grid()
    axes.set_ylim(bottom=0)
