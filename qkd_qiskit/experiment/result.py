"""What one experiment found: its record, and what stands behind it where it was run in this process."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from qkd_qiskit.arrays import IntArray
from qkd_qiskit.baselines import FittedBaseline
from qkd_qiskit.config import ExperimentSettings, read_settings_json
from qkd_qiskit.data import PreparedData
from qkd_qiskit.errors import ReportingError
from qkd_qiskit.evaluation import Predictions, Results
from qkd_qiskit.experiment.comparison import write_predictions
from qkd_qiskit.experiment.material import Parts, report_extras
from qkd_qiskit.federation.client import ClientOutcome
from qkd_qiskit.federation.server import ServerResult
from qkd_qiskit.models import CLIENTS_FOLDER, MODEL_FILE, SavedModel
from qkd_qiskit.reporting import (
    ReportExtras,
    models_table,
    print_results,
    read_results,
    write_report,
    write_results,
)
from qkd_qiskit.store.files import write_atomic

RESULTS_FILE, REPORT_FILE, SETTINGS_FILE = "results.json", "report.html", "settings.json"
_WIDTH = 80


@dataclass(frozen=True, eq=False)
class ExperimentResult:
    """All that an experiment found.

    Attributes:
        settings: The experiment.
        record: What `results.json` holds.
        data: The samples; None for a result that was loaded.
        server: The server's part; None for a result that was loaded.
        clients: What each client did; None where the clients were elsewhere.
        baselines: Fitted baselines by name.
        predictions: Each tested model's predictions for the test samples; empty for a loaded result.
        confusion: The global model's confusion matrix on the test samples, [K, K]; rows are true classes.
            None where it was not tested here.
        client_confusions: Those of the clients of this process, by name, over all classes.
    """

    settings: ExperimentSettings
    record: Results
    data: PreparedData | None = None
    server: ServerResult | None = None
    clients: tuple[ClientOutcome, ...] | None = None
    baselines: Mapping[str, FittedBaseline] = field(default_factory=dict)
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    confusion: IntArray | None = None
    client_confusions: Mapping[str, IntArray] = field(default_factory=dict)

    @cached_property
    def results(self) -> dict[str, Any]:
        """What `results.json` holds, as a dict."""
        return self.record.dump()

    @classmethod
    def load(cls, folder: str | Path) -> ExperimentResult:
        """Read the settings and the record of a finished run.

        Args:
            folder: Folder of the run.

        Raises:
            ReportingError: If a file is missing, damaged or of another schema.
        """
        folder = Path(folder)
        record = read_results(folder / RESULTS_FILE)
        settings = read_settings_json(ExperimentSettings, folder / SETTINGS_FILE, ReportingError)
        return cls(settings, record)

    def save(self, folder: str | Path) -> None:
        """Write results, report and settings, and the models that are here: the global one, and clients'.

        Args:
            folder: Folder for the files; made where it is missing.

        Raises:
            ReportingError: If a file cannot be written.
        """
        folder = Path(folder)
        write_report(self.record, self._extras(), folder / REPORT_FILE)
        text = self.settings.model_dump_json(indent=2) + "\n"
        write_atomic(folder / SETTINGS_FILE, text, ReportingError)
        if self.data is not None and self.server is not None:
            model = _saved_model(self.settings, self.data, self.server)
            write_atomic(folder / MODEL_FILE, model, ReportingError)
            self._write_client_models(folder / CLIENTS_FOLDER, self.data)
        if self.data is not None and self.predictions:
            write_predictions(self.data, self.predictions, folder)
        # Last, so that a folder with results is complete.
        write_results(self.record, folder / RESULTS_FILE)

    def print(self, console: Console | None = None) -> None:
        """Print all tables.

        Args:
            console: Where; None prints on the terminal.
        """
        print_results(self.record, console)

    def __str__(self) -> str:
        """Return all tables as text."""
        console = Console(file=io.StringIO(), width=_WIDTH)
        with console.capture() as text:
            self.print(console)
        return text.get()

    def _repr_html_(self) -> str:
        """Return the table of the models for a notebook."""
        console = Console(file=io.StringIO(), width=_WIDTH, record=True)
        console.print(models_table(self.record))
        return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")

    def _write_client_models(self, folder: Path, data: PreparedData) -> None:
        """Write the models of clients of this process; those of clients elsewhere never leave them."""
        for former in folder.glob("*.npz"):
            former.unlink()
        for number, client in enumerate(self.clients or ()):
            # A model of one class says nothing.
            if len(client.held) > 1:
                model = SavedModel(
                    spec=client.compiled.spec,
                    params=client.model.params,
                    classes=tuple(data.classes[k] for k in client.held),
                    encoder=data.encoder,
                    backend=client.settings.backend,
                    noise=self.settings.noise.enabled,
                    seed=self.settings.seed,
                )
                name = re.sub(r"[^\w.-]", "_", client.settings.name)
                write_atomic(folder / f"{number}-{name}.npz", model.to_bytes())

    def _extras(self) -> ReportExtras:
        parts = Parts(
            self.settings,
            self.record,
            self.data,
            self.server,
            self.clients,
            self.baselines,
            self.confusion,
            self.client_confusions,
        )
        return report_extras(parts)


def _saved_model(settings: ExperimentSettings, data: PreparedData, server: ServerResult) -> bytes:
    return SavedModel(
        spec=server.compiled.spec,
        params=server.global_model.params,
        classes=data.classes,
        encoder=data.encoder,
        backend=settings.server.backend,
        noise=settings.noise.enabled,
        seed=settings.seed,
    ).to_bytes()
