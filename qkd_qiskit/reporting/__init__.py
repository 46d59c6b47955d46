"""Results as JSON, as tables in the terminal, and as one self-contained HTML page."""

from qkd_qiskit.reporting.circuits import draw_circuit, overview_circuit
from qkd_qiskit.reporting.extras import ReportExtras, TrainingCurve
from qkd_qiskit.reporting.html import render_report, write_report
from qkd_qiskit.reporting.results import check_results, read_results, write_json, write_results
from qkd_qiskit.reporting.table import clients_table, models_table, print_results, records_table, rows_table

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
