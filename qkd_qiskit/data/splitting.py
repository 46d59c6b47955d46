"""Who holds which samples: public parts, the test set, and clients with skewed labels and sizes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import IntArray
from qkd_qiskit.config import Label
from qkd_qiskit.data.dataset import as_labels, describe_classes
from qkd_qiskit.data.partitions import Partition
from qkd_qiskit.errors import DataError


@dataclass(frozen=True)
class ClientShare:
    """What one client is to hold.

    Attributes:
        samples: Number of samples; different numbers make the quantity skew.
        classes: Classes of these samples, in equal parts as far as there are enough; one class is
            legal. None takes all classes: in their natural proportions, or Dirichlet-skewed.
        name: The client's name in error messages.
    """

    samples: int
    classes: tuple[Label, ...] | None = None
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class SplitSizes:
    """Numbers of samples that no client gets, in the order in which they are dealt.

    Attributes:
        public_train: Public training samples, at least 1.
        public_unlabelled: Public samples whose labels stay unused, at least 0.
        public_calibration: Public calibration samples, at least 0.
        public_validation: Public validation samples, at least 1.
        test: Test samples, at least 1.
    """

    public_train: int
    public_unlabelled: int = 0
    public_calibration: int
    public_validation: int
    test: int


@dataclass(frozen=True)
class Split:
    """Disjoint parts of a dataset, as sample indices in random order.

    Attributes:
        public_train: Public samples whose labels the server trains on, [public_train].
        public_unlabelled: Public samples whose labels nobody uses, [public_unlabelled].
        public_calibration: Public samples that calibrate teachers, [public_calibration].
        public_validation: Public samples that choose settings, [public_validation].
        test: Samples kept back until the end, [test].
        clients: One array per client, private, [samples] each.
    """

    public_train: IntArray
    public_unlabelled: IntArray
    public_calibration: IntArray
    public_validation: IntArray
    test: IntArray
    clients: tuple[IntArray, ...]

    @property
    def public(self) -> IntArray:
        """All public samples: train, unlabelled, calibration, validation."""
        return np.concatenate(
            [self.public_train, self.public_unlabelled, self.public_calibration, self.public_validation]
        )


def make_split(
    labels: NDArray[Any],
    sizes: SplitSizes,
    clients: Sequence[ClientShare],
    *,
    dirichlet: float | None = None,
    partition: Partition | None = None,
    rng: np.random.Generator,
) -> Split:
    """Deal the samples out; none goes to two places.

    The public parts and the test set are stratified: each holds the classes in the proportions of the
    dataset, to within one sample. Clients get theirs from the rest. Whenever a dealing exists that
    gives every client its number of samples from its classes, one is found: where a class runs out,
    clients that can do without pass theirs on.

    Args:
        labels: Class of each sample, [N].
        sizes: Numbers of samples of the public parts and the test set.
        clients: What each client is to hold; at least one client.
        dirichlet: Concentration of the symmetric Dirichlet distribution that the class proportions
            of clients without explicit classes are drawn from: 0.1 skews strongly, 100 hardly
            (after Hsu, Qi, Brown, arXiv:1909.06335). None does not skew.
        partition: Deals the sum of the clients' samples, whatever their classes; see `partition_named`.
        rng: Source of all randomness.

    Raises:
        DataError: If a number is out of range, only one class is there, a client's class does not
            occur, there are too few samples, or a partition and a skew are both asked for.
    """
    labels = as_labels(labels, "labels")
    classes = np.unique(labels)
    if len(classes) < 2:
        raise DataError(f"expected at least two classes in the experiment, found only {classes[0]!s}")
    if dirichlet is not None and not (np.isfinite(dirichlet) and dirichlet > 0):
        raise DataError(f"expected a positive Dirichlet concentration, found {dirichlet}")
    if partition is not None and dirichlet is not None:
        raise DataError("expected data.partition or data.dirichlet, found both")
    parts_of = asdict(sizes)
    for part, size in parts_of.items():
        least = 0 if part in ("public_unlabelled", "public_calibration") else 1
        if size < least:
            raise DataError(f"{part}: expected at least {least} samples, found {size}")
    if not clients:
        raise DataError("expected at least one client, found none")
    return deal(labels, sizes, clients, dirichlet=dirichlet, partition=partition, rng=rng)


def deal(
    labels: NDArray[Any],
    sizes: SplitSizes,
    clients: Sequence[ClientShare],
    *,
    dirichlet: float | None = None,
    partition: Partition | None = None,
    rng: np.random.Generator,
) -> Split:
    """Deal the samples out as `make_split` does, where clients and parts may be none.

    Args:
        labels: Class of each sample, [N], as `as_labels` returns them.
        sizes: Numbers of samples of the public parts and the test set, each at least 0.
        clients: What each client is to hold.
        dirichlet: As for `make_split`.
        partition: As for `make_split`.
        rng: Source of all randomness.

    Raises:
        DataError: If a client's class does not occur, or there are too few samples.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    allowed = _allowed_classes(clients, tuple(classes.tolist()))
    stock = np.bincount(codes)
    drawn = _draw_common(stock, asdict(sizes), rng)
    left = stock - drawn.sum(axis=0)
    if partition is None:
        held = _deal(left, clients, allowed, _wishes(left, clients, allowed, dirichlet, rng), rng)
    else:
        held = _partitioned(left, clients, partition, rng)

    # One shuffled queue per class: every part takes the next samples of it, so no sample goes twice.
    queues = [rng.permutation(np.flatnonzero(codes == code)) for code in range(len(classes))]
    taken = np.zeros(len(classes), dtype=np.int64)
    parts: list[IntArray] = []
    for counts in np.vstack([drawn, held]):
        chosen = [q[start : start + count] for q, start, count in zip(queues, taken, counts, strict=True)]
        parts.append(rng.permutation(np.concatenate(chosen)).astype(np.int64))
        taken += counts
    train, unlabelled, calibration, validation, kept_back, *private = parts
    return Split(train, unlabelled, calibration, validation, kept_back, tuple(private))


