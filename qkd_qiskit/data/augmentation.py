"""Seeded augmentation of images: small rotations and shifts that everyone can make again from a seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import AugmentSettings
from qkd_qiskit.errors import DataError


class Blends(NamedTuple):
    """Pairs of images to blend, and how.

    Attributes:
        first: Row of the image with the larger share, [N].
        second: Row of the other one, [N]; it may be the same.
        share: Share of the first, [N], in [0.5, 1).
    """

    first: IntArray
    second: IntArray
    share: FloatArray


def augmentation_for(settings: AugmentSettings, image_shape: tuple[int, int] | None) -> AugmentSettings:
    """Return the augmentation that samples can have: none where they are plain features.

    Args:
        settings: What is asked for.
        image_shape: Rows and columns of the images; None for features that are no pixels.
    """
    if image_shape is not None:
        return settings
    return settings.model_copy(update={"copies": 0, "public_copies": None, "mixup": 0})


def augment_images(
    features: FloatArray,
    image_shape: tuple[int, int] | None,
    settings: AugmentSettings,
    *,
    copies: int | None = None,
    rng: np.random.Generator,
) -> FloatArray:
    """Return rotated and shifted copies of images.

    Args:
        features: Images as rows, [N, H * W], values in [0, 1].
        image_shape: H and W.
        settings: Number of copies, and the bounds of rotation and shift.
        copies: Replaces the number in `settings`.
        rng: Source of all angles and shifts.

    Returns:
        `[copies * N, H * W]`: first one copy of every image, then the next; bilinear, zero outside.

    Raises:
        DataError: If copies of samples are wanted that are no images.
    """
    copies = settings.copies if copies is None else copies
    if copies == 0:
        return features[:0]
    if image_shape is None:
        raise DataError(
            f"data.augment.copies: expected images to augment, found {features.shape[1]} plain features"
        )
    height, width = image_shape
    count = copies * len(features)
    angle = np.deg2rad(rng.uniform(-settings.rotation, settings.rotation, count))[:, None, None]
    down, right = rng.uniform(-settings.shift, settings.shift, (2, count, 1, 1))
    rows = np.arange(height)[:, None] - (height - 1) / 2
    columns = np.arange(width)[None, :] - (width - 1) / 2
    source = np.empty((3, count, height, width))
    source[0] = np.tile(np.arange(len(features)), copies)[:, None, None]
    source[1] = np.cos(angle) * (rows - down) - np.sin(angle) * (columns - right) + (height - 1) / 2
    source[2] = np.sin(angle) * (rows - down) + np.cos(angle) * (columns - right) + (width - 1) / 2
    images = features.reshape(-1, height, width)
    moved = map_coordinates(images, source, order=1, mode="constant", cval=0.0)
    return np.asarray(np.clip(moved, 0.0, 1.0)).reshape(count, -1)


def draw_blends(n_images: int, count: int, *, rng: np.random.Generator) -> Blends:
    """Draw random pairs of images and their shares, after Zhang et al., arXiv:1710.09412.

    Args:
        n_images: Number of images to choose from; of none there are no blends.
        count: Number of blends.
        rng: Source of pairs and shares.
    """
    if n_images == 0:
        count = 0
    first, second = rng.integers(0, max(n_images, 1), (2, count))
    return Blends(first, second, rng.uniform(0.5, 1.0, count))


def mixup_images(features: FloatArray, blends: Blends) -> FloatArray:
    """Return blends `share * first + (1 - share) * second` of images as rows, [N, F]."""
    share = blends.share[:, None]
    return np.asarray(share * features[blends.first] + (1.0 - share) * features[blends.second])
