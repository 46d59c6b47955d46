"""Class probabilities of a user's own data, from a finished run."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.data import load_dataset
from qkd_qiskit.data.unlabelled import load_features
from qkd_qiskit.models import SavedModel, load_model
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
    """

    classes: tuple[int | str, ...]
    probabilities: NDArray[np.float64]
    noise: str | None
    accuracy: float | None

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
        return asdict(self) | {"predicted": self.predicted}


def predict_file(
    run: str | Path,
    source: str | Path,
    *,
    labels: str | None = None,
    backend: str | None = None,
    shots: int | None = None,
    seed: int = 0,
) -> FilePrediction:
    """Predict class probabilities of raw samples in a file.

    Args:
        run: Folder of a finished run.
        source: The samples, as `load_features` reads them; with `labels` as `load_dataset` does.
        labels: Label file, or label column of a CSV; gives the accuracy too.
        backend: Device whose noise is simulated, or `ideal`; as the model was trained when omitted.
        shots: Draw so many shots of each sample; exact probabilities when omitted.
        seed: Seed of the shots.

    Raises:
        QKDError: If the model, the file or the device cannot be used.
    """
    model = load_model(run)
    known: NDArray[Any] | None = None
    if labels is None:
        features = load_features(source)
    else:
        dataset = load_dataset(path=source, labels=labels)
        features, known = dataset.features, dataset.labels
    noise = backend if backend is not None else model.backend if model.noise else IDEAL
    evaluator = make_evaluator(model, noise, shots=shots, seed=seed)
    probabilities = model.predict_proba(evaluator, features)
    accuracy = None
    if known is not None:
        answers = np.array(model.classes)[probabilities.argmax(axis=1)]
        accuracy = float((answers.astype(str) == known.astype(str)).mean())
    return FilePrediction(model.classes, probabilities, None if noise == IDEAL else noise, accuracy)


def make_evaluator(model: SavedModel, noise: str, *, shots: int | None = None, seed: int = 0) -> Evaluator:
    """Make the exact engine, or a sampler, for a model's structure under a device's noise or `ideal`."""
    compiled = compile_model(model.spec, None if noise == IDEAL else noise, seed=model.seed)
    return compiled.noisy if shots is None else compiled.sampler(shots=shots, seed=seed)
