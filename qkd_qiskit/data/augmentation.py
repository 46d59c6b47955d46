"""Seeded augmentation of images: small rotations and shifts that every party can make again from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from qkd_qiskit.config import AugmentSettings
from qkd_qiskit.errors import DataError

Floats = NDArray[np.float64]


def augment_images(
    features: Floats,
    image_shape: tuple[int, int] | None,
    settings: AugmentSettings,
    *,
    copies: int | None = None,
    rng: np.random.Generator,
) -> Floats:
    """Rotated and shifted copies of images.

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


def mixup_images(features: Floats, count: int, *, rng: np.random.Generator) -> Floats:
    """Blends of two random images each, after Zhang et al., arXiv:1710.09412.

    A blend has no label; a teacher gives it one.

    Args:
        features: Images as rows, [N, F].
        count: Number of blends.
        rng: Source of pairs and shares.

    Returns:
        `[count, F]`: `share * a + (1 - share) * b` with the larger share of `a`, uniform in [0.5, 1].
    """
    if count == 0 or len(features) == 0:
        return features[:0]
    first, second = rng.integers(0, len(features), (2, count))
    share = rng.uniform(0.5, 1.0, (count, 1))
    return np.asarray(share * features[first] + (1.0 - share) * features[second])