def _allowed_classes(clients: Sequence[ClientShare], classes: tuple[Label, ...]) -> NDArray[np.bool_]:
    """Return which client may hold which class, [clients, K]."""
    allowed = np.ones((len(clients), len(classes)), dtype=np.bool_)
    for number, client in enumerate(clients):
        if client.samples < 1:
            raise DataError(f"{_who(client, number)}: expected at least 1 sample, found {client.samples}")
        if client.classes is None:
            continue
        if not client.classes or len(set(client.classes)) != len(client.classes):
            raise DataError(
                f"{_who(client, number)}: expected different classes, found {list(client.classes)}"
            )
        absent = [label for label in client.classes if label not in classes]
        if absent:
            raise DataError(
                f"{_who(client, number)}: class {absent[0]!r} does not occur; {describe_classes(classes)}"
            )
        allowed[number] = [label in client.classes for label in classes]
    return allowed


def _who(client: ClientShare, number: int) -> str:
    return f"client {client.name} (number {number})" if client.name else f"client number {number}"


def _draw_common(stock: IntArray, sizes: dict[str, int], rng: np.random.Generator) -> IntArray:
    """Return samples per class of the public parts and the test set, [5, K]."""
    drawn = np.zeros((len(sizes), len(stock)), dtype=np.int64)
    for row, (part, size) in enumerate(sizes.items()):
        left = stock - drawn.sum(axis=0)
        if size > left.sum():
            there = f"only {left.sum()} of {stock.sum()} are left for it"
            raise DataError(f"{part}: expected {size} samples, {there}")
        drawn[row] = round_to_total(stock * (size / stock.sum()), size, left, rng=rng)
    return drawn


