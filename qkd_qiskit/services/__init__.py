"""What one does with a finished run: predict, export, submit to a device, follow the jobs."""

from qkd_qiskit.services.export import EXPORTS, export_model
from qkd_qiskit.services.jobs_table import (
    ACCURACY_COLUMNS,
    BATCH_COLUMNS,
    ESTIMATE_COLUMNS,
    accuracy_rows,
    batch_rows,
    count_columns,
    count_rows,
    estimate_row,
)
from qkd_qiskit.services.output import write_file
from qkd_qiskit.services.packing import (
    CHECK_COLUMNS,
    COPY_COLUMNS,
    chosen_workloads,
    copy_rows,
    packing_options,
)
from qkd_qiskit.services.prediction import IDEAL, FilePrediction, make_evaluator, predict_file
from qkd_qiskit.services.submission import (
    Destination,
    adoption,
    chosen_submission,
    destination,
    equal_submission,
    make_runner,
    prepare_submission,
    require_ledger,
    to_send,
    unfinished,
    write_outcomes,
)

__all__ = [
    "ACCURACY_COLUMNS",
    "BATCH_COLUMNS",
    "CHECK_COLUMNS",
    "COPY_COLUMNS",
    "ESTIMATE_COLUMNS",
    "EXPORTS",
    "IDEAL",
    "Destination",
    "FilePrediction",
    "accuracy_rows",
    "adoption",
    "batch_rows",
    "chosen_submission",
    "chosen_workloads",
    "copy_rows",
    "count_columns",
    "count_rows",
    "destination",
    "equal_submission",
    "estimate_row",
    "export_model",
    "make_evaluator",
    "make_runner",
    "packing_options",
    "predict_file",
    "prepare_submission",
    "require_ledger",
    "to_send",
    "unfinished",
    "write_file",
    "write_outcomes",
]
