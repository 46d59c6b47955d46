"""The picture of a calibration: how accuracy grows with size, and what the rule grants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.estimator.calibration import MOST_GATES, CalibrationResult, Curve, TaskAssessment
from qkd_qiskit.reporting.figures import BLUE, GREY, INK, ORANGE, new_figure, picture_bytes
from qkd_qiskit.store.files import write_atomic

_COLOURS = {"fit": BLUE, "validation": ORANGE}


def write_calibration(finished: CalibrationResult, folder: Path) -> None:
    """Write `coefficients.json`, `calibration.json` and `calibration.png`.

    Raises:
        ReportingError: If a file cannot be written.
    """
    rule = finished.coefficients.model_dump(mode="json", by_alias=True)
    picture = draw_calibration(finished.curves, finished.assessments)
    for name, content in (
        ("coefficients.json", json.dumps(rule, indent=2) + "\n"),
        ("calibration.json", json.dumps(finished.to_dict(), indent=1) + "\n"),
        ("calibration.png", picture_bytes(picture, dpi=130)),
    ):
        write_atomic(folder / name, content, ReportingError)


def draw_calibration(curves: Sequence[Curve], assessments: Sequence[TaskAssessment]) -> Figure:
    """Left: lost accuracy against size. Right: granted against smallest sufficient blocks.

    Args:
        curves: Accuracy curves of the tasks.
        assessments: What a rule grants for each of them, in the same order.
    """
    figure = new_figure(10.5, 4.6)
    left, right = figure.subplots(1, 2)
    for curve in curves:
        if curve.task.backend is None:
            lost = 100 * (curve.plateau - curve.accuracy)
            left.plot(curve.blocks, lost, color=_COLOURS[curve.task.use], alpha=0.35, linewidth=1.2)
    left.axhline(1.0, color=INK, linewidth=0.8, linestyle=":")
    left.set_xscale("log")
    left.set_ylim(-0.2, 12)
    sizes = sorted({size for curve in curves for size in curve.blocks})
    ticks = [size for size in (7, 10, 15, 22, 30, 40, 52, 70) if sizes and sizes[0] <= size <= sizes[-1]]
    left.set_xticks(ticks, [str(size) for size in ticks])
    left.minorticks_off()
    left.set_xlabel("two-qubit blocks")
    left.set_ylabel("points below the best structure")
    left.set_title("accuracy against size, one line a task")

    rng = np.random.default_rng(0)
    for use, colour in _COLOURS.items():
        for limits, marker, label in ((("need", "minimum"), "o", use), (("data", "device"), "s", None)):
            chosen = [task for task in assessments if task.use == use and task.limited_by in limits]
            # Sizes are few, so that points would hide each other.
            spread = np.exp(rng.uniform(-0.04, 0.04, (2, len(chosen))))
            right.scatter(
                np.array([v.smallest for v in chosen]) * spread[0],
                np.array([v.granted for v in chosen]) * spread[1],
                c=[colour if v.sufficient else "none" for v in chosen],
                edgecolors=colour,
                marker=marker,
                s=38,
                label=label,
                zorder=3,
            )
    span = np.array([5.0, 110.0])
    right.plot(span, span, color=GREY, linewidth=1)
    right.plot(span, MOST_GATES * span, color=GREY, linewidth=1, linestyle="--")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlim(*span)
    right.set_ylim(*span)
    right.set_xticks(ticks, [str(size) for size in ticks])
    right.set_yticks(ticks, [str(size) for size in ticks])
    right.minorticks_off()
    right.set_xlabel("smallest sufficient structure, blocks")
    right.set_ylabel("granted, blocks")
    right.set_title(
        "granted against needed; squares: a bound limits;\nhollow: more than a point below", fontsize=10
    )
    right.legend(frameon=False)
    return figure
