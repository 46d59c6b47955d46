"""The picture of a calibration of probes: granted against needed, the rule's and the probes'."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.estimator.calibration import ProbeAssessment, ProbeCalibration
from qkd_qiskit.reporting.figures import BLUE, GREY, ORANGE, new_figure, picture_bytes
from qkd_qiskit.store.files import write_atomic

_SPAN = (5.5, 140.0)
_TICKS = (7, 10, 15, 22, 30, 40, 52, 70, 100)


def write_probe_calibration(finished: ProbeCalibration, folder: Path) -> None:
    """Write `probe_model.json`, `probes.json` and `probes.png`.

    Raises:
        ReportingError: If a file cannot be written.
    """
    model = finished.model.model_dump(mode="json")
    fresh = [a for a in finished.assessments if a.use == "confirmation"]
    groups = {"each source of data left out": [a for a in finished.assessments if a not in fresh]}
    picture = draw_probes({**groups, "confirmation": fresh} if fresh else groups)
    for name, content in (
        ("probe_model.json", json.dumps(model, indent=2) + "\n"),
        ("probes.json", json.dumps(finished.to_dict(), indent=1) + "\n"),
        ("probes.png", picture_bytes(picture, dpi=130)),
    ):
        write_atomic(folder / name, content, ReportingError)


def draw_probes(groups: Mapping[str, Sequence[ProbeAssessment]]) -> Figure:
    """Draw granted against needed blocks of the tasks of each group, and the intervals of the last by name.

    Args:
        groups: Assessments by heading.
    """
    named = list(groups.values())[-1]
    figure = new_figure(4.4 * len(groups) + 6.0, max(4.8, 0.21 * len(named) + 1.2))
    *left, right = figure.subplots(1, len(groups) + 1, width_ratios=(*(1.0 for _ in groups), 1.15))
    for axes, (title, assessments) in zip(left, groups.items(), strict=True):
        _scatter(axes, assessments)
        axes.set_title(f"{title}: {len(assessments)} tasks", fontsize=10)
    left[0].set_ylabel("granted, blocks")
    left[0].legend(frameon=False, title="hollow: more than a point below", title_fontsize=8)
    for row, a in enumerate(reversed(named)):
        right.plot(a.interval, (row, row), color=BLUE, linewidth=3, alpha=0.3, solid_capstyle="butt")
        right.scatter(a.rule, row, c=GREY, s=22, zorder=3)
        right.scatter(a.probes, row, c=BLUE, s=22, zorder=4)
        right.scatter(a.needed, row, marker="|", c=ORANGE, s=90, zorder=5)
    right.set_yticks(range(len(named)), [a.task for a in reversed(named)], fontsize=7)
    right.set_xlabel("blocks; bar: the probes' 90 % interval, orange: needed", fontsize=9)
    for axis in (right.xaxis, *(axis for axes in left for axis in (axes.xaxis, axes.yaxis))):
        axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": _SPAN})
        axis.set_ticks(_TICKS, [str(size) for size in _TICKS])
        axis.set_ticks([], minor=True)
    return figure


def _scatter(axes: Axes, assessments: Sequence[ProbeAssessment]) -> None:
    rng = np.random.default_rng(0)
    for label, colour, granted, enough in (
        ("rule", GREY, [a.rule for a in assessments], [a.rule_sufficient for a in assessments]),
        ("probes", BLUE, [a.probes for a in assessments], [a.sufficient for a in assessments]),
    ):
        # Sizes are few, so that points would hide each other.
        spread = np.exp(rng.uniform(-0.08, 0.08, (2, len(assessments))))
        axes.scatter(
            np.array([a.needed for a in assessments]) * spread[0],
            np.array(granted) * spread[1],
            c=[colour if sufficient else "none" for sufficient in enough],
            edgecolors=colour,
            s=26,
            label=label,
            zorder=3,
        )
    axes.plot(_SPAN, _SPAN, color=GREY, linewidth=1)
    axes.plot(_SPAN, 1.6 * np.array(_SPAN), color=GREY, linewidth=1, linestyle="--")
    axes.set_xlabel("smallest sufficient size, blocks")
