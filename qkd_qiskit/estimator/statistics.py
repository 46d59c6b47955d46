"""What the estimator reads from a client's data: class diversity, separability, dimension, counts.

All of it is measured in the space that the circuit sees, `Encoding.feature_space`: for angles that is the
Bloch vectors of the encoded qubits, for amplitudes the state itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qkd_qiskit.encoding import encoding_named
from qkd_qiskit.errors import DataError, EstimatorError

SUBSAMPLE = 20_000
"""Rows above which separability and dimension are measured on a stratified subsample."""

_TIE = 1e-9


@dataclass(frozen=True)
class DataStatistics:
    """Statistics of one client's encoded data.

    Attributes:
        samples: Number of rows, at least 1.
        duplicates: Rows that repeat an earlier row; they carry no new information.
        classes: Number of different labels, at least 1.
        entropy: Shannon entropy of the label shares in bits, in [0, log2(classes)].
        imbalance: Size of the largest class over that of the smallest, at least 1.
        overlap: Balanced leave-one-out error of the nearest-centroid rule over its chance level, in [0, 1];
            0 if there is one class only.
        dimension: Participation ratio of the covariance spectrum, at least 1; 0 if all rows are equal.
    """

    samples: int
    duplicates: int
    classes: int
    entropy: float
    imbalance: float
    overlap: float
    dimension: float

    @property
    def separability(self) -> float:
        """1 for classes that their centroids tell apart, 0 for a rule no better than chance."""
        return 1.0 - self.overlap

    @property
    def distinct(self) -> int:
        """Number of different rows."""
        return self.samples - self.duplicates

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and `separability`, ready for JSON."""
        return {**asdict(self), "separability": self.separability}


def data_statistics(
    inputs: ArrayLike, labels: ArrayLike, *, encoding: str = "angle", seed: int = 0
) -> DataStatistics:
    """Measure what the gate budget depends on.

    Overlap and dimension come from each (row, label) once, and above `SUBSAMPLE` of them from a stratified
    subsample. Counts come from all rows.

    Args:
        inputs: Encoded inputs [N, F].
        labels: Class labels [N], numbers or strings.
        encoding: Name of the encoding.
        seed: Seed of the subsample.

    Raises:
        EstimatorError: If there is no sample, the shapes do not fit, a value is not finite, or the encoding
            is unknown.
    """
    x, classes, y = check_data(inputs, labels)
    shares = np.bincount(y) / len(y)
    rows = [row.tobytes() for row in x + 0.0]  # adding zero makes -0.0 and 0.0 the same bytes
    # A copy of the sample that is left out would betray it.
    once = _first(zip(rows, y.tolist(), strict=True))
    kept = once[_stratified(y[once], np.random.default_rng(seed))]
    try:
        space = encoding_named(encoding).feature_space(x[kept])
    except DataError as error:
        raise EstimatorError(str(error)) from None
    return DataStatistics(
        samples=len(y),
        duplicates=len(y) - len(set(rows)),
        classes=len(classes),
        entropy=abs(float(-(shares * np.log2(shares)).sum())),
        imbalance=float(shares.max() / shares.min()),
        overlap=class_overlap(space, y[kept]),
        dimension=effective_dimension(space),
    )


