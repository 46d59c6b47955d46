"""What a tracker is, and what it gets of a run: parameters, metrics, files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.evaluation.results import Results

FILES = ("results.json", "report.html", "settings.json", "global_model.npz", "predictions.json")


@dataclass(frozen=True, eq=False)
class TrackedRun:
    """A finished run, as a tracker sees it.

    Attributes:
        settings: Its settings.
        record: What its `results.json` holds.
        folder: Its folder.
    """

    settings: ExperimentSettings
    record: Results
    folder: Path

    @property
    def name(self) -> str:
        """Return a name that tells seeds apart."""
        return f"{self.record.experiment}, seed {self.record.seed}"

    def parameters(self) -> dict[str, str]:
        """Return all settings by key, list items by number."""
        return dict(_flat(self.settings.model_dump(mode="json")))

    def metrics(self) -> dict[str, float]:
        """Return accuracies, differences, bytes and seconds, by names with slashes between their parts."""
        found: dict[str, float] = {}
        for name, model in self.record.measured.items():
            found[f"{name}/accuracy"] = model.accuracy
            found |= {} if model.accuracy_ideal is None else {f"{name}/accuracy_ideal": model.accuracy_ideal}
            found |= {} if model.weights is None else {f"{name}/weights": float(model.weights)}
        for name, compared in self.record.comparisons.items():
            found[f"{name}/difference"] = compared.difference
        for client in self.record.clients:
            if client.accuracy is not None:
                found[f"client {client.name}/own_classes"] = client.accuracy.own_classes
                found[f"client {client.name}/all_classes"] = client.accuracy.all_classes
        sent = self.record.communication.distillation
        found |= {"bytes/up": float(sent.up), "bytes/down": float(sent.down)}
        return found | {f"seconds/{name}": value for name, value in self.record.timings.items()}

    def files(self) -> tuple[Path, ...]:
        """Return the files that are worth keeping, as far as they are there."""
        return tuple(path for name in FILES if (path := self.folder / name).is_file())


class Tracker(Protocol):
    """Keeps runs elsewhere."""

    @property
    def name(self) -> str:
        """Return what `--track` calls it."""
        ...

    def require(self) -> None:
        """Make sure that it can be used.

        Raises:
            ReportingError: If its package is missing.
        """
        ...

    def keep(self, run: TrackedRun) -> str:
        """Keep a run; return where, in a line.

        Raises:
            ReportingError: If it cannot.
        """
        ...


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(each, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        for number, each in enumerate(value):
            yield from _flat(each, f"{key}.{number}")
    elif value is not None:
        yield key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
