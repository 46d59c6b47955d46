"""The picture of a calibration of probes: granted against needed, the rule's and the probes'."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.estimator.calibration import ProbeAssessment, ProbeCalibration
from qkd_qiskit.reporting.figures import BLUE, GREY, ORANGE, new_figure, picture_bytes
from qkd_qiskit.store.files import write_atomic

_TICKS = (7, 10, 15, 22, 30, 40, 52, 70, 100)


def write_probe_calibration(finished: ProbeCalibration, folder: Path) -> None:
    """Write `probe_model.json`, `probes.json` and `probes.png`.

    Raises:
        ReportingError: If a file cannot be written.
    """
    model = finished.model.model_dump(mode="json")
    picture = draw_probes([a for a in finished.assessments if a.use == "validation"])
    for name, content in (
        ("probe_model.json", json.dumps(model, indent=2) + "\n"),
        ("probes.json", json.dumps(finished.to_dict(), indent=1) + "\n"),
        ("probes.png", picture_bytes(picture, dpi=130)),
    ):
        write_atomic(folder / name, content, ReportingError)


def draw_probes(assessments: Sequence[ProbeAssessment]) -> Figure:
    """Left: granted against needed blocks of each task. Right: each task's interval, rule and probes by name.

    Args:
        assessments: Of the tasks that are shown.
    """
    figure = new_figure(11.5, max(4.8, 0.21 * len(assessments) + 1.2))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    rng = np.random.default_rng(0)
    for label, colour, granted, enough in (
        ("rule", GREY, [a.rule for a in assessments], [a.rule_sufficient for a in assessments]),
        ("probes", BLUE, [a.probes for a in assessments], [a.sufficient for a in assessments]),
    ):
        # Sizes are few, so that points would hide each other.
        spread = np.exp(rng.uniform(-0.05, 0.05, (2, len(assessments))))
        left.scatter(
            np.array([a.needed for a in assessments]) * spread[0],
            np.array(granted) * spread[1],
            c=[colour if sufficient else "none" for sufficient in enough],
            edgecolors=colour,
            s=38,
            label=label,
            zorder=3,
        )
    span = np.array([5.5, 140.0])
    left.plot(span, span, color=GREY, linewidth=1)
    left.plot(span, 1.6 * span, color=GREY, linewidth=1, linestyle="--")
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": tuple(span)})
        axis.set_ticks(_TICKS, [str(size) for size in _TICKS])
        axis.set_ticks([], minor=True)
    left.set_xlabel("smallest sufficient size, blocks")
    left.set_ylabel("granted, blocks")
    left.set_title("tasks left out; hollow: more than a point below", fontsize=10)
    left.legend(frameon=False)
    for row, a in enumerate(reversed(assessments)):
        right.plot(a.interval, (row, row), color=BLUE, linewidth=3, alpha=0.3, solid_capstyle="butt")
        right.scatter(a.rule, row, c=GREY, s=22, zorder=3)
        right.scatter(a.probes, row, c=BLUE, s=22, zorder=4)
        right.scatter(a.needed, row, marker="|", c=ORANGE, s=90, zorder=5)
    right.set_yticks(range(len(assessments)), [a.task for a in reversed(assessments)], fontsize=7)
    right.set_xlabel("blocks; bar: the probes' 90 % interval, orange: needed", fontsize=9)
    return figure
