"""The data of one experiment: loaded, dealt out and encoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.config import ExperimentSettings, Label
from qkd_qiskit.data.datasets import load_dataset
from qkd_qiskit.data.encodings import Encoder, make_encoder
from qkd_qiskit.data.splitting import ClientShare, Split, make_split


@dataclass(frozen=True)
class PreparedData:
    """Encoded samples of an experiment and who holds them.

    Attributes:
        name: Name of the dataset.
        classes: Sorted class set; a label is an index into it.
        inputs: All encoded samples, [N, F].
        labels: Index of each sample's class, [N].
        split: Who holds which samples.
        encoder: Fitted on the public samples alone.
    """

    name: str
    classes: tuple[Label, ...]
    inputs: NDArray[np.float64]
    labels: NDArray[np.int64]
    split: Split
    encoder: Encoder

    def part(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Inputs [n, F] and class indices [n] of some samples."""
        return self.inputs[indices], self.labels[indices]


def prepare_data(settings: ExperimentSettings) -> PreparedData:
    """Load, split and encode what an experiment runs on.

    Raises:
        DataError: If the dataset cannot be loaded, split or encoded in this way.
    """
    data, model = settings.data, settings.model
    dataset = load_dataset(data.dataset, path=data.path, labels=data.labels, classes=data.classes)
    split = make_split(
        dataset.labels,
        public_train=data.public_train,
        public_unlabelled=data.public_unlabelled,
        public_calibration=data.public_calibration,
        public_validation=data.public_validation,
        test=data.test,
        clients=[ClientShare(client.samples, client.classes, client.name) for client in settings.clients],
        dirichlet=data.dirichlet,
        rng=np.random.default_rng(settings.seed),
    )
    encoder = make_encoder(model.encoding, model.n_qubits, image_shape=dataset.image_shape)
    encoder.fit(dataset.features[split.public])
    labels = np.searchsorted(np.array(dataset.classes), dataset.labels).astype(np.int64)
    return PreparedData(
        name=dataset.name,
        classes=dataset.classes,
        inputs=encoder.transform(dataset.features),
        labels=labels,
        split=split,
        encoder=encoder,
    )
