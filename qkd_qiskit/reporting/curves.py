"""Learning curves: of every trained model by iteration, of those that share parameters by round."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from qkd_qiskit.evaluation import COMPARED, model_title
from qkd_qiskit.reporting.extras import ReportExtras, RoundsCurve, TrainingCurve
from qkd_qiskit.reporting.figures import BLUE, GREEN, ORANGE, new_figure, shortened

#: Most panels of one picture, and most points of one line.
MOST_PANELS, _MOST_POINTS = 24, 500
_T = TypeVar("_T", TrainingCurve, RoundsCurve)


def drawn_curves(curves: Mapping[str, _T]) -> dict[str, _T]:
    """Return those that have a panel: models of the server first where there are too many clients."""
    known = {name: curve for name, curve in curves.items() if has_points(curve)}
    if len(known) <= MOST_PANELS:
        return known
    server = {model.name for model in COMPARED}
    ranked = sorted(known, key=lambda name: name not in server)
    return {name: known[name] for name in ranked[:MOST_PANELS]}


def plot_training(extras: ReportExtras) -> Figure:
    """Draw one panel a model: the best loss of a swarm where there is one, then the refinement's."""
    return _panels(
        drawn_curves(extras.histories), _draw_training, ("iteration or stretch of steps", "training loss")
    )


def plot_rounds(extras: ReportExtras) -> Figure:
    """Draw one panel a model that shares parameters: losses by round, and the round that was kept."""
    return _panels(drawn_curves(extras.rounds), _draw_rounds, ("round", "loss"))


def has_points(curve: TrainingCurve | RoundsCurve) -> bool:
    """Return whether there is anything to draw."""
    if isinstance(curve, RoundsCurve):
        return len(curve.clients) > 0
    return len(curve.swarm) + len(curve.refine) > 0


def _panels(curves: Mapping[str, _T], draw: Callable[[Axes, _T], None], labels: tuple[str, str]) -> Figure:
    columns = min(3, len(curves)) or 1
    rows = math.ceil(len(curves) / columns) or 1
    # Narrower, the legend would be cut.
    figure = new_figure(max(3 * columns + 0.6, 6.0), max(2.1 * rows + 0.5, 3.2))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, curve) in zip(panels, curves.items(), strict=False):
        draw(axes, curve)
        axes.grid()
        axes.set_ylim(bottom=0)
        axes.set_title(shortened(model_title(name)))
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    if curves:
        figure.supxlabel(labels[0], fontsize=10)
        figure.supylabel(labels[1], fontsize=10)
        handles = {
            label: handle
            for axes in panels
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=3)
    return figure


def _draw_training(axes: Axes, curve: TrainingCurve) -> None:
    swarm, refine = list(curve.swarm), list(curve.refine)
    # The refinement starts where the swarm ended.
    start = max(len(swarm) - 1, 0)
    if len(swarm) > 1:
        axes.plot(*_thinned(swarm), color=BLUE, linestyle="--", label="particle swarm")
    axes.plot(*_thinned(refine, start), color=ORANGE, label="gradient refinement")
    moved, refined = curve.noiseless
    if moved or refined:
        end = start + refined if refined else moved
        axes.axvspan(-0.5, end - 0.5, color=BLUE, alpha=0.08, lw=0, label="without noise")


def _draw_rounds(axes: Axes, curve: RoundsCurve) -> None:
    axes.plot(*_thinned(curve.clients), color=BLUE, marker="o", markersize=3, label="clients' own samples")
    if len(curve.server):
        axes.plot(
            *_thinned(curve.server), color=ORANGE, linestyle="--", marker="s", markersize=3,
            label="the server's own labels",
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.axvline(curve.kept, color=GREEN, linewidth=1.2, linestyle=":", label="kept")


def _thinned(values: Sequence[float], start: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return at most `_MOST_POINTS` of the values, with their places."""
    places = np.unique(np.linspace(0, max(len(values) - 1, 0), _MOST_POINTS).astype(np.int64))[: len(values)]
    return start + places, np.asarray(values, dtype=np.float64)[places]
