"""The samples that the classifier learns from: distinct ones with weights, and parts that are held out."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray

#: Fewer distinct samples than this are too few to hold any out.
FEWEST_HELD_OUT_FROM = 40
#: Samples are held out in up to three parts of a fifth, until so many have been.
_FOLDS, _MOST_PARTS, _ENOUGH = 5, 3, 100


@dataclass(frozen=True, eq=False)
class WeightedSamples:
    """Samples in rising order, none twice, so that neither their order nor how they are repeated matters.

    Attributes:
        features: Features [N, F].
        labels: Class numbers [N].
        weights: How much each counts [N], positive.
    """

    features: FloatArray
    labels: IntArray
    weights: FloatArray

    def __len__(self) -> int:
        return len(self.labels)


def distinct_samples(features: FloatArray, labels: IntArray, weights: FloatArray) -> WeightedSamples:
    """Join samples that are equal in features and class; their weights add up.

    Args:
        features: Features [N, F].
        labels: Class numbers [N].
        weights: Positive weights [N].
    """
    table = np.column_stack([features, labels])
    distinct, place = np.unique(table, axis=0, return_inverse=True)
    total = np.bincount(place.ravel(), weights=weights, minlength=len(distinct))
    return WeightedSamples(
        distinct[:, :-1], distinct[:, -1].astype(np.int64), np.asarray(total, dtype=np.float64)
    )


def held_out_parts(labels: IntArray, *, rng: np.random.Generator) -> list[IntArray]:
    """Draw disjoint parts of a fifth, each class in its share: one of many samples, more of few.

    Args:
        labels: Class numbers [N].
        rng: Draws the rows.

    Returns:
        Row numbers of each part, rising; no part at all where there are too few samples. Of each class at
        least one sample is in no part.
    """
    if len(labels) < FEWEST_HELD_OUT_FROM:
        return []
    shuffled = rng.permutation(len(labels))
    fold = np.empty(len(labels), dtype=np.int64)
    for number in np.unique(labels):
        own = shuffled[labels[shuffled] == number]
        # What is left over of one class goes to other parts than that of the next one.
        fold[own] = (np.arange(len(own)) + number) % _FOLDS
        if len(own) == 1:
            fold[own] = _FOLDS
    wanted = min(ceil(_ENOUGH * _FOLDS / len(labels)), _MOST_PARTS)
    parts = [np.flatnonzero(fold == part) for part in range(wanted)]
    return [part for part in parts if len(part)]


def scaled_features(features: FloatArray) -> FloatArray:
    """Return features over the largest of all, which keeps huge and tiny ones within the range of squares."""
    largest = float(np.abs(features).max(initial=0.0))
    return features / largest if largest > 0 else features
