"""What a nonlinear rule gains over a linear one: the room that gates between qubits may fill.

One-qubit gates and the smallest chain tell classes apart about as a linear rule of the encoded qubits does.
Where a kernel machine, which is nonlinear and needs no training to speak of, does no better, more gates
rarely do; where it does much better, they are needed. On the tasks of the calibration this one figure tells
more of the need than all that the rule reads.
"""

from __future__ import annotations

import numpy as np

from qkd_qiskit.arrays import BoolArray, FloatArray, IntArray

_MOST = 400
_CAUTION = 0.5
_WIDTHS = (0.1, 0.25, 0.5, 1.0, 2.0)
_RIDGES = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def kernel_headroom(points: FloatArray, labels: IntArray) -> float:
    """Return by how much a Gaussian kernel's leave-one-out accuracy surely exceeds a linear rule's.

    It is the difference less half its standard error, and at least 0: few samples make gains by chance.

    Both are ridge regressions of the classes' indicators, whose answers for a sample that is left out are
    known in closed form (Allen, Technometrics 16:125, 1974). Width and ridge are those of the least squared
    error of these answers. A row that repeats another of its class is left out, as its copy would betray it.

    Args:
        points: Encoded samples in the space that the circuit sees [N, F]. Of more than 400 different ones,
            400 of all classes, evenly spread, are used.
        labels: Class numbers [N].
    """
    points, labels = _thinned(points, labels)
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        return 0.0
    centred = points - points.mean(axis=0)
    linear = centred @ centred.T
    scale = float(np.trace(linear)) / len(linear)
    if scale <= 1e-12 * float(np.abs(points).max()) ** 2:
        return 0.0
    linear /= scale
    squares = np.diag(linear)
    distance = np.maximum(squares[:, None] + squares[None, :] - 2.0 * linear, 0.0)
    wanted = np.eye(len(classes))[numbers]
    # Answers that mean nothing are below chance when left out: naming the largest class always is linear too.
    usual = numbers == np.bincount(numbers).argmax()
    plain = max(_left_out_answers([linear + 1.0], wanted, numbers), usual, key=np.mean)
    bent = _left_out_answers([np.exp(-distance / (2.0 * width)) for width in _WIDTHS], wanted, numbers)
    error = float(np.sqrt(np.sum(bent != plain))) / len(numbers)
    return max(float(bent.mean() - plain.mean()) - _CAUTION * error, 0.0)


def _left_out_answers(kernels: list[FloatArray], wanted: FloatArray, numbers: IntArray) -> BoolArray:
    """Return which samples [N] are right when left out, for kernel and ridge with the least squared error."""
    best, right = np.inf, np.zeros(len(numbers), dtype=bool)
    shares = wanted.mean(axis=0)
    for kernel in kernels:
        values, vectors = np.linalg.eigh(kernel)
        turned = vectors.T @ (wanted - shares)
        for ridge in _RIDGES:
            inverse = 1.0 / (np.maximum(values, 0.0) + ridge)
            error = (vectors * inverse) @ turned / ((vectors**2) @ inverse)[:, None]
            loss = float((error**2).mean())
            if loss < best:
                best, right = loss, (wanted - error).argmax(axis=1) == numbers
    return right


def _thinned(points: FloatArray, labels: IntArray) -> tuple[FloatArray, IntArray]:
    """Return different rows, sorted by class, and every so many of them if there are too many."""
    rows = np.unique(np.column_stack([labels, points]), axis=0, return_index=True)[1]
    rows = np.sort(rows)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    if len(rows) > _MOST:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST).round().astype(np.int64)]
    return points[rows], labels[rows]
