"""The distillation alone: clients, teacher and student, without baselines."""

from __future__ import annotations

from pathlib import Path

from qkd_qiskit.federation import distil
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.federations import (
    client_fingerprint,
    open_run,
    public_model,
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
        run, compiler = open_run(cell.experiment)
        own = public_model(run, compiler, folder)
        clients, rounds = train_clients(run, compiler, folder, own)
        found = distil(run, compiler, rounds, own=own)
        answers = found.global_model.predict(found.compiled.noisy, run.data.test.inputs)
        return CellRecord(
            right={
                "global": right(run, answers),
                "teacher": right(run, teacher_answers(run, rounds.aggregate.teacher, clients, own)),
            },
            values={"kilobytes_up": (sum(client.bytes_sent for client in clients) / 1000,)},
        )
