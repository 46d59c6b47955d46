"""The picture of a sweep: one panel beside the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.evaluation import Interval
from qkd_qiskit.reporting.figures import BLUE, GREY, INK, log_scale, new_figure, picture_bytes, report_style
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.sweep.ranks import ranked_models
from qkd_qiskit.sweep.result import SweepResult, SweepRow, difference
from qkd_qiskit.sweep.settings import Panel

_HEIGHT = 4.2
#: Points of accuracy up to which an axis of differences is linear where some are far beyond, and its labels.
_NEAR = 5
_TICKS = (-50, -20, -10, -5, -2, 0, 2, 5, 10, 20, 50)


def draw_sweep(result: SweepResult) -> Figure:
    """Draw the panels of a sweep.

    Raises:
        SweepError: If the measurement is to draw a picture of its own, and has none.
    """
    panels = result.settings.panels
    if [panel.kind for panel in panels] == ["own"]:
        with report_style():
            return type(result.cells[0].measurement).draw(result)
    with report_style():
        figure = new_figure(max(7.0, 4.2 * len(panels)), _HEIGHT)
        for panel, axes in zip(panels, np.atleast_1d(figure.subplots(1, len(panels))), strict=True):
            _draw(axes, panel, result)
    return figure


def save_picture(result: SweepResult, path: Path) -> None:
    """Draw the panels of a sweep as PNG; equal results give equal files.

    Raises:
        ReportingError: If the sweep has no panel, or the file cannot be written.
    """
    if not result.settings.panels:
        raise ReportingError(f"sweep {result.settings.name}: has no picture")
    figure = draw_sweep(result)
    with report_style():
        picture = picture_bytes(figure, dpi=140)
    write_atomic(path, picture, ReportingError)


def _draw(axes: Axes, panel: Panel, result: SweepResult) -> None:
    groups = [group for group in result.groups() if group.refused is None]
    if panel.kind == "line":
        _draw_lines(axes, panel, [group for group in groups if group.name is not None])
    elif panel.kind == "columns":
        _draw_columns(axes, panel, [group for group in groups if group.name is not None])
    elif panel.kind == "bars":
        _draw_bars(axes, panel, groups)
    elif panel.kind == "ranks":
        _draw_ranks(axes, result)
    else:
        _draw_differences(axes, result, groups)
    if panel.kind not in ("differences", "ranks"):
        axes.set_ylabel(panel.y_title)
        axes.set_xlabel(panel.x_title or panel.x or "")
        if panel.y_log:
            log_scale(axes, "y")
        axes.grid(axis="y")
        axes.legend(fontsize=8)


def _draw_lines(axes: Axes, panel: Panel, groups: Sequence[SweepRow]) -> None:
    x = [float(group.labels[panel.x or ""]) for group in groups]
    for name in _names(panel, groups):
        points = np.array([_estimate(group, name) for group in groups])
        bars = [points[:, 0] - points[:, 1], points[:, 2] - points[:, 0]]
        axes.errorbar(x, points[:, 0], bars, marker="o", capsize=3, label=name.replace("_", " "))
    if panel.x_log:
        log_scale(axes, "x")
    if panel.x_falls:
        axes.invert_xaxis()


def _draw_columns(axes: Axes, panel: Panel, groups: Sequence[SweepRow]) -> None:
    names = [name for name in _names(panel, groups) if re.match(r"\d", name)]
    x = [float(name.split()[0]) for name in names]
    for group in groups:
        label = ", ".join(f"{key} {text}" for key, text in group.labels.items())
        axes.plot(x, [_estimate(group, name)[0] for name in names], "o-", label=label)
    if panel.x_log:
        log_scale(axes, "x")


def _draw_bars(axes: Axes, panel: Panel, groups: Sequence[SweepRow]) -> None:
    """Draw a group of bars for each value of the label `x`, or for each row without one."""
    names = _names(panel, groups)
    keys = [_place(group, panel.x) for group in groups]
    places = list(dict.fromkeys(place for place, _ in keys))
    series = list(dict.fromkeys((rest, name) for _, rest in keys for name in names))
    width = 0.8 / len(series)
    for number, (rest, name) in enumerate(series):
        found = {
            place: _estimate(g, name) for (place, other), g in zip(keys, groups, strict=True) if other == rest
        }
        points = np.array(list(found.values()))
        x = np.array([places.index(place) for place in found]) + (number - (len(series) - 1) / 2) * width
        bars = [points[:, 0] - points[:, 1], points[:, 2] - points[:, 0]]
        label = ", ".join(part for part in (name.replace("_", " "), rest) if part)
        axes.bar(x, points[:, 0], width, yerr=bars, label=label, error_kw={"lw": 1})
    axes.set_xticks(range(len(places)), places)
    lowest = min(_estimate(group, name)[1] for group in groups for name in names)
    axes.set_ylim(bottom=0.95 * lowest)


def _draw_differences(axes: Axes, result: SweepResult, groups: Sequence[SweepRow]) -> None:
    one = result.settings.differences[0]
    found = [(group, difference(one, group, result.groups())) for group in groups]
    points = [
        (", ".join(group.labels.values()), interval) for group, interval in found if interval is not None
    ]
    _draw_intervals(axes, points)
    axes.set_xlabel(f"{one.heading}, points of test accuracy")


def _draw_ranks(axes: Axes, result: SweepResult) -> None:
    """Draw each model's difference from the global model, the best average rank on top."""
    itself = Interval(0.0, 0.0, 0.0, 1)
    points = [
        (f"{model.name.replace('_', ' ')} ({model.rank:.1f})", model.difference or itself)
        for model in ranked_models(result.groups(), result.settings.models)
        if model.difference is not None or model.name == "global"
    ]
    assert isinstance(axes.figure, Figure)
    # A line a model needs its room.
    axes.figure.set_figheight(max(_HEIGHT, 1.0 + 0.25 * len(points)))
    _draw_intervals(axes, points)
    axes.set_ylabel("model (average rank)")
    title = "global minus this model, points of test accuracy"
    if max((abs(end) for _, found in points for end in (found.low, found.high)), default=0) > 2 * _NEAR / 100:
        title = f"{title}; logarithmic beyond {_NEAR}"
        axes.set_xscale("symlog", linthresh=_NEAR, linscale=1.5)
        low, high = axes.get_xlim()
        axes.set_xticks([tick for tick in _TICKS if low <= tick <= high])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    axes.set_xlabel(title)


