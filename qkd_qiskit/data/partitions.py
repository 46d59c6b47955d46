"""How clients differ, in the terms of NIID-Bench (Li et al., ICDE 2022, arXiv:2102.02079), under its names.

A partition deals out the samples of all clients together. Label skew by a number of classes is
`noniid-#label` with that number, label skew by Dirichlet is `noniid-labeldir`, quantity skew is
`iid-diff-quantity`, and `homo` deals equal parts at random. Feature noise joins any of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.errors import DataError, did_you_mean

LEAST_SAMPLES = 10
"""Samples that each client gets at least from a Dirichlet partition, as in NIID-Bench; but no more than a
quarter of an equal share, where there are few: hardly any draw would give ten to each."""
_DRAWS = 1000
_BY_CLASSES = re.compile(r"noniid-#label([1-9][0-9]{0,4})")

Partition = Callable[[IntArray, int, np.random.Generator], IntArray]
"""Deals samples per class [K] to a number of clients, [clients, K]."""


def partition_named(name: str, beta: float) -> Partition:
    """Return the partition of a name.

    Args:
        name: `homo`, `noniid-labeldir`, `iid-diff-quantity`, or `noniid-#label` and a number of classes.
        beta: Concentration of the Dirichlet distributions, positive.

    Raises:
        DataError: If there is none of this name.
    """
    by_classes = _BY_CLASSES.fullmatch(name)
    if by_classes:
        return lambda stock, n, rng: _by_classes(stock, n, int(by_classes[1]), rng)
    partitions: dict[str, Partition] = {
        "homo": _equal,
        "noniid-labeldir": lambda stock, n, rng: _until_enough(
            lambda: _by_label_shares(stock, n, beta, rng), stock, n, name
        ),
        "iid-diff-quantity": lambda stock, n, rng: _until_enough(
            lambda: _by_quantity(stock, n, beta, rng), stock, n, name
        ),
    }
    if name not in partitions:
        known = ", ".join((*partitions, "noniid-#label1, noniid-#label2 ..."))
        raise DataError(
            f"data.partition: expected one of {known}, found {name!r}{did_you_mean(name, partitions)}"
        )
    return partitions[name]


def _equal(stock: IntArray, n_clients: int, rng: np.random.Generator) -> IntArray:
    """Deal equal parts at random."""
    total = int(stock.sum())
    sizes = [len(part) for part in np.array_split(np.arange(total), n_clients)]
    return _drawn(stock, np.array(sizes), rng)


def _by_quantity(stock: IntArray, n_clients: int, beta: float, rng: np.random.Generator) -> IntArray:
    """Deal parts at random whose sizes are Dirichlet-distributed."""
    return _drawn(stock, _cut(int(stock.sum()), rng.dirichlet(np.full(n_clients, beta))), rng)


def _by_label_shares(stock: IntArray, n_clients: int, beta: float, rng: np.random.Generator) -> IntArray:
    """Deal each class in Dirichlet-distributed shares; who has an equal part of all samples gets no more."""
    held = np.zeros((n_clients, len(stock)), dtype=np.int64)
    for code, there in enumerate(stock):
        shares = rng.dirichlet(np.full(n_clients, beta)) * (held.sum(axis=1) < stock.sum() / n_clients)
        if shares.sum() > 0:
            held[:, code] = _cut(int(there), shares / shares.sum())
    return held


def _by_classes(stock: IntArray, n_clients: int, count: int, rng: np.random.Generator) -> IntArray:
    """Deal each client `count` classes, and each class in equal parts to those that have it.

    Client i has class i, counted round, and others at random. A class that nobody has is left out.
    """
    n_classes = len(stock)
    if count > n_classes:
        raise DataError(f"data.partition: expected at most {n_classes} classes a client, found {count}")
    has = np.zeros((n_clients, n_classes), dtype=np.bool_)
    for client in range(n_clients):
        first = client % n_classes
        others = rng.permutation(np.setdiff1d(np.arange(n_classes), [first]))[: count - 1]
        has[client, [first, *others]] = True
    held = np.zeros(has.shape, dtype=np.int64)
    for code, there in enumerate(stock):
        holders = np.flatnonzero(has[:, code])
        if len(holders):
            held[holders, code] = [len(part) for part in np.array_split(np.arange(there), len(holders))]
    return held


def _until_enough(draw: Callable[[], IntArray], stock: IntArray, n_clients: int, name: str) -> IntArray:
    least = max(1, min(LEAST_SAMPLES, int(stock.sum()) // (4 * n_clients)))
    for _ in range(_DRAWS):
        held = draw()
        if held.sum() == stock.sum() and held.sum(axis=1).min() >= least:
            return held
    raise DataError(
        f"data.partition {name}: expected {least} samples for each of {n_clients} clients, "
        f"found no such dealing of {stock.sum()} in {_DRAWS} draws; a larger data.beta or more samples help"
    )


def _cut(total: int, shares: FloatArray) -> IntArray:
    """Return whole numbers by the cumulated shares, which sum to one; they add up to the total."""
    ends = (np.cumsum(shares)[:-1] * total).astype(np.int64)
    return np.diff(ends, prepend=0, append=total)


def _drawn(stock: IntArray, sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """Return samples per class of parts of given sizes that are drawn at random."""
    codes = rng.permutation(np.repeat(np.arange(len(stock)), stock))
    ends = np.cumsum([0, *sizes])
    return np.stack([np.bincount(codes[a:b], minlength=len(stock)) for a, b in pairwise(ends)])


def noisy_features(
    features: FloatArray, unit: FloatArray | float, variance: float, rng: np.random.Generator
) -> FloatArray:
    """Return features [N, F] with Gaussian noise, as NIID-Bench's feature skew has it.

    Args:
        features: Of one client.
        unit: What the noise is measured in, of each feature [F] or of all.
        variance: Of the noise in these units, nonnegative; for client i of n that is `noise * i / n`.
        rng: Draws the noise.
    """
    return np.asarray(features + np.sqrt(variance) * unit * rng.standard_normal(features.shape))


def hellinger_distances(counts: IntArray) -> FloatArray:
    """Return the Hellinger distances between clients' label distributions.

    Args:
        counts: Samples of each class [clients, K]; at least one sample a client.

    Returns:
        [clients, clients], from 0 for equal distributions to 1 for disjoint ones.
    """
    roots = np.sqrt(counts / counts.sum(axis=1, keepdims=True))
    return np.asarray(np.sqrt(np.maximum(1.0 - roots @ roots.T, 0.0)))
