"""Encoded samples, and how they are made from features: augmented copies and blends from seeds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import AugmentSettings
from qkd_qiskit.data.augmentation import augment_images, draw_blends, mixup_images
from qkd_qiskit.encoding import Encoder

UNKNOWN = -1


@dataclass(frozen=True)
class Samples:
    """Encoded samples.

    Attributes:
        inputs: [N, F].
        labels: Index of each sample's class in the class set, [N]; `UNKNOWN` where nobody may know it.
    """

    inputs: FloatArray
    labels: IntArray

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.labels)

    def rows(self, chosen: IntArray | NDArray[np.bool_] | slice) -> Samples:
        """Return some of the samples."""
        return Samples(self.inputs[chosen], self.labels[chosen])


def joined(*parts: Samples) -> Samples:
    """Return the samples of all parts, one part behind the other."""
    return Samples(
        np.concatenate([part.inputs for part in parts]), np.concatenate([part.labels for part in parts])
    )


@dataclass(frozen=True)
class Origins:
    """Which originals samples are made of: copies of one, or blends of two.

    Attributes:
        first: Number of the original that has the larger share, [N].
        second: Number of the other one, [N]; the same for copies.
        share: Share of the first, [N]: 1 for copies, less for blends.
    """

    first: IntArray
    second: IntArray
    share: FloatArray

    @classmethod
    def of_copies(cls, n: int, copies: int, *, start: int = 0) -> Origins:
        """Return origins of `n` originals, numbered from `start`, and of their copies behind them."""
        numbers = np.tile(start + np.arange(n), copies + 1)
        return cls(numbers, numbers, np.ones(len(numbers)))

    def rows(self, chosen: slice) -> Origins:
        """Return the origins of some of the samples."""
        return Origins(self.first[chosen], self.second[chosen], self.share[chosen])

    def __add__(self, other: Origins) -> Origins:
        """Append others."""
        return Origins(
            np.concatenate([self.first, other.first]),
            np.concatenate([self.second, other.second]),
            np.concatenate([self.share, other.share]),
        )


@dataclass(frozen=True)
class SampleMaker:
    """Makes samples of features; whoever has equal settings and an equal encoder makes equal ones.

    Attributes:
        seed: The experiment's seed.
        augment: Bounds of rotations and shifts, numbers of copies.
        image_shape: Rows and columns of the images; None for features that are no pixels.
        encoder: Fitted on the public samples.
    """

    seed: int
    augment: AugmentSettings
    image_shape: tuple[int, int] | None
    encoder: Encoder

    def plain(self, features: FloatArray, labels: IntArray) -> Samples:
        """Encode samples as they are."""
        return Samples(self._encoded(features), labels)

    def augmented(self, features: FloatArray, labels: IntArray, stage: str, copies: int) -> Samples:
        """Encode samples, then their augmented copies; each `stage` has its own random numbers."""
        own = self.plain(features, labels)
        if copies == 0 or len(labels) == 0:
            return own
        moved = augment_images(features, self.image_shape, self.augment, copies=copies, rng=self._rng(stage))
        return Samples(
            np.concatenate([own.inputs, self.encoder.transform(moved)]), np.tile(labels, copies + 1)
        )

    def blends(self, features: FloatArray, stage: str) -> tuple[Samples, Origins]:
        """Encode blends of augmented copies, without labels, and tell which rows they are made of."""
        rng, n = self._rng(stage), len(features)
        moved = augment_images(features, self.image_shape, self.augment, copies=self.augment.mixup, rng=rng)
        drawn = draw_blends(len(moved), len(moved), rng=rng)
        inputs = self._encoded(mixup_images(moved, drawn))
        made = Samples(inputs, np.full(len(inputs), UNKNOWN, dtype=np.int64))
        return made, Origins(drawn.first % max(n, 1), drawn.second % max(n, 1), drawn.share)

    def _encoded(self, features: FloatArray) -> FloatArray:
        """Encode features; none of none."""
        return self.encoder.transform(features) if len(features) else np.empty((0, self.encoder.n_features))

    def _rng(self, stage: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(stage.encode())])