def check_data(
    inputs: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.int64]]:
    """Return the features [N, F] as floats, the sorted classes, and the class number [N] of each row.

    Raises:
        EstimatorError: If there is no sample, the shapes do not fit, or a value is not finite.
    """
    try:
        x = np.asarray(inputs, dtype=np.float64)
        y = np.asarray(labels)
    except (TypeError, ValueError):
        raise EstimatorError("expected a table of numbers and a list of labels, found other types") from None
    if x.ndim != 2:
        raise EstimatorError(f"expected features of shape [samples, features], found shape {list(x.shape)}")
    if y.shape != x.shape[:1]:
        raise EstimatorError(f"expected one label for each of {len(x)} samples, found shape {list(y.shape)}")
    if not x.size:
        raise EstimatorError(
            f"expected at least one sample and feature, found {x.shape[0]} samples of {x.shape[1]} features"
        )
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise EstimatorError(
            f"expected finite features, found NaN or infinity in {bad.sum()} of {len(x)} rows, "
            f"first in row {np.argmax(bad)}"
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise EstimatorError("expected finite labels, found NaN or infinity")
    try:
        classes, numbers = np.unique(y, return_inverse=True)
    except TypeError:
        raise EstimatorError("expected labels that can be sorted, found mixed types") from None
    return x, classes, numbers.astype(np.int64)


def class_overlap(features: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """Balanced leave-one-out error of the nearest-centroid rule over its chance level, in [0, 1].

    The centroid rule is the simplest that the encoded space allows: on Bloch vectors it needs no two-qubit
    gate. What it gets wrong is left to the circuit. It is one of the classifier-error measures of class
    overlap, as surveyed by Lorena et al., ACM Computing Surveys 52(5):107 (2019). Leaving a sample out moves
    its own centroid only, so the cross-validation is exact and costs no more than one pass. A sample alone
    in its class counts as an error, ties count by chance.

    Args:
        features: Points [N, F].
        classes: Class numbers [N], each of 0 ... K-1 at least once.
    """
    counts = np.bincount(classes)
    k = len(counts)
    if k < 2:
        return 0.0
    points = features - features.mean(axis=0)
    member = np.zeros((k, len(classes)))
    member[classes, np.arange(len(classes))] = 1.0
    centroids = (member @ points) / counts[:, None]
    norms = (points**2).sum(axis=1)
    distance = norms[:, None] - 2.0 * points @ centroids.T + (centroids**2).sum(axis=1)
    rows = np.arange(len(classes))
    size = counts[classes].astype(np.float64)
    # Without sample i, its centroid c becomes (n c - x) / (n - 1): the distance grows by n / (n - 1).
    own = distance[rows, classes] * (size / np.maximum(size - 1.0, 1.0)) ** 2
    distance[rows, classes] = np.inf
    other = distance.min(axis=1)
    tolerance = _TIE * max(float(norms.mean()), _TIE)
    distance[rows, classes] = own
    tied = (distance <= np.minimum(own, other)[:, None] + tolerance).sum(axis=1)
    right = np.where(own <= other + tolerance, 1.0 / tied, 0.0)
    right[size == 1.0] = 0.0
    error = 1.0 - float(np.mean(np.bincount(classes, weights=right, minlength=k) / counts))
    return float(np.clip(error / (1.0 - 1.0 / k), 0.0, 1.0))


def effective_dimension(features: NDArray[np.float64]) -> float:
    """Participation ratio `(sum l)^2 / sum l^2` of the eigenvalues l of the covariance of points [N, F].

    It is the effective number of directions, the Hill number of order 2 of the variance shares. It lies
    between 1 (one direction) and min(N - 1, F) (a round cloud); 0 if all points are equal.
    """
    points = features - features.mean(axis=0)
    scale = float(np.abs(features).max())
    if float(np.abs(points).max()) <= 1e-12 * scale:
        return 0.0
    points = points / np.abs(points).max()
    # PERF: the traces of the covariance and of its square need no spectrum, and the smaller product does.
    gram = points.T @ points if points.shape[1] <= len(points) else points @ points.T
    return float(np.trace(gram) ** 2 / (gram**2).sum())


def _first(items: Iterable[Hashable]) -> NDArray[np.int64]:
    """Return the positions of the first of equal items, ascending."""
    positions: dict[Hashable, int] = {}
    for position, item in enumerate(items):
        positions.setdefault(item, position)
    return np.array(list(positions.values()), dtype=np.int64)


def _stratified(y: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Row numbers of at most about `SUBSAMPLE` rows, each class in its share and with at least two rows."""
    if len(y) <= SUBSAMPLE:
        return np.arange(len(y))
    counts = np.bincount(y)
    shuffled = rng.permutation(len(y))
    order = shuffled[np.argsort(y[shuffled], kind="stable")]
    rank = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    quota = np.maximum(np.ceil(counts * (SUBSAMPLE / len(y))), 2.0)
    return np.sort(order[rank < np.repeat(quota, counts)])
