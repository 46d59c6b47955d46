"""Class probabilities of a user's own data, from a finished run."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.config import ExperimentSettings, read_settings_json
from qkd_qiskit.data.kept_samples import samples_path
from qkd_qiskit.data.table_options import TableOptions
from qkd_qiskit.data.unlabelled import load_features
from qkd_qiskit.errors import ModelError
from qkd_qiskit.evaluation import accuracy_interval
from qkd_qiskit.hardware.registry import DeviceLike
from qkd_qiskit.models import SETTINGS_FILE, SavedModel, device_of_run, folder_of_run, load_model
from qkd_qiskit.simulation import Evaluator, compile_model

IDEAL = "ideal"


@dataclass(frozen=True, eq=False)
class FilePrediction:
    """Class probabilities of a user's own data.

    Attributes:
        classes: Sorted class set [K].
        probabilities: [N, K].
        noise: Device whose noise was simulated; None for none.
        accuracy: Share of right answers, where labels were given.
        own: Whether the samples come from the file that the run's own samples came from.
    """

    classes: tuple[int | str, ...]
    probabilities: NDArray[np.float64]
    noise: str | None
    accuracy: float | None
    own: bool = False

    @property
    def interval(self) -> tuple[float, float] | None:
        """The accuracy's 95 % score interval; None without one."""
        if self.accuracy is None:
            return None
        n = len(self.probabilities)
        found = accuracy_interval(np.arange(n) < round(self.accuracy * n))
        return found.low, found.high

    @property
    def predicted(self) -> list[int | str]:
        """Most probable class of each sample."""
        return [self.classes[k] for k in self.probabilities.argmax(axis=1)]

    def class_rows(self) -> list[dict[str, Any]]:
        """Return, for each class, how many samples it was predicted for, and how surely in the mean."""
        best, surely = self.probabilities.argmax(axis=1), self.probabilities.max(axis=1)
        return [
            {
                "class": name,
                "samples": int((best == k).sum()),
                "share": float((best == k).mean()),
                "probability": float(surely[best == k].mean()) if (best == k).any() else None,
            }
            for k, name in enumerate(self.classes)
        ]

    def sample_rows(self, n: int) -> list[dict[str, Any]]:
        """Return the first `n` samples: number, class, and the probability of that class."""
        surely = self.probabilities.max(axis=1)
        return [
            {"sample": number, "predicted": name, "probability": float(surely[number])}
            for number, name in enumerate(self.predicted[:n])
        ]

    def to_csv(self) -> str:
        """Write one line a sample: its number, its class, and the probability of every class."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["sample", "predicted", *(f"p_{name}" for name in self.classes)])
        for number, (name, row) in enumerate(zip(self.predicted, self.probabilities, strict=True)):
            writer.writerow([number, name, *(f"{p:.6f}" for p in row)])
        return buffer.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction, ready for JSON."""
        return asdict(self) | {"predicted": self.predicted, "interval": self.interval}


@takes(ModelError, run=(str, Path), source=(str, Path, pd.DataFrame), labels=(str, NOTHING))
def predict_file(
    run: str | Path,
    source: str | Path | pd.DataFrame,
    *,
    labels: str | None = None,
    backend: DeviceLike | None = None,
    shots: int | None = None,
    seed: int = 0,
) -> FilePrediction:
    """Predict class probabilities of raw samples in a file.

    Args:
        run: Folder of a finished run.
        source: The samples, in a file or a DataFrame, as `load_features` reads them, by the run's settings
            of tables.
        labels: Label file, or label column of a table; gives the accuracy too.
        backend: Device whose noise is simulated, or `ideal`; as the model was trained when omitted.
        shots: Draw so many shots of each sample; exact probabilities when omitted.
        seed: Seed of the shots.

    Raises:
        QKDError: If the model, the file or the device cannot be used.
    """
    run = Path(run)
    model = load_model(run)
    inputs = load_features(source, labels, model=model.columns, options=_table_options(run))
    noise = backend if backend is not None else model.backend if model.noise else IDEAL
    device = None if noise == IDEAL else device_of_run(run, noise)
    evaluator = make_evaluator(model, device, shots=shots, seed=seed)
    probabilities = model.predict_proba(evaluator, inputs.features)
    accuracy = None
    if inputs.labels is not None:
        answers = np.array(model.classes)[probabilities.argmax(axis=1)]
        accuracy = float((answers.astype(str) == inputs.labels.astype(str)).mean())
    own = isinstance(source, str | Path) and str(Path(source).resolve()) == samples_path(folder_of_run(run))
    noisy = None if device is None else device.name
    return FilePrediction(model.classes, probabilities, noisy, accuracy, own)


def make_evaluator(
    model: SavedModel, device: DeviceLike | None, *, shots: int | None = None, seed: int = 0
) -> Evaluator:
    """Make the exact engine, or a sampler, for a model's structure under a device's noise or without any."""
    compiled = compile_model(model.spec, device, seed=model.seed)
    return compiled.noisy if shots is None else compiled.sampler(shots=shots, seed=seed)


def _table_options(run: Path) -> TableOptions:
    """Return how the tables of a run are meant; a model without its run has no settings."""
    path = folder_of_run(run) / SETTINGS_FILE
    if not path.is_file():
        return TableOptions()
    data = read_settings_json(ExperimentSettings, path, ModelError).data
    # What becomes of a sample without a value is the model's to say: none is left out of an answer.
    return TableOptions(headings=data.headings, row_numbers=data.row_numbers)
