"""The public samples: as originals, which travel, and as the encoded set that everybody makes of them.

Some are examples: their labels travel with them, so that a client can learn what lies outside its classes.
All others are one list in random order, which clients answer. The server knows the labels of some of these,
and uses them to calibrate, to audit and to choose; nothing that it sends tells which they are.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import AugmentSettings, ModelSettings
from qkd_qiskit.data.augmentation import augmentation_for
from qkd_qiskit.data.digest import public_digest
from qkd_qiskit.data.samples import UNKNOWN, Origins, SampleMaker, Samples, joined
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import DataError

_LOG = logging.getLogger(__name__)


def _none() -> IntArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class PublicSet:
    """What everybody has: the server sends it, clients answer on all of it but the examples.

    Attributes:
        samples: Examples and their augmented copies, then the listed samples and theirs.
        digest: SHA-256 of the inputs.
        n_labelled: Examples and copies.
        n_listed: Listed samples, copies not counted.
        calibration_rows: Rows of `samples` that calibrate teachers, copies included; none for a client.
        validation_rows: Rows that choose between teachers, copies included; none for a client.
        blends: Blends of the samples to distil, for the student; none for a client.
        origins: Which originals each sample of `to_distil` is made of: examples first, then those listed
            samples that are neither for calibration nor for validation.
    """

    samples: Samples
    digest: str
    n_labelled: int
    n_listed: int
    calibration_rows: IntArray
    validation_rows: IntArray
    blends: Samples
    origins: Origins

    @property
    def labelled(self) -> Samples:
        """Examples and their augmented copies."""
        return self.samples.rows(slice(0, self.n_labelled))

    @property
    def answered(self) -> Samples:
        """All that clients answer: the listed samples and their copies."""
        return self.samples.rows(slice(self.n_labelled, None))

    @property
    def n_answered(self) -> int:
        """Number of samples that clients answer."""
        return len(self.samples) - self.n_labelled

    @property
    def unlabelled_rows(self) -> IntArray:
        """Rows of listed samples, copies included, that are neither for calibration nor for validation."""
        held_back = np.zeros(len(self.samples), dtype=np.bool_)
        held_back[: self.n_labelled] = True
        held_back[self.calibration_rows] = held_back[self.validation_rows] = True
        return np.flatnonzero(~held_back)

    @property
    def held_back_rows(self) -> IntArray:
        """Rows of the samples whose labels the server keeps to itself, originals before all copies."""
        return np.sort(np.concatenate([self.calibration_rows, self.validation_rows]))

    @property
    def held_back(self) -> Samples:
        """Samples whose labels the server keeps to itself: they judge, and are learnt at the very end."""
        return self.samples.rows(self.held_back_rows)

    @property
    def held_back_origins(self) -> Origins:
        """Which originals each sample of `held_back` is made of; numbers follow those of `origins`."""
        listed = self.held_back_rows - self.n_labelled
        _, numbers = np.unique(listed % self.n_listed, return_inverse=True)
        numbers = numbers + self.origins.first.max(initial=-1) + 1
        return Origins(numbers, numbers, np.ones(len(numbers)))

    @property
    def to_distil(self) -> Samples:
        """All that the student learns from: examples, unlabelled samples, blends."""
        return joined(self.labelled, self.samples.rows(self.unlabelled_rows), self.blends)

    @property
    def validation(self) -> Samples:
        """Samples that choose between models."""
        return self.samples.rows(self.validation_rows)

    def without_answers(self) -> PublicSet:
        """Return what a client may know: the labels of the examples alone."""
        labels = np.full(len(self.samples), UNKNOWN, dtype=np.int64)
        labels[: self.n_labelled] = self.samples.labels[: self.n_labelled]
        return replace(
            self,
            samples=replace(self.samples, labels=labels),
            calibration_rows=_none(),
            validation_rows=_none(),
            blends=self.blends.rows(slice(0, 0)),
            origins=self.origins.rows(slice(0, 0)),
        )


@dataclass(frozen=True, eq=False)
class PublicOriginals:
    """The public samples before encoding, without copies: examples, then the list that clients answer.

    Attributes:
        features: [N, F].
        labels: Index of each sample's class, [N]; `UNKNOWN` where its holder does not know it.
        image_shape: Rows and columns of the images; None for features that are no pixels.
        n_examples: Number of examples.
        calibration: Rows of the samples that calibrate teachers, increasing; none for a client.
        validation: Rows of the samples that choose between teachers, increasing; none for a client.

    Raises:
        DataError: If the numbers do not fit each other.
    """

    features: FloatArray
    labels: IntArray
    image_shape: tuple[int, int] | None
    n_examples: int
    calibration: IntArray = field(default_factory=_none)
    validation: IntArray = field(default_factory=_none)

    def __post_init__(self) -> None:
        if len(self.features) != len(self.labels) or not 0 <= self.n_examples <= len(self.labels):
            raise DataError(
                f"public samples: expected as many labels as samples, {self.n_examples} or more, "
                f"found {len(self.features)} samples and {len(self.labels)} labels"
            )
        if self.image_shape is not None and int(np.prod(self.image_shape)) != self.features.shape[1]:
            raise DataError(
                f"public samples: expected {self.image_shape[0]} x {self.image_shape[1]} pixels, "
                f"found {self.features.shape[1]} features"
            )

    @classmethod
    def mixed(
        cls,
        features: FloatArray,
        labels: IntArray,
        image_shape: tuple[int, int] | None,
        parts: tuple[int, int, int, int],
        *,
        order: IntArray,
    ) -> PublicOriginals:
        """Return samples whose list is in another order than that of the parts.

        Args:
            features: Training, unlabelled, calibration and validation samples [N, F], in this order.
            labels: Index of each one's class [N]; those of the unlabelled part are forgotten.
            image_shape: Rows and columns of the images; None for features that are no pixels.
            parts: Sizes of the four parts.
            order: The samples' numbers in their new order, [N]; training samples come first. Whoever has it
                can tell the parts.

        Raises:
            DataError: If a size is negative, or they do not add up.
        """
        if min(parts) < 0:
            raise DataError(f"public samples: expected sizes, found {parts}")
        if not len(features) == len(order) == sum(parts):
            raise DataError(f"public samples: expected {sum(parts)} of them, found {len(features)}")
        train, unlabelled, calibration, validation = (
            slice(*ends) for ends in pairwise(np.cumsum((0, *parts)).tolist())
        )
        known = labels.copy()
        known[unlabelled] = UNKNOWN
        return cls(
            features[order],
            known[order],
            image_shape,
            train.stop,
            np.flatnonzero((order >= calibration.start) & (order < calibration.stop)),
            np.flatnonzero((order >= validation.start) & (order < validation.stop)),
        )

    @property
    def unlabelled(self) -> IntArray:
        """Rows of the list that are neither for calibration nor for validation, increasing."""
        listed = np.arange(self.n_examples, len(self.labels))
        return np.setdiff1d(listed, np.concatenate([self.calibration, self.validation]))

    def without_answers(self) -> PublicOriginals:
        """Return what a client may know: the labels of the examples alone."""
        labels = np.full(len(self.labels), UNKNOWN, dtype=np.int64)
        labels[: self.n_examples] = self.labels[: self.n_examples]
        return replace(self, labels=labels, calibration=_none(), validation=_none())

    def n_inputs(self, augment: AugmentSettings) -> int:
        """Count the public inputs that they become, copies included."""
        return len(self.labels) * (1 + _copies(augmentation_for(augment, self.image_shape)))


def public_maker(
    seed: int, augment: AugmentSettings, model: ModelSettings, originals: PublicOriginals
) -> SampleMaker:
    """Return the maker of all samples of an experiment: its encoder is fitted on the public originals alone.

    Plain features have no copies and no blends, whatever the settings say: a warning tells it.

    Raises:
        DataError: If they cannot be encoded in this way.
    """
    encoder = make_encoder(model.encoding, model.n_qubits, image_shape=originals.image_shape)
    encoder.fit(originals.features)
    possible = augmentation_for(augment, originals.image_shape)
    if possible != augment:
        _LOG.warning(
            "data.augment: copies and blends are of images, and there are %d plain features: none are made; "
            "data.augment.copies = 0 says so beforehand",
            originals.features.shape[1],
        )
    return SampleMaker(seed, possible, originals.image_shape, encoder)


def make_public(maker: SampleMaker, originals: PublicOriginals) -> PublicSet:
    """Make the encoded public set; copies come from the seed, so server and clients make the same.

    Blends are made where it is known which samples are to be distilled: at the server.

    Raises:
        DataError: If copies of samples are wanted that are no images.
    """
    copies, n_examples = _copies(maker.augment), originals.n_examples
    features, labels = originals.features, originals.labels
    labelled = maker.augmented(features[:n_examples], labels[:n_examples], "public train", copies)
    listed = maker.augmented(features[n_examples:], labels[n_examples:], "public list", copies)
    inputs = np.concatenate([labelled.inputs, listed.inputs])
    numbers = np.tile(np.arange(n_examples, len(labels)), copies + 1)
    pool = originals.unlabelled
    at_server = len(originals.validation) > 0
    whole = np.concatenate([np.arange(n_examples), pool])
    blends, blended = maker.blends(features[whole], "public blends") if at_server else _no_blends(labelled)
    origins = Origins.of_copies(n_examples, copies) + Origins.of_copies(len(pool), copies, start=n_examples)
    return PublicSet(
        samples=Samples(inputs, np.concatenate([labelled.labels, listed.labels])),
        digest=public_digest(inputs),
        n_labelled=len(labelled),
        n_listed=len(labels) - n_examples,
        calibration_rows=len(labelled) + np.flatnonzero(np.isin(numbers, originals.calibration)),
        validation_rows=len(labelled) + np.flatnonzero(np.isin(numbers, originals.validation)),
        blends=blends,
        origins=origins + blended,
    )


def _no_blends(samples: Samples) -> tuple[Samples, Origins]:
    return samples.rows(slice(0, 0)), Origins.of_copies(0, 0)


def _copies(augment: AugmentSettings) -> int:
    return augment.copies if augment.public_copies is None else augment.public_copies
