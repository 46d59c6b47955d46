"""The distillation alone: clients, teacher and student, without baselines."""

from __future__ import annotations

from pathlib import Path

from qkd_qiskit.federation import distil_aggregate
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.federations import (
    client_fingerprint,
    open_context,
    right,
    teacher_answers,
    train_clients,
)


class DistillationMeasurement(Measurement):
    """Train clients, teacher and student; clients once for all cells that leave their training as it is."""

    def group(self, cell: Cell) -> str:
        """Return what the clients' training depends on."""
        return client_fingerprint(cell.experiment)

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compare the answers of the global model and of the teacher with the test labels."""
        context = open_context(cell.experiment)
        clients, rounds = train_clients(context, folder)
        found = distil_aggregate(context, rounds.taught)
        inputs = context.data.test.inputs
        return CellRecord(
            right={
                "global": right(context, found.global_model.predict(found.machine.noisy, inputs)),
                "teacher": right(context, teacher_answers(context, found.teacher, clients)),
            },
            values={"kilobytes_up": (sum(client.bytes_sent for client in clients) / 1000,)},
        )