def round_to_total(
    shares: NDArray[np.float64], total: int, most: IntArray, *, rng: np.random.Generator
) -> IntArray:
    """Return whole numbers near the shares that add up to the total (largest remainder).

    Args:
        shares: Wished numbers, nonnegative, [K].
        total: Sum of the result, at most the sum of `most`.
        most: Upper bounds, [K].
        rng: Decides between equal remainders, so that no class is always favoured.

    Returns:
        Counts, [K]. Where bounds cut shares off, the rest goes evenly to the others.
    """
    counts = np.minimum(np.floor(shares).astype(np.int64), most)
    while (missing := total - int(counts.sum())) > 0:
        open_classes = np.flatnonzero(counts < most)
        behind = (shares - counts)[open_classes]
        order = open_classes[np.lexsort((rng.random(len(open_classes)), -behind))]
        each = max(1, missing // len(order)) if missing > len(order) else 1
        for code in order[:missing]:
            counts[code] += min(each, most[code] - counts[code])
    return counts


def _wishes(
    left: IntArray,
    clients: Sequence[ClientShare],
    allowed: NDArray[np.bool_],
    dirichlet: float | None,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return what clients would get of each class if all classes had plenty, [clients, K]."""
    wishes = np.zeros(allowed.shape)
    for number, client in enumerate(clients):
        if client.classes is not None:
            shares = allowed[number].astype(np.float64)
        elif dirichlet is not None:
            shares = rng.dirichlet(np.full(len(left), dirichlet))
        else:
            shares = left.astype(np.float64)
        wishes[number] = client.samples * shares / max(shares.sum(), np.finfo(np.float64).tiny)
    return wishes


def _deal(
    left: IntArray,
    clients: Sequence[ClientShare],
    allowed: NDArray[np.bool_],
    wishes: NDArray[np.float64],
    rng: np.random.Generator,
) -> IntArray:
    """Deal samples per client and class, [clients, K], near the wishes and within what is left."""
    stock, left = left, left.copy()
    held = np.zeros(allowed.shape, dtype=np.int64)
    for number, client in enumerate(clients):
        reachable = np.where(allowed[number], left, 0)
        total = min(client.samples, int(reachable.sum()))
        held[number] = round_to_total(wishes[number], total, reachable, rng=rng)
        left -= held[number]
        for _ in range(client.samples - int(held[number].sum())):
            if not _pass_on(number, held, left, allowed):
                wanted = f"classes {', '.join(map(str, client.classes))}" if client.classes else "any class"
                raise DataError(
                    f"{_who(client, number)}: expected {client.samples} samples of {wanted}, "
                    f"only {held[number].sum()} can be had: {stock[allowed[number]].sum()} are left after "
                    "public parts and test, and the clients before it need theirs"
                )
    return held


def _partitioned(
    left: IntArray, clients: Sequence[ClientShare], partition: Partition, rng: np.random.Generator
) -> IntArray:
    """Deal the sum of the clients' samples by a partition, [clients, K]."""
    total, there = sum(client.samples for client in clients), int(left.sum())
    if total > there:
        raise DataError(f"clients: expected {total} samples in all, only {there} are left for them")
    held = partition(
        round_to_total(np.asarray(left * (total / there)), total, left, rng=rng), len(clients), rng
    )
    for number, counts in enumerate(held):
        if not counts.sum():
            raise DataError(f"{_who(clients[number], number)}: the partition leaves it no sample")
    return held


def _pass_on(number: int, held: IntArray, left: IntArray, allowed: NDArray[np.bool_]) -> bool:
    """Give one client one more sample by a chain of swaps (an augmenting path); False if none exists."""
    came_from: dict[int, tuple[int, int] | None] = dict.fromkeys(np.flatnonzero(allowed[number]).tolist())
    waiting = deque(came_from)
    while waiting:
        code = waiting.popleft()
        if left[code] > 0:
            left[code] -= 1
            while (step := came_from[code]) is not None:
                giver, freed = step
                held[giver, code] += 1
                held[giver, freed] -= 1
                code = freed
            held[number, code] += 1
            return True
        for giver in np.flatnonzero(held[:, code]).tolist():
            for other in np.flatnonzero(allowed[giver]).tolist():
                if other not in came_from:
                    came_from[other] = (giver, code)
                    waiting.append(other)
    return False
