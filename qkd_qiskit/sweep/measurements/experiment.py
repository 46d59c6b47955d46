"""Whole experiments: the answers of every model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from qkd_qiskit.config import ExperimentSettings, Label
from qkd_qiskit.data import load_data
from qkd_qiskit.errors import SweepError
from qkd_qiskit.experiment import run_experiment
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement, pack


class ExperimentMeasurement(Measurement):
    """Run the federation with all its baselines."""

    classes_a_client: int | None = Field(None, ge=1, description="replaces the clients' own classes")

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Run the experiment, and compare every model's answers with the test labels."""
        finished = run_experiment(self._settings(cell.experiment))
        assert finished.data is not None
        labels = finished.data.test.labels
        return CellRecord(
            right={model: pack(given.noisy == labels) for model, given in finished.predictions.items()},
            ideal={
                model: pack(given.ideal == labels)
                for model, given in finished.predictions.items()
                if given.ideal is not None
            },
            values={"bytes_up": (finished.record.communication.distillation.up,)},
        )

    def _settings(self, settings: ExperimentSettings) -> ExperimentSettings:
        if self.classes_a_client is None:
            return settings
        data = settings.data
        classes = data.classes
        if classes is None:
            classes = load_data(data).classes
        return with_classes(settings, classes, self.classes_a_client)


def with_classes(settings: ExperimentSettings, classes: Sequence[Label], count: int) -> ExperimentSettings:
    """Give every client `count` classes: client i holds the i-th class and those that follow it.

    Raises:
        SweepError: If there are fewer classes.
    """
    if count > len(classes):
        raise SweepError(f"classes_a_client: expected at most {len(classes)}, found {count}")
    clients = tuple(
        client.model_copy(
            update={"classes": tuple(sorted(classes[(number + k) % len(classes)] for k in range(count)))}
        )
        for number, client in enumerate(settings.clients)
    )
    return settings.model_copy(update={"clients": clients})
