"""Images to another grid, as one small matrix per axis."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import FloatArray


def resize(images: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Resize images: area averages where an axis shrinks, linear interpolation where it grows.

    Constant images stay constant. Area averages use every source pixel, so thin strokes do not vanish
    between sampling points, as they do in plain bilinear interpolation.

    Args:
        images: [N, rows, columns].
        shape: Rows and columns of the result, each at least 1.

    Returns:
        [N, shape[0], shape[1]].
    """
    rows, columns = axis_weights(images.shape[1], shape[0]), axis_weights(images.shape[2], shape[1])
    return np.asarray(rows @ images @ columns.T)


def axis_weights(source: int, target: int) -> FloatArray:
    """Return the weights of source pixels in target pixels, [target, source]; each row sums to 1."""
    if target <= source:
        edges = np.arange(target + 1) * (source / target)
        pixels = np.arange(source)
        overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        return np.asarray(np.clip(overlap, 0, None) * (target / source), dtype=np.float64)
    centres = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    return np.asarray(np.clip(1 - np.abs(centres[:, None] - np.arange(source)), 0, None), dtype=np.float64)
