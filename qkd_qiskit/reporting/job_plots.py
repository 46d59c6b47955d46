"""Pictures of what a device counted."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.reporting.figures import BLUE, GREEN, GREY, ORANGE, new_figure, report_style

_COLOURS = {"raw": BLUE, "mitigated": ORANGE, "ideal": GREY}


def plot_counts(
    probabilities: Mapping[str, NDArray[np.float64]],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    accuracies: Mapping[str, float],
    *,
    title: str,
    shots: int,
) -> bytes:
    """Bars of the mean share of every outcome, one panel a true class, raw beside mitigated and ideal.

    Args:
        probabilities: Outcome probabilities [n, 2^m] by kind.
        labels: Class indices [n].
        classes: Names of the classes.
        accuracies: Accuracy by kind, for the legend.
        title: Heading.
        shots: Shots of each sample.

    Returns:
        A PNG image.
    """
    present = [number for number in range(len(classes)) if (labels == number).any()]
    n_outcomes = next(iter(probabilities.values())).shape[1]
    n_bits = max(1, (n_outcomes - 1).bit_length())
    bits = (format(k, f"0{n_bits}b") for k in range(n_outcomes))
    ticks = [f"{text}\n{classes[k] if k < len(classes) else '-'}" for k, text in enumerate(bits)]
    width = 0.8 / len(probabilities)
    with report_style():
        figure = new_figure(1.2 + 2.3 * len(present), 3.4)
        panels = figure.subplots(1, len(present), sharey=True, squeeze=False)[0]
        for axes, number in zip(panels, present, strict=True):
            rows = labels == number
            for place, (kind, table) in enumerate(probabilities.items()):
                offset = (place - (len(probabilities) - 1) / 2) * width
                axes.bar(
                    np.arange(n_outcomes) + offset,
                    table[rows].mean(axis=0) * shots,
                    width,
                    color=_COLOURS.get(kind, GREEN),
                    label=f"{kind}: accuracy {accuracies[kind]:.1%}",
                )
            axes.set_title(f"class {classes[number]} ({int(rows.sum())} samples)")
            axes.set_xticks(range(n_outcomes), ticks)
            axes.set_xlabel("meas, class")
            axes.grid(axis="y")
        panels[0].set_ylabel(f"mean counts of {shots} shots")
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(probabilities)
        )
        figure.suptitle(title)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
