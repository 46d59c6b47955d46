"""Soft labels of copies: what is known of an original holds for all that is made of it."""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.data import Origins
from qkd_qiskit.errors import DistillationError


def pool_copies(soft: FloatArray, origins: Origins) -> FloatArray:
    """Average soft labels over an original and its copies, and blend these averages for blends.

    A teacher is less often right on a turned and shifted image than on the image itself; averaging over
    copies is test-time augmentation (Krizhevsky et al., NeurIPS 2012), done by the server on outputs alone. A
    blend gets the blend of its originals' labels, as in mixup (Zhang et al., arXiv:1710.09412).

    Args:
        soft: The teacher's probabilities on originals, copies and blends [N, G].
        origins: What each row is made of; every original occurs with share 1 at least once.

    Returns:
        Probabilities [N, G].

    Raises:
        DistillationError: If the numbers of rows differ, or an original has no row of its own.
    """
    if soft.ndim != 2 or len(soft) != len(origins.first):
        raise DistillationError(
            f"pooling: expected soft labels of {len(origins.first)} samples, found shape {soft.shape}"
        )
    if not len(soft):
        return soft
    whole = origins.share == 1.0
    size = int(max(origins.first.max(), origins.second.max())) + 1
    rows = np.bincount(origins.first[whole], minlength=size)
    if not rows.all():
        missing = int(np.flatnonzero(rows == 0)[0])
        raise DistillationError(
            f"pooling: expected a sample of every original, found none of number {missing}"
        )
    total = np.zeros((size, soft.shape[1]))
    np.add.at(total, origins.first[whole], soft[whole])
    mean = total / rows[:, None]
    share = origins.share[:, None]
    return np.asarray(share * mean[origins.first] + (1.0 - share) * mean[origins.second])
