"""The data of one experiment: loaded, dealt out, augmented and encoded."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.config import ExperimentSettings, Label
from qkd_qiskit.data.augmentation import augment_images, mixup_images
from qkd_qiskit.data.dataset import Dataset
from qkd_qiskit.data.datasets import load_dataset
from qkd_qiskit.data.digest import public_digest
from qkd_qiskit.data.encodings import Encoder, make_encoder
from qkd_qiskit.data.splitting import ClientShare, Split, make_split

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
UNKNOWN = -1


@dataclass(frozen=True)
class Samples:
    """Encoded samples.

    Attributes:
        inputs: [N, F].
        labels: Index of each sample's class in the class set, [N]; `UNKNOWN` where nobody may know it.
    """

    inputs: Floats
    labels: Indices

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.labels)

    def rows(self, chosen: Indices | NDArray[np.bool_] | slice) -> Samples:
        """Some of the samples."""
        return Samples(self.inputs[chosen], self.labels[chosen])


@dataclass(frozen=True)
class PublicSet:
    """What everybody has: the server announces it, clients answer on it.

    Attributes:
        samples: Training samples and their augmented copies, then unlabelled ones and theirs with the blends
            of both, then the calibration and the validation part.
        digest: SHA-256 of the inputs.
        n_labelled: Training samples and copies.
        n_unlabelled: Unlabelled samples, copies and blends.
        n_calibration: Calibration samples.
        n_bytes: What a client fetches: a byte a pixel (4 bytes a feature of other data) and one a known
            label. Copies are not sent; everybody makes them again from the seed.
    """

    samples: Samples
    digest: str
    n_labelled: int
    n_unlabelled: int
    n_calibration: int
    n_bytes: int

    @property
    def labelled(self) -> Samples:
        """Training samples and their augmented copies."""
        return self.samples.rows(slice(0, self.n_labelled))

    @property
    def to_distil(self) -> Samples:
        """All that the student learns from: labelled and unlabelled samples."""
        return self.samples.rows(slice(0, self.n_labelled + self.n_unlabelled))

    @property
    def validation(self) -> Samples:
        """Samples that choose between models."""
        return self.samples.rows(self.validation_rows)

    @property
    def calibration_rows(self) -> Indices:
        """Rows that calibrate teachers."""
        start = self.n_labelled + self.n_unlabelled
        return np.arange(start, start + self.n_calibration)

    @property
    def validation_rows(self) -> Indices:
        """Rows that choose between teachers."""
        return np.arange(self.n_labelled + self.n_unlabelled + self.n_calibration, len(self.samples))


@dataclass(frozen=True)
class PreparedData:
    """Encoded samples of an experiment and who holds them.

    Attributes:
        name: Name of the dataset.
        classes: Sorted class set.
        encoder: Fitted on the public samples alone.
        public: What everybody has.
        clients: What each client trains on, own samples first, their augmented copies behind.
        sizes: Own samples of each client, copies not counted.
        test: Kept back until the end.
        split: Indices of the samples in the dataset.
    """

    name: str
    classes: tuple[Label, ...]
    encoder: Encoder
    public: PublicSet
    clients: tuple[Samples, ...]
    sizes: tuple[int, ...]
    test: Samples
    split: Split

    def own(self, client: int) -> Samples:
        """A client's own samples, without copies."""
        return self.clients[client].rows(slice(0, self.sizes[client]))


def originals(parts: Sequence[Samples], sizes: Sequence[int]) -> Indices:
    """Which original each sample of some parts comes from: an original and its copies share a number.

    Args:
        parts: Samples with their copies behind.
        sizes: Number of originals of each part.
    """
    starts = np.cumsum([0, *sizes[:-1]])
    numbers = [
        start + np.arange(len(part)) % size for part, start, size in zip(parts, starts, sizes, strict=True)
    ]
    return np.concatenate(numbers)


def prepare_data(settings: ExperimentSettings) -> PreparedData:
    """Load, split, augment and encode what an experiment runs on.

    Raises:
        DataError: If the dataset cannot be loaded, split, augmented or encoded in this way.
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
    source = _Source(settings, dataset, encoder)
    return PreparedData(
        name=dataset.name,
        classes=dataset.classes,
        encoder=encoder,
        public=_public(source, split),
        clients=tuple(
            source.augmented(held, f"client {client.name}", data.augment.copies)
            for client, held in zip(settings.clients, split.clients, strict=True)
        ),
        sizes=tuple(len(held) for held in split.clients),
        test=source.plain(split.test),
        split=split,
    )


@dataclass(frozen=True)
class _Source:
    settings: ExperimentSettings
    dataset: Dataset
    encoder: Encoder

    def plain(self, indices: Indices) -> Samples:
        """Encoded samples as they are."""
        labels = np.searchsorted(np.array(self.dataset.classes), self.dataset.labels[indices])
        features = self.dataset.features[indices]
        return Samples(self.encoded(features), labels.astype(np.int64))

    def encoded(self, features: Floats) -> Floats:
        """Encoded features; none of none."""
        return self.encoder.transform(features) if len(features) else np.empty((0, self.encoder.n_features))

    def augmented(self, indices: Indices, label: str, copies: int) -> Samples:
        """Encoded samples, then their augmented copies; each `label` has its own random numbers."""
        own = self.plain(indices)
        if copies == 0 or len(indices) == 0:
            return own
        features, shape = self.dataset.features[indices], self.dataset.image_shape
        augment = self.settings.data.augment
        moved = augment_images(features, shape, augment, copies=copies, rng=self._rng(label))
        return Samples(
            np.concatenate([own.inputs, self.encoder.transform(moved)]),
            np.tile(own.labels, copies + 1),
        )

    def blends(self, indices: Indices, label: str) -> Samples:
        """Encoded blends of augmented copies, without labels."""
        augment, rng = self.settings.data.augment, self._rng(label)
        features, shape = self.dataset.features[indices], self.dataset.image_shape
        moved = augment_images(features, shape, augment, copies=augment.mixup, rng=rng)
        inputs = self.encoded(mixup_images(moved, len(moved), rng=rng))
        return Samples(inputs, np.full(len(inputs), UNKNOWN, dtype=np.int64))

    def _rng(self, label: str) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, zlib.crc32(label.encode())])


def _public(source: _Source, split: Split) -> PublicSet:
    augment = source.settings.data.augment
    copies = augment.copies if augment.public_copies is None else augment.public_copies
    labelled = source.augmented(split.public_train, "public train", copies)
    unlabelled = source.augmented(split.public_unlabelled, "public unlabelled", copies)
    blends = source.blends(np.concatenate([split.public_train, split.public_unlabelled]), "public blends")
    calibration, validation = source.plain(split.public_calibration), source.plain(split.public_validation)
    parts = (labelled, unlabelled, blends, calibration, validation)
    n_unlabelled = len(unlabelled) + len(blends)
    width = source.dataset.features.shape[1]
    inputs = np.concatenate([part.inputs for part in parts])
    labels = np.concatenate(
        [labelled.labels, np.full(n_unlabelled, UNKNOWN), calibration.labels, validation.labels]
    )
    return PublicSet(
        samples=Samples(inputs, labels),
        digest=public_digest(inputs),
        n_labelled=len(labelled),
        n_unlabelled=n_unlabelled,
        n_calibration=len(calibration),
        n_bytes=len(split.public) * width * (4 if source.dataset.image_shape is None else 1)
        + len(split.public_train),
    )
