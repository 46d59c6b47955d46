"""What one experiment found: its record, and what stands behind it where it was run in this process."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines import FittedBaseline
from qkd_qiskit.config import ExperimentSettings, read_settings_json
from qkd_qiskit.data import PreparedData, keep_test_samples
from qkd_qiskit.data.dataset import ARRAYS
from qkd_qiskit.errors import ReportingError
from qkd_qiskit.evaluation import Predictions, Results
from qkd_qiskit.experiment.comparison import (
    RunComparison,
    TestedRun,
    compare_tested,
    read_predictions,
    saved_predictions,
    write_predictions,
)
from qkd_qiskit.experiment.material import report_extras
from qkd_qiskit.federation.client import ClientOutcome
from qkd_qiskit.federation.server import ServerResult
from qkd_qiskit.hardware import OWN_DEVICES, Device, device_name
from qkd_qiskit.models import (
    CLIENTS_FOLDER,
    MODEL_FILE,
    SETTINGS_FILE,
    SavedModel,
    device_of_run,
    keep_devices,
    load_model,
)
from qkd_qiskit.reporting import (
    ReportExtras,
    models_table,
    print_results,
    read_results,
    write_report,
    write_results,
)
from qkd_qiskit.reporting.figures import report_style, svg_source
from qkd_qiskit.reporting.pictures import draw_picture
from qkd_qiskit.reporting.plots import plot_accuracies
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.store.files import write_atomic

RESULTS_FILE, REPORT_FILE = "results.json", "report.html"
_WIDTH = 80


@dataclass(frozen=True, eq=False, repr=False)
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
        devices: Devices that a program has passed as objects, by name.
        folder: Where a loaded result was read from; None for others.
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
    devices: Mapping[str, Device] = field(default_factory=dict)
    folder: Path | None = None

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
        return cls(settings, record, folder=folder)

    def save(self, folder: str | Path) -> None:
        """Write results, report and settings, and the models that are here: the global one, and clients'.

        Args:
            folder: Folder for the files; made where it is missing.

        Raises:
            ReportingError: If a file cannot be written.
        """
        folder = Path(folder)
        keep_devices(folder, (), self.devices)
        with OWN_DEVICES.lent(self.devices):
            write_report(self.record, self._extras(), folder / REPORT_FILE)
        text = self.settings.model_dump_json(indent=2) + "\n"
        write_atomic(folder / SETTINGS_FILE, text, ReportingError)
        if self.data is not None and self.server is not None:
            write_atomic(folder / MODEL_FILE, self.model.to_bytes(), ReportingError)
            self._write_client_models(folder / CLIENTS_FOLDER, self.data)
            if self.settings.data.path is not None or self.settings.data.dataset.startswith(ARRAYS):
                # Samples of a file would have to be found again, and unchanged.
                keep_test_samples(self.data.test, folder)
        if self.data is not None and self.predictions:
            write_predictions(self.data, self.predictions, folder)
        # Last, so that a folder with results is complete.
        write_results(self.record, folder / RESULTS_FILE)

    @cached_property
    def model(self) -> SavedModel:
        """The global model: structure, parameters, fitted encoder.

        Raises:
            ModelError: If a loaded result's folder holds none.
        """
        if self.data is None or self.server is None:
            return load_model(self.folder or Path())
        return SavedModel(
            spec=self.server.compiled.spec,
            params=self.server.global_model.params,
            classes=self.data.classes,
            encoder=self.data.encoder,
            backend=device_name(self.settings.server.backend),
            noise=self.settings.noise.enabled,
            seed=self.settings.seed,
            columns=self.data.columns,
        )

    def predict_proba(self, features: NDArray[Any] | pd.DataFrame) -> FloatArray:
        """Return class probabilities of raw features, under the noise of the training.

        Args:
            features: [N, F], as many columns as the training data had; columns of a DataFrame are found by
                their names where the model knows them.

        Returns:
            Probabilities [N, K], columns in the order of `model.classes`.

        Raises:
            DataError: If the features do not fit.
            ModelError: If a loaded result's folder holds no model.
            HardwareError: If a loaded result's device was an object of the program that made it.
        """
        model = self.model
        if self.server is not None:
            return model.predict_proba(self.server.compiled.noisy, features)
        device = device_of_run(self.folder or Path(), model.backend) if model.noise else None
        compiled = compile_model(model.spec, device, seed=model.seed)
        return model.predict_proba(compiled.noisy, features)

    def predict(self, features: NDArray[Any] | pd.DataFrame) -> NDArray[Any]:
        """Return the most probable class [N] of raw features [N, F]; see `predict_proba`."""
        classes: NDArray[Any] = np.array(self.model.classes)
        return np.asarray(classes[self.predict_proba(features).argmax(axis=1)])

    def plot(self, picture: str = "accuracies") -> Figure:
        """Draw a picture of the report, as a Matplotlib figure.

        Args:
            picture: `accuracies`, `gates` or `bytes`; of a result that was not loaded also `classes`,
                `training`, `rounds`, `confusion`, `client_confusions`, `reliability` and `quantum_seconds`.

        Raises:
            ReportingError: If there is no such picture, or nothing to draw.
        """
        return draw_picture(picture, self.record, self._extras())

    def compare(self, *others: ExperimentResult, model: str = "global") -> list[RunComparison]:
        """Compare the accuracy of a model with that of other results.

        Args:
            *others: Results on the same data.
            model: Which model of each.

        Returns:
            This result, then the others, each with its difference from this one: paired where the test
            samples are the same.

        Raises:
            ReportingError: If a result is on other data, or lacks the model.
        """
        return compare_tested(
            [self._tested(1), *(o._tested(n) for n, o in enumerate(others, 2))], model=model
        )

    def _tested(self, number: int) -> TestedRun:
        """Return it as a run that can be compared, with a number for messages where it has no folder."""
        if self.data is not None and self.predictions:
            name = self.folder or f"result {number}, {self.record.experiment}"
            return TestedRun(name, self.record, saved_predictions(self.data, self.predictions))
        if self.folder is None:
            raise ReportingError(f"result {number}: expected predictions for test samples, found none")
        return TestedRun(self.folder, self.record, read_predictions(self.folder))

    def print(self, console: Console | None = None) -> None:
        """Print all tables.

        Args:
            console: Where; None prints on the terminal.
        """
        print_results(self.record, console)

    def __repr__(self) -> str:
        """Return what it is in a line."""
        found = self.record.measured.get("global")
        told = "not tested" if found is None else f"accuracy {found.accuracy:.3f}"
        return f"ExperimentResult({self.settings.name!r}, global model {told})"

    def __str__(self) -> str:
        """Return all tables as text."""
        console = Console(file=io.StringIO(), width=_WIDTH)
        with console.capture() as text:
            self.print(console)
        return text.get()

    def _repr_html_(self) -> str:
        """Return the table of the models, and a picture of their accuracies, for a notebook."""
        console = Console(file=io.StringIO(), width=_WIDTH, record=True)
        console.print(models_table(self.record))
        table = console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")
        if not self.record.measured:
            return table
        with report_style():
            picture = svg_source(plot_accuracies(self.record))
        return f'{table}<img src="{picture}" alt="accuracy of every model, with and without noise">'

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
                    backend=device_name(client.settings.backend),
                    noise=self.settings.noise.enabled,
                    seed=self.settings.seed,
                    columns=data.columns,
                )
                name = re.sub(r"[^\w.-]", "_", client.settings.name)
                write_atomic(folder / f"{number}-{name}.npz", model.to_bytes())

    def _extras(self) -> ReportExtras:
        with OWN_DEVICES.lent(self.devices):
            return report_extras(self)
