"""From several clients' outcome probabilities to one distribution over all classes.

Clients hold different class sets. `lift` brings their outputs to the global class set; four rules combine
them, one client after the other: memory for two tables serves any number of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import softmax, xlogy

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.errors import DistillationError

Aggregation = Literal["mean", "coverage", "confidence", "product"]
AGGREGATIONS: tuple[Aggregation, ...] = ("mean", "coverage", "confidence", "product")

# Below the step of float16 near zero a probability tells nothing.
OUTPUT_FLOOR = 1e-6


def lift(outputs: FloatArray, held: IntArray, n_classes: int) -> FloatArray:
    """A client's outputs as a distribution over all classes.

    The mass of the reject outcome is spread evenly over the classes that the client does not hold. Without
    a reject outcome those classes get zero.

    Args:
        outputs: [N, k], or [N, k + 1] with the reject outcome last.
        held: Indices [k] of the client's classes in the global class set.
        n_classes: Number G of all classes.

    Returns:
        Probabilities [N, G], nonnegative; rows sum to one.

    Raises:
        DistillationError: If the number of columns fits neither k nor k + 1.
    """
    k = len(held)
    if outputs.shape[1] not in (k, k + 1):
        raise DistillationError(f"lift: expected {k} or {k + 1} columns, found {outputs.shape[1]}")
    lifted = np.zeros((len(outputs), n_classes))
    lifted[:, held] = outputs[:, :k]
    missing = np.setdiff1d(np.arange(n_classes), held)
    if outputs.shape[1] == k + 1 and len(missing):
        lifted[:, missing] = outputs[:, k:] / len(missing)
    return _normalized(lifted)


def aggregate(
    lifted: Sequence[FloatArray], held: Sequence[IntArray], rejects: Sequence[bool], rule: Aggregation
) -> FloatArray:
    """Combine lifted outputs of at least one client, all of them at hand; see `RunningAggregate`.

    Args:
        lifted: One array [N, G] a client, as `lift` returns it.
        held: Indices of each client's classes.
        rejects: Whether each client has the reject outcome.
        rule: One of the four.

    Returns:
        Probabilities [N, G]; rows sum to one.

    Raises:
        DistillationError: If there is no client, or the rule is unknown.
    """
    if not lifted:
        raise DistillationError("aggregate: expected the outputs of at least one client, found none")
    census = Census(*lifted[0].shape)
    for outputs, classes in zip(lifted, held, strict=True):
        census.count(outputs, classes)
    running = RunningAggregate(rule, census)
    for outputs, classes, reject in zip(lifted, held, rejects, strict=True):
        running.add(outputs, classes, reject)
    return running.combined()


class Census:
    """What is counted of all clients before the first of them can be added up.

    Attributes:
        clients: Number of clients.
        holders: Number of clients that hold each class [G].
        certainty: Sum of the clients' certainties on each sample [N].
    """

    def __init__(self, n_samples: int, n_classes: int) -> None:
        """Count nobody yet.

        Args:
            n_samples: Number N of samples that clients answer.
            n_classes: Number G of all classes.
        """
        self.clients = 0
        self.holders = np.zeros(n_classes, dtype=np.int64)
        self.certainty = np.zeros(n_samples)

    def count(self, lifted: FloatArray, held: IntArray) -> None:
        """Count one client.

        Args:
            lifted: Its outputs [N, G], as `lift` returns them.
            held: Indices of its classes.
        """
        self.clients += 1
        self.holders[held] += 1
        self.certainty += certainty(lifted)


class RunningAggregate:
    """Combines lifted outputs client by client, in memory that does not grow with their number.

    - `mean`: plain average; classes that few clients hold lose.
    - `coverage`: each class averages over the clients that hold it; a class that nobody holds averages over
        all.
    - `confidence`: average weighted per sample by one minus the normalized entropy, so that a client that
      spreads its reject mass counts little.
    - `product`: product of experts; a client without reject outcome says nothing of classes that it does not
      hold: they get the geometric mean of its own.
    """

    def __init__(self, rule: Aggregation, census: Census) -> None:
        """Start with nobody.

        Args:
            rule: One of the four.
            census: Has counted the very clients that will be added.

        Raises:
            DistillationError: If the rule is unknown.
        """
        if rule not in AGGREGATIONS:
            raise DistillationError(f"aggregation: expected one of {', '.join(AGGREGATIONS)}, found {rule!r}")
        self._rule = rule
        self._census = census
        self._sum = np.zeros((len(census.certainty), len(census.holders)))

    def add(self, lifted: FloatArray, held: IntArray, reject: bool) -> None:
        """Add one client.

        Args:
            lifted: Its outputs [N, G], as `lift` returns them.
            held: Indices of its classes.
            reject: Whether it has the reject outcome.
        """
        census = self._census
        if self._rule == "mean":
            self._sum += lifted
        elif self._rule == "coverage":
            # Shares before sums: every client's part of the average is rounded by itself.
            counts = np.where(census.holders > 0, census.holders, census.clients)
            share = (census.holders == 0) / counts
            share[held] = 1.0 / counts[held]
            self._sum += lifted * share
        elif self._rule == "confidence":
            self._sum += lifted * (certainty(lifted) / census.certainty)[:, None]
        else:
            logs = np.log(np.maximum(lifted, OUTPUT_FLOOR))
            missing = np.setdiff1d(np.arange(logs.shape[1]), held)
            if not reject and len(missing):
                logs[:, missing] = logs[:, held].mean(axis=1, keepdims=True)
            self._sum += logs

    def combined(self) -> FloatArray:
        """Probabilities [N, G] of all clients together; rows sum to one."""
        if self._rule == "product":
            return np.asarray(softmax(self._sum, axis=1))
        return _normalized(self._sum / self._census.clients if self._rule == "mean" else self._sum)


def certainty(lifted: FloatArray) -> FloatArray:
    """One minus the normalized entropy of each row, [N], in (0, 1]."""
    entropy = -xlogy(lifted, lifted).sum(axis=1) / np.log(max(lifted.shape[1], 2))
    return np.asarray(np.maximum(1.0 - entropy, OUTPUT_FLOOR))


def _normalized(p: FloatArray) -> FloatArray:
    """Rows scaled to sum to one; a row of zeros becomes uniform."""
    total = p.sum(axis=1, keepdims=True)
    return np.where(total > 0, p / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])
