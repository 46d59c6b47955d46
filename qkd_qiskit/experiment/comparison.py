"""What the test samples were taken for, kept with a run; and finished runs beside each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qkd_qiskit.arguments import found, items, takes
from qkd_qiskit.arrays import BoolArray, IntArray
from qkd_qiskit.data import PreparedData
from qkd_qiskit.errors import ReportingError
from qkd_qiskit.evaluation import Interval, Predictions, Results, accuracy_interval, difference_interval
from qkd_qiskit.evaluation.intervals import independent_difference_interval
from qkd_qiskit.reporting import read_results, write_json
from qkd_qiskit.store import guarded, read_json

PREDICTIONS_FILE = "predictions.json"


@dataclass(frozen=True)
class SavedPredictions:
    """A run's predictions for its test samples.

    Attributes:
        dataset: Name of the dataset.
        classes: Its classes that took part.
        samples: Digest of the dataset's name and of which samples were tested; equal ones can be paired.
        labels: Class index of each sample [N].
        models: Class indices under the experiment's noise [N], by model.
    """

    dataset: str
    classes: tuple[str, ...]
    samples: str
    labels: IntArray
    models: Mapping[str, IntArray]

    def correct(self, model: str, where: object) -> BoolArray:
        """Return whether a model was right [N].

        Args:
            model: Its name.
            where: Names the run in messages.

        Raises:
            ReportingError: If the run has no such model.
        """
        if model not in self.models:
            raise ReportingError(f"{where}: expected a model among {', '.join(self.models)}, found {model!r}")
        return np.asarray(self.models[model] == self.labels)


def write_predictions(data: PreparedData, predictions: Mapping[str, Predictions], folder: Path) -> None:
    """Write the predictions of a run's models for its test samples.

    Args:
        data: The run's samples.
        predictions: By model.
        folder: Folder of the run.

    Raises:
        ReportingError: If the file cannot be written.
    """
    saved = saved_predictions(data, predictions)
    content = {
        "samples": saved.samples,
        "dataset": saved.dataset,
        "classes": list(data.classes),
        "labels": saved.labels,
        "models": dict(saved.models),
    }
    write_json(content, folder / PREDICTIONS_FILE)


def saved_predictions(data: PreparedData, predictions: Mapping[str, Predictions]) -> SavedPredictions:
    """Return what `write_predictions` writes.

    Args:
        data: The run's samples.
        predictions: By model.
    """
    tested = np.asarray(data.split.test, dtype="<i8").tobytes()
    return SavedPredictions(
        dataset=data.name,
        classes=tuple(map(str, data.classes)),
        samples=hashlib.sha256(f"{data.name}\n".encode() + tested).hexdigest(),
        labels=data.test.labels,
        models={name: given.noisy for name, given in predictions.items()},
    )


def read_predictions(folder: Path) -> SavedPredictions:
    """Read what `write_predictions` has written.

    Raises:
        ReportingError: If the file is missing, damaged or holds something else.
    """
    path = folder / PREDICTIONS_FILE
    content = read_json(path, ReportingError)
    with guarded(ReportingError, f"{path}: expected predictions"):
        labels = _indices(content["labels"])
        models = {str(name): _indices(given) for name, given in content["models"].items()}
        dataset, samples = str(content["dataset"]), str(content["samples"])
        classes = tuple(str(label) for label in content["classes"])
    if any(len(given) != len(labels) for given in models.values()) or not len(labels):
        raise ReportingError(f"{path}: expected as many predictions as labels, at least one")
    return SavedPredictions(dataset, classes, samples, labels, models)


def _indices(values: object) -> IntArray:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind != "i":
        raise ValueError(f"class indices of type {array.dtype} and shape {array.shape}")
    return array.astype(np.int64)


@dataclass(frozen=True, eq=False)
class TestedRun:
    """A finished run, as far as it can be compared.

    Attributes:
        name: Its folder, or what else it is called.
        record: What `results.json` holds.
        saved: What its models predicted.
    """

    name: Path | str
    record: Results
    saved: SavedPredictions

    @classmethod
    def read(cls, folder: Path) -> TestedRun:
        """Read a finished run.

        Raises:
            ReportingError: If a file is missing, damaged or holds something else.
        """
        return cls(folder, read_results(folder / "results.json"), read_predictions(folder))


@dataclass(frozen=True)
class RunComparison:
    """One run beside the first.

    Attributes:
        run: Its folder, or what else it is called.
        experiment: Its experiment.
        seed: Its seed.
        accuracy: Of the compared model, with its interval.
        difference: Accuracy minus that of the first run, with its interval; None for the first.
        paired: Whether both were tested on the same samples, so that the difference is a paired one.
    """

    run: Path | str
    experiment: str
    seed: int
    accuracy: Interval
    difference: Interval | None
    paired: bool


@takes(ReportingError, model=str)
def compare_runs(folders: Sequence[str | Path], *, model: str = "global") -> list[RunComparison]:
    """Compare finished runs with the first of them.

    Args:
        folders: Folders of finished runs, at least two.
        model: Which model of each.

    Raises:
        ReportingError: If there are fewer than two, a run is not finished or on other data, or it lacks the
            model.

    Example:
        >>> from pathlib import Path
        >>> from qkd_qiskit.experiment.comparison import compare_runs
        >>> compare_runs([Path("runs/a"), Path("runs/b")])  # doctest: +SKIP
    """
    runs = items(ReportingError, "folders", folders, "two folders of runs at least")
    for run in runs:
        if not isinstance(run, (str, Path)):
            raise ReportingError(f"folders: expected folders of runs, found {found(run)}")
    if len(runs) < 2:
        raise ReportingError(f"expected two runs at least, found {len(runs)}")
    return compare_tested([TestedRun.read(Path(run)) for run in runs], model=model)


def compare_tested(runs: Sequence[TestedRun], *, model: str = "global") -> list[RunComparison]:
    """Compare runs with the first of them; see `compare_runs`.

    Args:
        runs: At least one.
        model: Which model of each.

    Raises:
        ReportingError: If a run is on other data, or it lacks the model.
    """
    first = runs[0].saved
    for run in runs:
        if (run.saved.dataset, run.saved.classes) != (first.dataset, first.classes):
            raise ReportingError(
                f"{run.name}: expected a run on {first.dataset}, classes {', '.join(first.classes)}, as "
                f"the first one, found {run.saved.dataset}, classes {', '.join(run.saved.classes)}"
            )
    correct = [run.saved.correct(model, run.name) for run in runs]
    compared = []
    for number, (run, right) in enumerate(zip(runs, correct, strict=True)):
        paired = run.saved.samples == first.samples and np.array_equal(run.saved.labels, first.labels)
        difference = None
        if number:
            between = difference_interval if paired else independent_difference_interval
            difference = between(right, correct[0])
        own = accuracy_interval(right)
        compared.append(
            RunComparison(run.name, run.record.experiment, run.record.seed, own, difference, paired)
        )
    return compared
