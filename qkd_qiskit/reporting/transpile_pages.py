"""Transpile reports as Markdown pages for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from qkd_qiskit.reporting.transpile_schema import CountedStructure, CountRange, DeviceReport, StructureRow

_COMMAND = "qkd-qiskit transpile --reports transpile_reports"


def device_page(report: DeviceReport) -> str:
    """Return one device's report: a table of all structures, and what each line of it stands for."""
    seeds = report.rows[0].seeds
    lines = [
        f"# {report.device}",
        "",
        f"{report.description}. Calibration: {report.source}, {_date(report)}.",
        *(f"{note}" for note in report.notes),
        "",
        f"Predicted in closed form, then counted on the circuit that Qiskit's level 3 gives "
        f"({_versions(report)}; transpiler seeds {_list(seeds)}). One-qubit gates, depth, ESP and "
        f"duration are those of seed {seeds[0]}.",
        "",
        *_table(
            (
                "no.",
                "two-qubit gates: predicted",
                "counted, by seed",
                "error",
                "one-qubit: predicted",
                "counted",
                "depth: predicted",
                "counted",
                "ESP: predicted",
                "counted",
                "duration: predicted",
                "counted",
            ),
            (_device_cells(number, row) for number, row in enumerate(report.rows, 1)),
        ),
        "",
        "The error is (predicted - counted) / counted two-qubit gates. Depth is that of two-qubit gates. The "
        "ESP is the product of (1 - error) over all gates and measurements, and of what idle qubits keep.",
        "",
        "## Structures",
        "",
        *(_structure(number, row) for number, row in enumerate(report.rows, 1)),
        "",
    ]
    lines += _routing(report.counted)
    lines += _preparation(report.counted)
    return "\n".join([*lines, f"Made by `{_COMMAND}`.", ""])


def overview_page(reports: Sequence[DeviceReport]) -> str:
    """Return all devices in one table: how well the predictions hold on each."""
    return "\n".join(
        [
            "# Transpile reports",
            "",
            "Every shipped device against every structure that the shipped experiments use, and some "
            "reference structures: native gates predicted without the transpiler, and counted after it. Fake "
            "backends carry one day's calibration: a best case for the real machine.",
            "",
            *_table(
                (
                    "device",
                    "calibration",
                    "structures",
                    "exact two-qubit predictions that hold on all seeds",
                    "others within their range",
                    "median error: one-qubit",
                    "depth",
                    "ESP",
                    "duration",
                ),
                (_overview_cells(report) for report in reports),
            ),
            "",
            "Errors are medians of |predicted - counted| / counted. JSON files hold all figures, also those "
            "that the pages leave out.",
            "",
            f"Versions: {_versions(reports[0])}. Regenerate with `{_COMMAND}`; a test fails when the "
            "reports are stale.",
            "",
        ]
    )


def _device_cells(number: int, row: StructureRow) -> list[str]:
    if not isinstance(row, CountedStructure):
        return [str(number), "does not fit", *["-"] * 10]
    before, after, error = row.predicted, row.counted, row.relative_error.two_qubit
    span = before.two_qubit_range
    return [
        str(number),
        str(before.two_qubit) + (f" ({span.low} to {span.high})" if span else ""),
        _list(row.two_qubit_by_seed),
        "0" if error == 0 else f"{100 * error:+.1f} %",
        _range(before.one_qubit),
        _range(after.one_qubit),
        str(before.two_qubit_depth),
        str(after.two_qubit_depth),
        f"{before.esp:.3f}",
        f"{after.esp:.3f}",
        f"{1e6 * before.duration:.2f} µs",
        f"{1e6 * after.duration:.2f} µs",
    ]


def _overview_cells(report: DeviceReport) -> list[str]:
    rows = report.counted
    exact = [row for row in rows if row.exact]
    others = [row for row in rows if not row.exact]
    errors = [row.relative_error for row in rows]
    medians = (
        median(abs(error.one_qubit) for error in errors),
        median(abs(error.two_qubit_depth) for error in errors),
        median(abs(error.esp) for error in errors),
        median(abs(error.duration) for error in errors),
    )
    return [
        f"[{report.device}]({report.device}.md)",
        _date(report),
        str(len(rows)),
        f"{sum(row.holds for row in exact)} of {len(exact)}",
        f"{sum(row.holds for row in others)} of {len(others)}",
        *(f"{100 * value:.1f} %" for value in medians),
    ]


def _structure(number: int, row: StructureRow) -> str:
    why = "" if row.refused is None else f" {row.refused}."
    return f"{number}. {row.structure}. Used by {_list(row.used_by)}.{why}"


def _routing(rows: Sequence[CountedStructure]) -> list[str]:
    """Return what our own routes save against level 3's."""
    lines: list[str] = []
    for row in rows:
        if row.level_3_by_seed is not None:
            saved = sum(row.level_3_by_seed) - sum(row.two_qubit_by_seed)
            lines.append(
                f"- {row.structure}: {_list(row.two_qubit_by_seed)} two-qubit gates by seed; level 3's "
                f"own layout and routing take {_list(row.level_3_by_seed)}, so "
                f"{saved / len(row.seeds):.1f} are saved on average."
            )
    return ["## Routing saved", "", *lines, ""] if lines else []


def _preparation(rows: Sequence[CountedStructure]) -> list[str]:
    lines = [
        f"- {row.structure}: {prepared.two_qubit} two-qubit gates, depth "
        f"{prepared.two_qubit_depth}, ESP {prepared.esp:.3g}, before the circuit itself starts."
        for row in rows
        for prepared in [row.state_preparation]
        if prepared is not None
    ]
    if not lines:
        return []
    return [
        "## State preparation",
        "",
        "Amplitude encoding enters a simulation as an ideal state. Here a generic state would take:",
        "",
        *lines,
        "",
    ]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _range(value: int | CountRange) -> str:
    return f"{value.mid} ({value.low} to {value.high})" if isinstance(value, CountRange) else str(value)


def _list(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _versions(report: DeviceReport) -> str:
    return ", ".join(f"{name} {number}" for name, number in report.versions.items())


def _date(report: DeviceReport) -> str:
    return "made up" if report.calibration_date is None else report.calibration_date[:10]