def _draw_intervals(axes: Axes, points: Sequence[tuple[str, Interval]]) -> None:
    """Draw shares with their intervals in points, one below the other."""
    middle = np.array([100 * interval.value for _, interval in points])
    ends = np.array([[100 * interval.low, 100 * interval.high] for _, interval in points]).reshape(-1, 2)
    bars = [middle - ends[:, 0], ends[:, 1] - middle]
    axes.errorbar(middle, range(len(points)), xerr=bars, fmt="o", color=BLUE, ecolor=GREY)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_yticks(range(len(points)), [label for label, _ in points])
    axes.invert_yaxis()
    axes.grid(axis="x")


def _names(panel: Panel, groups: Sequence[SweepRow]) -> tuple[str, ...]:
    """Return what is drawn: what the panel names, as far as it was measured, or all models."""
    measured = {
        name for group in groups for record in group.records for name in (*record.right, *record.values)
    }
    if panel.names:
        return tuple(name for name in panel.names if name in measured)
    return tuple(groups[0].records[0].right) if groups else ()


def _place(group: SweepRow, x: str | None) -> tuple[str, str]:
    """Return the text of the label `x`, and that of the other labels."""
    if x is None:
        return ", ".join(group.labels.values()), ""
    return group.labels[x], ", ".join(f"{k} {text}" for k, text in group.labels.items() if k != x)


def _estimate(group: SweepRow, name: str) -> tuple[float, float, float]:
    """Return an accuracy in percent with its interval, or the mean of a value and one spread about it."""
    if name in group.records[0].right:
        found = group.accuracy(name)
        return 100 * found.value, 100 * found.low, 100 * found.high
    seeds = group.by_seed(name)
    middle = float(np.mean(seeds))
    spread = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else 0.0
    return middle, middle - spread, middle + spread
