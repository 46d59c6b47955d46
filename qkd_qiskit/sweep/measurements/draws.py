"""Seeded draws of MNIST tasks, and classical models on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines import ClassicalTask, LogisticBaseline, SupportVectorBaseline
from qkd_qiskit.baselines.classical import fit_quietly
from qkd_qiskit.config import AugmentSettings
from qkd_qiskit.data import Dataset, Samples, load_dataset
from qkd_qiskit.data.augmentation import augment_images
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import DataError

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
            raise DataError(f"expected more than {count} images of class {label}, found {len(rows)}")
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
    """Return the test accuracy of `classical_answers` on the same inputs as the circuit's."""
    samples = Samples(data.inputs, data.labels)
    answers = classical_answers(samples, np.arange(data.n_own), data.test_inputs, seed=seed)
    return {name: float((found == data.test_labels).mean()) for name, found in answers.items()}


def classical_answers(
    samples: Samples, own: IntArray, test_inputs: FloatArray, *, seed: int
) -> dict[str, IntArray]:
    """Return what logistic regression and an RBF support vector machine answer, by name.

    Cross-validation chooses their hyperparameters on the originals, so that no copy of a validation image is
    trained on; then both are fitted on originals and copies, as the circuit is.

    Args:
        samples: Originals and their copies.
        own: Rows of the originals.
        test_inputs: Encoded inputs [M, F].
        seed: Seeds folds and random starts.
    """
    found = {}
    task = ClassicalTask(samples.inputs[own], samples.labels[own], n_weights=1, seed=seed)
    for baseline in (LogisticBaseline(), SupportVectorBaseline()):
        model = clone(baseline.fit_task(task).model)
        fit_quietly(model.fit, samples.inputs, samples.labels)
        found[baseline.name] = np.asarray(model.predict(test_inputs), dtype=np.int64)
    return found
