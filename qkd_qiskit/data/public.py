"""The public samples: as originals, which travel, and as the encoded set that everybody makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import AugmentSettings, ModelSettings
from qkd_qiskit.data.digest import public_digest
from qkd_qiskit.data.samples import UNKNOWN, Origins, SampleMaker, Samples
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import DataError


@dataclass(frozen=True)
class PublicSet:
    """What everybody has: the server sends it, clients answer on it.

    Attributes:
        samples: Training samples and their augmented copies, then unlabelled ones and theirs with the blends
            of both, then the calibration and the validation part.
        digest: SHA-256 of the inputs.
        n_labelled: Training samples and copies.
        n_unlabelled: Unlabelled samples, copies and blends.
        n_calibration: Calibration samples.
        origins: Which originals, labelled ones first, each sample of `to_distil` is made of.
    """

    samples: Samples
    digest: str
    n_labelled: int
    n_unlabelled: int
    n_calibration: int
    origins: Origins

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
    def calibration_rows(self) -> IntArray:
        """Rows that calibrate teachers."""
        start = self.n_labelled + self.n_unlabelled
        return np.arange(start, start + self.n_calibration)

    @property
    def validation_rows(self) -> IntArray:
        """Rows that choose between teachers."""
        return np.arange(self.n_labelled + self.n_unlabelled + self.n_calibration, len(self.samples))


@dataclass(frozen=True, eq=False)
class PublicOriginals:
    """The public samples before encoding, without copies: training, unlabelled, calibration, validation.

    Attributes:
        features: [N, F], N the sum of `parts`.
        labels: Index of each sample's class, [N]; `UNKNOWN` where its holder does not know it.
        image_shape: Rows and columns of the images; None for features that are no pixels.
        parts: Sizes of the four parts.

    Raises:
        DataError: If the numbers do not fit each other.
    """

    features: FloatArray
    labels: IntArray
    image_shape: tuple[int, int] | None
    parts: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.labels) == sum(self.parts):
            raise DataError(
                f"public samples: expected {sum(self.parts)} of them with labels, "
                f"found {len(self.features)} and {len(self.labels)} labels"
            )
        if self.image_shape is not None and int(np.prod(self.image_shape)) != self.features.shape[1]:
            raise DataError(
                f"public samples: expected {self.image_shape[0]} x {self.image_shape[1]} pixels, "
                f"found {self.features.shape[1]} features"
            )

    @property
    def slices(self) -> tuple[slice, slice, slice, slice]:
        """Rows of the four parts."""
        train, unlabelled, calibration, validation = pairwise(np.cumsum((0, *self.parts)).tolist())
        return slice(*train), slice(*unlabelled), slice(*calibration), slice(*validation)

    @property
    def n_train(self) -> int:
        """Labelled training samples."""
        return self.parts[0]

    def without_answers(self) -> PublicOriginals:
        """Return what a client may know: the labels of the training part alone."""
        labels = np.full(len(self.labels), UNKNOWN, dtype=np.int64)
        labels[: self.n_train] = self.labels[: self.n_train]
        return replace(self, labels=labels)

    def n_inputs(self, augment: AugmentSettings) -> int:
        """Count the public inputs that they become, copies and blends included."""
        train, unlabelled, calibration, validation = self.parts
        pool = train + unlabelled
        return pool * (1 + _copies(augment) + augment.mixup) + calibration + validation


def public_maker(
    seed: int, augment: AugmentSettings, model: ModelSettings, originals: PublicOriginals
) -> SampleMaker:
    """Return the maker of all samples of an experiment: its encoder is fitted on the public originals alone.

    Raises:
        DataError: If they cannot be encoded in this way.
    """
    encoder = make_encoder(model.encoding, model.n_qubits, image_shape=originals.image_shape)
    encoder.fit(originals.features)
    return SampleMaker(seed, augment, originals.image_shape, encoder)


def make_public(maker: SampleMaker, originals: PublicOriginals) -> PublicSet:
    """Make the encoded public set; copies and blends come from the seed, so server and clients make the same.

    Raises:
        DataError: If copies of samples are wanted that are no images.
    """
    copies = _copies(maker.augment)
    train, unlabelled, calibration, validation = (
        (originals.features[part], originals.labels[part]) for part in originals.slices
    )
    labelled = maker.augmented(*train, "public train", copies)
    nameless = maker.augmented(*unlabelled, "public unlabelled", copies)
    blends, blended = maker.blends(np.concatenate([train[0], unlabelled[0]]), "public blends")
    n_train = len(train[0])
    whole = Origins.of_copies(n_train, copies) + Origins.of_copies(len(unlabelled[0]), copies, start=n_train)
    mended, judged = maker.plain(*calibration), maker.plain(*validation)
    parts = (labelled, nameless, blends, mended, judged)
    inputs = np.concatenate([part.inputs for part in parts])
    n_unlabelled = len(nameless) + len(blends)
    labels = np.concatenate([labelled.labels, np.full(n_unlabelled, UNKNOWN), mended.labels, judged.labels])
    return PublicSet(
        samples=Samples(inputs, labels),
        digest=public_digest(inputs),
        n_labelled=len(labelled),
        n_unlabelled=n_unlabelled,
        n_calibration=len(mended),
        origins=whole + blended,
    )


def _copies(augment: AugmentSettings) -> int:
    return augment.copies if augment.public_copies is None else augment.public_copies
