"""The benchmark: one experiment cut to the size of any data set, with all baselines."""

from __future__ import annotations

from pathlib import Path

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import Dataset, load_data
from qkd_qiskit.errors import EstimatorError, SweepError
from qkd_qiskit.experiment import run_experiment
from qkd_qiskit.store import use_limits
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement, pack

SHARES = {
    "public_train": (0.10, 60),
    "public_unlabelled": (0.20, 300),
    "public_calibration": (0.06, 40),
    "public_validation": (0.08, 60),
    "test": (0.26, 500),
}
"""Share of the samples that each part gets, and the most of them; the clients share what `CLIENTS` says."""
CLIENTS = (0.30, 400)
QUBITS = (3, 6)
"""Fewest and most qubits; two features a qubit, and one more than the outcomes need."""


class BenchmarkMeasurement(Measurement):
    """Run the federation with all its baselines on a data set."""

    dataset: str = "digits"

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Compare every model's answers with the test labels, and tell bytes and how clients differ.

        A partition may leave a client too few samples for any circuit: then the record says so.
        """
        try:
            finished = run_experiment(self.settings(cell.experiment))
        except EstimatorError as error:
            return CellRecord(refused=str(error))
        assert finished.data is not None
        labels, record = finished.data.test.labels, finished.record
        sent = {"global": record.communication.distillation, "fedavg": record.communication.fedavg}
        sent |= record.communication.baselines or {}
        values = {f"bytes_{name}": (float(t.up + t.down),) for name, t in sent.items() if t is not None}
        if record.partition is not None:
            values["hellinger"] = (record.partition.hellinger_mean,)
        return CellRecord(
            right={model: pack(given.noisy == labels) for model, given in finished.predictions.items()},
            values=values,
        )

    def settings(self, settings: ExperimentSettings) -> ExperimentSettings:
        """Return settings that fit the data set.

        Raises:
            SweepError: If it has too few samples.
        """
        data = settings.data
        with use_limits(**settings.limits.model_dump()):
            found = load_data(data, name=self.dataset)
        sizes = {part: _cut(found, *share) for part, share in SHARES.items()}
        each = _cut(found, *CLIENTS) // len(settings.clients)
        if min(*sizes.values(), each) < len(found.classes):
            raise SweepError(
                f"benchmark: {self.dataset}: expected enough samples for {len(found.classes)} classes in "
                f"each part, found {len(found.labels)} samples in all"
            )
        needed = (len(found.classes) - 1).bit_length() + 1
        qubits = min(max(needed, QUBITS[0], (found.features.shape[1] + 1) // 2), max(QUBITS[1], needed))
        clients = tuple(client.model_copy(update={"samples": each}) for client in settings.clients)
        return settings.model_copy(
            update={
                "data": data.model_copy(update={"dataset": self.dataset, **sizes}),
                "model": settings.model.model_copy(update={"n_qubits": qubits}),
                "clients": clients,
            }
        )


def _cut(dataset: Dataset, share: float, most: int) -> int:
    return min(most, int(share * len(dataset.labels)))
