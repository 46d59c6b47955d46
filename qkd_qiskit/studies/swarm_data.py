"""Data and cells of the swarm studies: seeded draws of MNIST tasks, and results kept as they come."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines import ClassicalTask, LogisticBaseline, SupportVectorBaseline
from qkd_qiskit.config import AugmentSettings
from qkd_qiskit.data import Dataset, load_dataset
from qkd_qiskit.data.augmentation import augment_images
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import DataError, TrainingError
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.store.files import write_atomic

NO_COPIES = AugmentSettings()


class Draw(NamedTuple):
    """One seeded draw of a task, encoded.

    Attributes:
        inputs: Training inputs [N, F], originals first, then their augmented copies.
        labels: Their class numbers [N].
        groups: Which original each comes from, [N].
        n_own: Originals among them.
        test_inputs: Test inputs [M, F], never seen in training or selection.
        test_labels: Their class numbers [M].
    """

    inputs: FloatArray
    labels: IntArray
    groups: IntArray
    n_own: int
    test_inputs: FloatArray
    test_labels: IntArray


def draw(
    classes: Sequence[int],
    *,
    samples: int,
    augment: AugmentSettings = NO_COPIES,
    n_qubits: int = 8,
    seed: int,
    dataset: Dataset | None = None,
    tests: int | None = None,
) -> Draw:
    """Draw training and test images of some digits; the encoder is fitted on the training images.

    Args:
        classes: The digits.
        samples: Training images, dealt out evenly.
        augment: Augmented copies of each training image.
        n_qubits: Width of the circuit.
        seed: Seeds everything.
        dataset: Images to draw from; MNIST's 5000 when omitted.
        tests: Test images, at most; all others when omitted.

    Raises:
        DataError: If there are not enough images.
    """
    source = load_dataset("mnist5000") if dataset is None else dataset
    rng = np.random.default_rng([seed, *classes])
    chosen: list[IntArray] = []
    rest: list[IntArray] = []
    for place, label in enumerate(classes):
        rows = rng.permutation(np.flatnonzero(source.labels == label))
        count = samples // len(classes) + (place < samples % len(classes))
        if len(rows) <= count:
            raise DataError(f"study: expected more than {count} images of class {label}, found {len(rows)}")
        chosen.append(rows[:count])
        rest.append(rows[count:])
    train, test = rng.permutation(np.concatenate(chosen)), rng.permutation(np.concatenate(rest))[:tests]
    images, numbers = source.features, np.searchsorted(classes, source.labels)
    more = augment_images(images[train], source.image_shape, augment, rng=rng)
    encoder = make_encoder("angle", n_qubits, image_shape=source.image_shape).fit(images[train])
    inputs = encoder.transform(np.concatenate([images[train], more]))
    groups = np.tile(np.arange(len(train)), augment.copies + 1)
    return Draw(
        inputs,
        numbers[train][groups].astype(np.int64),
        groups,
        len(train),
        encoder.transform(images[test]),
        numbers[test].astype(np.int64),
    )


def classical_accuracies(data: Draw, *, seed: int) -> dict[str, float]:
    """Test accuracy of logistic regression and an RBF support vector machine on the same inputs.

    Cross-validation chooses their hyperparameters on the originals, so that no copy of a validation image is
    trained on; then both are fitted on originals and copies, as the circuit is.
    """
    found = {}
    own = slice(0, data.n_own)
    task = ClassicalTask(data.inputs[own], data.labels[own], n_weights=1, seed=seed)
    for baseline in (LogisticBaseline(), SupportVectorBaseline()):
        chosen = baseline.fit_task(task)
        model = clone(chosen.model).fit(data.inputs, data.labels)
        found[baseline.name] = float((model.predict(data.test_inputs) == data.test_labels).mean())
    return found


@dataclass(frozen=True)
class Cell:
    """One piece of a study.

    Attributes:
        name: Names it among the others.
        settings: All that its record depends on.
        work: Makes its record.
    """

    name: str
    settings: Mapping[str, Any]
    work: Callable[[], dict[str, Any]]


def run_cells(
    study: str, cells: Sequence[Cell], folder: Path, *, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Run the cells that the folder holds no record of, and keep each record as soon as it is there.

    BLAS has one thread meanwhile: the matrices are small, and equal threads give equal bits.

    Args:
        study: Name of the study.
        cells: What to run.
        folder: Where the records lie; a study that was interrupted goes on there.
        progress: Told of every cell.

    Returns:
        The records of all cells, with `cell`, `settings`, `seconds` on the clock, and `cpu_seconds` that this
        process worked, which others on the machine change less.

    Raises:
        TrainingError: If a record cannot be read.
    """
    progress = NullProgress() if progress is None else progress
    progress.start(study, len(cells))
    records = []
    for cell in cells:
        text = json.dumps(dict(cell.settings), sort_keys=True)
        digest = hashlib.sha256(f"{study} {cell.name} {text}".encode()).hexdigest()[:12]
        path = folder / f"{study}-{cell.name}-{digest}.json".replace(" ", "_").replace("/", "-")
        if path.exists():
            try:
                record = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise TrainingError(f"study {study}: cannot read {path}: {error}; delete it") from None
        else:
            start, worked = time.perf_counter(), time.process_time()
            with threadpool_limits(1, user_api="blas"):
                found = cell.work()
            record = {"cell": cell.name, "settings": dict(cell.settings), **found}
            record["seconds"] = round(time.perf_counter() - start, 2)
            record["cpu_seconds"] = round(time.process_time() - worked, 2)
            write_atomic(path, json.dumps(record))
        records.append(record)
        progress.advance(study)
    progress.done(study)
    return records
