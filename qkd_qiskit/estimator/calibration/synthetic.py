"""Made-up datasets of known complexity."""

from __future__ import annotations

import zlib
from itertools import product
from typing import Literal

import numpy as np
from sklearn.datasets import make_classification

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import Settings
from qkd_qiskit.data import Dataset

_SAMPLES = 4000
_FEATURES = 12


class Synthetic(Settings):
    """A made-up dataset of 4000 samples with 12 features.

    - `blobs`: a round cloud a class; centroids separate them, so one-qubit gates nearly do.
    - `parity`: the class is the parity of the signs of the first `order` features: no fewer features tell
      anything, so that as many qubits must meet.
    - `shells`: classes are shells of equal shares around one centre in the first `order` features.
    - `spirals`: classes are arms that wind once around one centre in the first two features.
    - `boxes`: each class has two leaves of a decision tree over the first `order` features, which halves the
      largest leaf at its median until there are as many.
    - `clusters`: two clusters a class at corners of a cube of the first `order` features (scikit-learn's
      `make_classification`); twice the classes may not outnumber the corners.
    """

    kind: Literal["blobs", "parity", "shells", "spirals", "boxes", "clusters"]
    order: int = 2
    classes: int = 2


def synthetic_dataset(settings: Synthetic, name: str) -> Dataset:
    """Make the dataset; its name seeds it."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    features, labels = _MAKERS[settings.kind](settings, rng)
    return Dataset(features, labels, None, name)


def _blobs(settings: Synthetic, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    centres = 1.5 * rng.standard_normal((settings.classes, _FEATURES))
    labels = np.arange(_SAMPLES) % settings.classes
    return centres[labels] + rng.standard_normal((_SAMPLES, _FEATURES)), labels


def _parity(settings: Synthetic, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    corners = np.array(list(product((-1.0, 1.0), repeat=settings.order)))
    chosen = corners[np.arange(_SAMPLES) % len(corners)]
    features = 0.6 * rng.standard_normal((_SAMPLES, _FEATURES))
    # Wider than the rest, so that they are the leading components, in an order that chance does not move.
    features[:, : settings.order] = (chosen + 0.35 * features[:, : settings.order]) * np.linspace(
        2.0, 1.5, settings.order
    )
    return features, (chosen.prod(axis=1) > 0).astype(np.int64)


def _shells(settings: Synthetic, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    features = 0.6 * rng.standard_normal((_SAMPLES, _FEATURES))
    features[:, : settings.order] *= 3.0
    radius = np.linalg.norm(features[:, : settings.order], axis=1)
    rank = np.argsort(np.argsort(radius))
    return features, (rank * settings.classes // _SAMPLES).astype(np.int64)


def _spirals(settings: Synthetic, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    labels = np.arange(_SAMPLES) % settings.classes
    along = rng.uniform(0.15, 1.0, _SAMPLES)
    angle = 2.0 * np.pi * (along + labels / settings.classes)
    features = 0.6 * rng.standard_normal((_SAMPLES, _FEATURES))
    features[:, :2] *= 0.3
    features[:, :2] += 3.0 * along[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return features, labels


def _boxes(settings: Synthetic, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    features = rng.standard_normal((_SAMPLES, _FEATURES))
    leaves = np.zeros(_SAMPLES, dtype=np.int64)
    for number in range(1, 2 * settings.classes):
        largest = leaves == np.bincount(leaves).argmax()
        column = features[:, rng.integers(settings.order)]
        leaves[largest & (column > np.median(column[largest]))] = number
    return features, leaves % settings.classes


def _clusters(settings: Synthetic, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    features, labels = make_classification(
        _SAMPLES,
        _FEATURES,
        n_informative=settings.order,
        n_redundant=0,
        n_classes=settings.classes,
        n_clusters_per_class=2,
        shuffle=False,
        random_state=int(rng.integers(2**31)),
    )
    return features, labels.astype(np.int64)


_MAKERS = {
    "blobs": _blobs,
    "parity": _parity,
    "shells": _shells,
    "spirals": _spirals,
    "boxes": _boxes,
    "clusters": _clusters,
}
