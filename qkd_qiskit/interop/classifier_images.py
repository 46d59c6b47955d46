"""Samples of the classifier that are images: how they are recognised, and copies of them."""

from __future__ import annotations

from math import isqrt
from typing import Literal

import numpy as np

from qkd_qiskit.arguments import found as describe
from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import AugmentSettings
from qkd_qiskit.data.augmentation import augment_images
from qkd_qiskit.encoding import Encoder
from qkd_qiskit.errors import ClassifierError
from qkd_qiskit.interop.classifier_samples import scaled_features

# Copies of each image, and how many of them the encoder is fitted on too.
_COPIES, _FITTED = 8, 2
# The largest rotation in degrees, and the largest shift as a share of the side.
_ROTATION, _SHIFT = 8.0, 1 / 28
# Smaller pictures, and fewer of them, do not tell whether columns are pixels.
_SMALLEST_SIDE, _FEWEST = 8, 20
# Correlation of pixels that touch, and how much less those at opposite edges may correlate.
_ALIKE, _LESS = 0.15, 0.8


def square_of_pixels(features: FloatArray) -> tuple[int, int] | None:
    """Return rows and columns of square images, where the columns of a table look like their pixels.

    Pixels correlate with those beside and below them, and the last of a row less with the first of the next
    one, though these are neighbours in the table too: in a spectrum or a series they are as much alike.

    Args:
        features: Raw features [N, F].
    """
    side = isqrt(features.shape[1])
    if side < _SMALLEST_SIDE or side**2 != features.shape[1] or len(features) < _FEWEST:
        return None
    centred = scaled_features(features)
    centred = scaled_features(centred - centred[0])
    centred = centred - centred.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        standard = (centred / deviation).reshape(-1, side, side)

    def alike(one: FloatArray, other: FloatArray) -> float:
        found = (one * other).mean(axis=0)
        return float(np.mean(found[np.isfinite(found)])) if np.isfinite(found).any() else 0.0

    beside = alike(standard[:, :, :-1], standard[:, :, 1:])
    below = alike(standard[:, :-1], standard[:, 1:])
    across = alike(standard[:, :-1, -1], standard[:, 1:, 0])
    return (side, side) if min(beside, below) > max(_ALIKE, across / _LESS) else None


def moved_images(features: FloatArray, shape: tuple[int, int], *, rng: np.random.Generator) -> FloatArray:
    """Return a copy of each image, turned by up to 8 degrees and shifted by up to a 28th of its side.

    Args:
        features: Images as rows [N, H * W]; what comes in at an edge has the least value of all.
        shape: H and W.
        rng: Source of all angles and shifts.
    """
    scaled = scaled_features(features)
    low, spread = scaled.min(), max(float(np.ptp(scaled)), np.finfo(np.float64).tiny)
    settings = AugmentSettings(copies=1, rotation=_ROTATION, shift=_SHIFT * max(shape))
    moved = augment_images((scaled - low) / spread, shape, settings, rng=rng)
    return np.asarray(np.abs(features).max() * (low + spread * moved))


class ImageCopies:
    """Moved copies of images, made one at a time: all of many images at once would fill the memory."""

    def __init__(self, features: FloatArray, shape: tuple[int, int], seed: int) -> None:
        """Take images.

        Args:
            features: Images as rows [N, H * W].
            shape: H and W.
            seed: Of all angles and shifts.
        """
        self._features, self._shape, self._seed = features, shape, seed

    def __getitem__(self, number: int) -> FloatArray:
        """Return a copy of each image, from 0."""
        rng = np.random.default_rng([self._seed, number])
        return moved_images(self._features, self._shape, rng=rng)

    def with_originals(self) -> FloatArray:
        """Return the images and the first copies of each, for a fit [(1 + 2) * N, H * W]."""
        return np.concatenate([self._features, *(self[number] for number in range(_FITTED))])

    def encoded(self, encoder: Encoder) -> FloatArray:
        """Return all copies as inputs of a circuit [C, N, F]."""
        return np.stack([encoder.transform(self[number]) for number in range(_COPIES)])


def image_copies(images: Literal["auto"] | bool, features: FloatArray, seed: int) -> ImageCopies | None:
    """Return copies of samples that are images; None where they are not.

    Args:
        images: Whether they are square images; `"auto"` looks.
        features: Raw features [N, F].
        seed: Of the copies.

    Raises:
        ClassifierError: If it is something else, or the number of columns is no square.
    """
    if isinstance(images, str) and images == "auto":
        shape = square_of_pixels(features)
        return None if shape is None else ImageCopies(features, shape, seed)
    if not isinstance(images, bool | np.bool_):
        raise ClassifierError(f'images: expected "auto", true or false, found {describe(images)}')
    side = isqrt(features.shape[1])
    if images and side**2 != features.shape[1]:
        raise ClassifierError(
            f"images: expected a square number of columns, one a pixel, found {features.shape[1]}"
        )
    return ImageCopies(features, (side, side), seed) if images else None
