"""Confusion matrices: of the global model, and of each client, with the recall of every class."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from qkd_qiskit.reporting.curves import MOST_PANELS
from qkd_qiskit.reporting.extras import ReportExtras
from qkd_qiskit.reporting.figures import BLUE, GREY, INK, new_figure, shortened

#: Most classes whose names, and whose numbers, a matrix has room for.
_MOST_NAMES, _MOST_NUMBERS = 30, 12
_WIDEST = 9.0


def recalls(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each true class that was found, [K]; NaN for a class without samples."""
    total = confusion.sum(axis=1)
    return np.where(total > 0, np.diag(confusion) / np.maximum(total, 1), np.nan)


def plot_confusion(extras: ReportExtras) -> Figure:
    """Draw true against predicted classes of the global model, and beside it the recall of each class."""
    size = len(extras.classes)
    confusion = np.zeros((size, size), dtype=np.int64) if extras.confusion is None else extras.confusion
    side = min(2.2 + 0.46 * size, _WIDEST)
    figure = new_figure(side + 2.4, side)
    left, right = figure.subplots(1, 2, width_ratios=(max(side - 1.2, 1.0), 1.6))
    image = _matrix(left, confusion, extras.classes)
    left.set_xlabel("predicted class")
    left.set_ylabel("true class")
    figure.colorbar(image, ax=left, label="share of the true class", shrink=0.85)
    found = recalls(confusion)
    right.barh(range(size), 100 * np.nan_to_num(found), color=BLUE, height=0.7)
    if size <= _MOST_NAMES:
        for place, share in enumerate(found):
            told = "no samples" if np.isnan(share) else f"{100 * share:.1f}"
            right.annotate(told, (2, place), va="center", fontsize=8, color=GREY if np.isnan(share) else "w")
    right.set_xlim(0, 100)
    right.set_ylim(size - 0.5, -0.5)
    right.set_yticks([])
    right.set_xlabel("recall, %")
    return figure


def plot_client_confusions(extras: ReportExtras) -> Figure:
    """Draw one matrix a client, with its mean recall over the classes that it holds."""
    drawn = list(extras.client_confusions.items())[:MOST_PANELS]
    columns = min(4 if len(extras.classes) <= 6 else 3, len(drawn)) or 1
    rows = math.ceil(len(drawn) / columns) or 1
    figure = new_figure(2.5 * columns + 0.9, 2.6 * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    image = None
    for axes, (name, confusion) in zip(panels, drawn, strict=False):
        image = _matrix(axes, confusion, extras.classes)
        counts = np.asarray(extras.class_counts.get(name, np.ones(len(extras.classes))))
        own, others = (_mean(recalls(confusion)[held]) for held in (counts > 0, counts == 0))
        axes.set_title(f"{shortened(name)}\nrecall own {own}, others {others}", fontsize=8)
        # What a client has never seen cannot be expected of it.
        for place in np.flatnonzero(counts == 0):
            axes.axhspan(place - 0.5, place + 0.5, facecolor="none", edgecolor="#9AA0A680", hatch="//", lw=0)
    for axes in panels[len(drawn) :]:
        axes.set_axis_off()
    figure.supxlabel("predicted class", fontsize=10)
    figure.supylabel("true class", fontsize=10)
    if image is not None:
        figure.colorbar(image, ax=panels.tolist(), label="share of the true class", shrink=0.7)
    return figure


def _mean(shares: NDArray[np.float64]) -> str:
    known = shares[~np.isnan(shares)]
    return f"{100 * known.mean():.0f} %" if len(known) else "-"


def _matrix(axes: Axes, confusion: NDArray[np.int64], classes: tuple[str, ...]) -> AxesImage:
    size = len(classes)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(size, size) if size <= _MOST_NUMBERS else ():
        axes.text(
            column, row, str(confusion[row, column]), ha="center", va="center",
            fontsize=8 if size <= 6 else 6, color="white" if shares[row, column] > 0.55 else INK,
        )  # fmt: skip
    places = range(size) if size <= _MOST_NAMES else ()
    labels = [shortened(classes[place]) for place in places]
    long = any(len(label) > 3 for label in labels)
    axes.set_xticks(places, labels, rotation=90 if long else 0, fontsize=8)
    axes.set_yticks(places, labels, fontsize=8)
    axes.spines[:].set_visible(False)
    return image
