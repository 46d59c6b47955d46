"""Pictures of the swarm studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from qkd_qiskit.reporting.figures import BLUE, GREEN, GREY, INK, ORANGE, new_figure, report_style


def save_plot(figure: Figure, path: Path) -> None:
    """Save a figure as PNG; equal figures give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with report_style():
        figure.savefig(path, format="png", dpi=110, metadata={"Software": None})


def plot_hard_pairs(rows: Sequence[dict[str, Any]]) -> Figure:
    """Bars of test accuracy for each pair: circuit without and with noise, and the classical models."""
    pairs = list(dict.fromkeys(row["pair"] for row in rows))
    noises = list(dict.fromkeys(row["noise"] for row in rows))
    series = [
        (f"circuit, noise: {noise}", colour, [_of(rows, pair, noise) for pair in pairs], "accuracy")
        for noise, colour in zip(noises, (BLUE, ORANGE), strict=False)
    ]
    ideal = [_of(rows, pair, noises[0]) for pair in pairs]
    series += [
        ("logistic regression", GREY, ideal, "logistic_regression"),
        ("RBF support vector machine", GREEN, ideal, "rbf_svm"),
    ]
    with report_style():
        figure = new_figure(8, 3.6)
        axes = figure.subplots()
        width = 0.8 / len(series)
        places = np.arange(len(pairs))
        for number, (label, colour, found, key) in enumerate(series):
            axes.bar(
                places + (number - (len(series) - 1) / 2) * width,
                [100 * row[key] for row in found],
                width,
                yerr=[100 * (row[f"{key}_spread"] or 0.0) for row in found],
                color=colour,
                label=label,
                error_kw={"lw": 1},
            )
        axes.set_xticks(places, pairs)
        axes.set_ylim(88, 100)
        axes.set_ylabel("test accuracy, %")
        axes.grid(axis="y")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def plot_all_pairs(rows: Sequence[dict[str, Any]]) -> Figure:
    """The test accuracy of every pair as a triangle of numbers."""
    with report_style():
        figure = new_figure(6.4, 5.4)
        axes = figure.subplots()
        grid = np.full((10, 10), np.nan)
        for row in rows:
            if row["pair"] != "mean":
                low, high = map(int, row["pair"].split("/"))
                grid[high, low] = 100 * row["accuracy"]
        image = axes.imshow(grid, cmap="viridis", vmin=93, vmax=100)
        for high, low in np.argwhere(~np.isnan(grid)):
            colour = "white" if grid[high, low] < 97.5 else INK
            axes.text(low, high, f"{grid[high, low]:.1f}", ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(range(9))
        axes.set_yticks(range(1, 10))
        axes.set_xlim(-0.5, 8.5)
        axes.set_ylim(9.5, 0.5)
        axes.set_xlabel("digit")
        axes.set_ylabel("digit")
        figure.colorbar(image, ax=axes, label="test accuracy, %")
    return figure


def plot_against_presets(rows: Sequence[dict[str, Any]]) -> Figure:
    """Difference of the searched kernel's and the preset's accuracy, with intervals."""
    with report_style():
        figure = new_figure(6, 4)
        axes = figure.subplots()
        places = np.arange(len(rows))
        middle = np.array([100 * row["difference"] for row in rows])
        ends = 100 * np.array([row["interval"] for row in rows])
        axes.errorbar(
            middle,
            places,
            xerr=[middle - ends[:, 0], ends[:, 1] - middle],
            fmt="o",
            color=BLUE,
            ecolor=GREY,
        )
        axes.axvline(0, color=INK, lw=0.8)
        axes.set_yticks(places, [row["pair"] for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="x")
        axes.set_xlabel("searched kernel minus preset, points of test accuracy")
    return figure


def plot_search(record: dict[str, Any]) -> Figure:
    """One structure search: fitness of every kernel that was tried, and the best so far."""
    with report_style():
        figure = new_figure(6, 3.4)
        axes = figure.subplots()
        fitness = np.array(record["fitness"])
        gates = np.array(record["two_qubit"])
        points = axes.scatter(np.arange(1, len(fitness) + 1), fitness, c=gates, cmap="viridis", s=18)
        axes.step(np.arange(1, len(fitness) + 1), np.minimum.accumulate(fitness), color=ORANGE, where="post")
        axes.set_xlabel("kernels tried")
        axes.set_ylabel("fitness")
        axes.grid(axis="y")
        figure.colorbar(points, ax=axes, label="native two-qubit gates")
    return figure


def _of(rows: Sequence[dict[str, Any]], pair: str, noise: str) -> dict[str, Any]:
    return next(row for row in rows if (row["pair"], row["noise"]) == (pair, noise))
