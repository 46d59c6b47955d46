"""Seeded draws of MNIST tasks, and classical models on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines import ClassicalTask, LogisticBaseline, SupportVectorBaseline
from qkd_qiskit.config import AugmentSettings
from qkd_qiskit.data import Dataset, load_dataset
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
    """Return the test accuracy of logistic regression and an RBF support vector machine on the same inputs.

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
