"""Reliability of probabilities: how often answers are right, against how sure they were."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qkd_qiskit.reporting.extras import Answers, ReportExtras
from qkd_qiskit.reporting.figures import BLUE, GREY, ORANGE, new_figure, shortened

_BINS = 10
# Probabilities that differ by less are drawn as one curve.
_ALIKE = 2e-3


def plot_reliability(extras: ReportExtras) -> Figure:
    """Draw one panel for each thing that was calibrated: right answers by bin of probability."""
    figure = new_figure(4.1 * len(extras.reliability) + 0.4, 4.2)
    panels = figure.subplots(1, len(extras.reliability), squeeze=False).ravel()
    for axes, (title, (before, after)) in zip(panels, extras.reliability.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="as sure as right")
        gaps = f"gap {after.gap:.3f}, the same before"
        if before.sure.shape != after.sure.shape or (np.abs(before.sure - after.sure) > _ALIKE).any():
            _draw(axes, before, BLUE, "o--", "before")
            gaps = f"gap {before.gap:.3f} before, {after.gap:.3f} after"
        _draw(axes, after, ORANGE, "s-", "as used")
        axes.set_title(f"{shortened(title)}\n{gaps}", fontsize=10)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.set_aspect("equal")
        axes.set_xlabel("probability of the answer")
        axes.grid()
    panels[0].set_ylabel("share of right answers")
    shown: dict[str, Any] = {}
    for axes in panels:
        shown |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3)
    return figure


def _draw(axes: Axes, answers: Answers, colour: str, style: str, label: str) -> None:
    bins = np.minimum((_BINS * answers.sure).astype(np.int64), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    full = counts > 0
    sure, right = (
        np.bincount(bins, weights=values.astype(np.float64), minlength=_BINS)[full] / counts[full]
        for values in (answers.sure, answers.right)
    )
    axes.plot(sure, right, style, color=colour, markersize=4, label=label)
    # Bins with few answers say little: the size of a point tells how many there are.
    axes.scatter(sure, right, s=8 + 160 * counts[full] / max(counts.sum(), 1), color=colour, alpha=0.35)
