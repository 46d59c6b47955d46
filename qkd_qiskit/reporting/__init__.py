"""Results as JSON, as tables in the terminal, and as one self-contained HTML page.

The public names are imported when they are first used: a table on the terminal needs no pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

if TYPE_CHECKING:
    from qkd_qiskit.reporting.circuits import draw_circuit, overview_circuit
    from qkd_qiskit.reporting.extras import ReportExtras, TrainingCurve
    from qkd_qiskit.reporting.html import render_report, write_report
    from qkd_qiskit.reporting.results import check_results, read_results, write_json, write_results
    from qkd_qiskit.reporting.table import (
        clients_table,
        models_table,
        print_results,
        records_table,
        rows_table,
    )

_HOMES = {
    "ReportExtras": "extras",
    "TrainingCurve": "extras",
    "check_results": "results",
    "clients_table": "table",
    "draw_circuit": "circuits",
    "models_table": "table",
    "overview_circuit": "circuits",
    "print_results": "table",
    "read_results": "results",
    "records_table": "table",
    "render_report": "html",
    "rows_table": "table",
    "write_json": "results",
    "write_report": "html",
    "write_results": "results",
}

__all__ = [
    "ReportExtras",
    "TrainingCurve",
    "check_results",
    "clients_table",
    "draw_circuit",
    "models_table",
    "overview_circuit",
    "print_results",
    "read_results",
    "records_table",
    "render_report",
    "rows_table",
    "write_json",
    "write_report",
    "write_results",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
