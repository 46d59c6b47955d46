"""What all aggregation rules share: clients are added one after the other, in memory for a few tables.

Clients hold different class sets; `lift` has brought their outputs to the global class set before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.outputs import certainty, normalized


class Census:
    """What is known of the samples and counted of all clients before the first of them can be added up.

    Attributes:
        clients: Number of clients.
        holders: Number of clients that hold each class [G].
        certainty: Sum of the clients' certainties on each sample [N].
        own: Class probabilities [N, G] of the server's own model; None where it has none.
        labels: Class of each sample that the server knows [N], -1 elsewhere.
        n_originals: Number of samples that are no copies; sample k is a copy of k modulo this number.
    """

    def __init__(
        self,
        n_samples: int,
        n_classes: int,
        *,
        own: FloatArray | None = None,
        labels: IntArray | None = None,
        copies: int = 0,
    ) -> None:
        """Count nobody yet.

        Args:
            n_samples: Number N of samples that clients answer.
            n_classes: Number G of all classes.
            own: Class probabilities [N, G] of the server's own model.
            labels: Class of each sample [N], -1 where the server does not know it; None where it knows none.
            copies: Copies of each original, behind all originals.
        """
        self.n_originals = n_samples // (1 + copies)
        self.clients = 0
        self.holders = np.zeros(n_classes, dtype=np.int64)
        self.certainty = np.zeros(n_samples)
        self.own = own
        self.labels = np.full(n_samples, -1, dtype=np.int64) if labels is None else labels

    def count(self, lifted: FloatArray, held: IntArray) -> None:
        """Count one client.

        Args:
            lifted: Its outputs [N, G], as `lift` returns them.
            held: Indices of its classes.
        """
        self.clients += 1
        self.holders[held] += 1
        self.certainty += certainty(lifted)


class AggregationRule(ABC):
    """Combines lifted outputs client by client, in memory for a few tables of all samples.

    Attributes:
        name: What settings and results call the rule.
        wants_calibrated: Whether calibrated outputs serve it; a rule that learns for itself what a client's
            outputs mean takes them as they are.
    """

    name: ClassVar[str]
    wants_calibrated: ClassVar[bool] = True

    def __init__(self, census: Census) -> None:
        """Start with nobody.

        Args:
            census: Has counted the very clients that will be added.
        """
        self.census = census
        self.total: FloatArray = np.zeros((len(census.certainty), len(census.holders)))

    def add(self, lifted: FloatArray, held: IntArray, reject: bool) -> None:
        """Add one client.

        Args:
            lifted: Its outputs [N, G], as `lift` returns them.
            held: Indices of its classes.
            reject: Whether it has the reject outcome.
        """
        self.total += self.term(lifted, held, reject)

    @abstractmethod
    def term(self, lifted: FloatArray, held: IntArray, reject: bool) -> FloatArray:
        """Return what one client adds to the total [N, G]; the arguments are those of `add`."""

    def again(self) -> bool:
        """Close a pass over the clients; tell whether all are to be added once more, in the same order."""
        return False

    def combined(self) -> FloatArray:
        """Return the probabilities [N, G] of all clients together; rows sum to one."""
        return normalized(self.total)

    def unseen(self, rows: IntArray) -> FloatArray:
        """Return the probabilities [R, G] of samples as if the rule had not learnt their labels.

        Args:
            rows: Samples [R] whose labels the server knows.
        """
        return self.combined()[rows]

    def answer(
        self,
        lifted: Sequence[FloatArray],
        held: Sequence[IntArray],
        rejects: Sequence[bool],
        own: FloatArray | None = None,
    ) -> FloatArray:
        """Combine the same clients' outputs on other samples.

        Args:
            lifted: One array [M, G] a client, in the order in which they were added.
            held: Indices of each client's classes.
            rejects: Whether each client has the reject outcome.
            own: Class probabilities [M, G] of the server's own model; None leaves it out.

        Returns:
            Probabilities [M, G]; rows sum to one.
        """
        return combine(type(self), lifted, held, rejects)


def combine(
    kind: type[AggregationRule],
    lifted: Sequence[FloatArray],
    held: Sequence[IntArray],
    rejects: Sequence[bool],
    *,
    own: FloatArray | None = None,
    labels: IntArray | None = None,
) -> FloatArray:
    """Combine lifted outputs of at least one client, all of them at hand; see `aggregate`."""
    census = Census(*lifted[0].shape, own=own, labels=labels)
    for outputs, classes in zip(lifted, held, strict=True):
        census.count(outputs, classes)
    running = kind(census)
    more = True
    while more:
        for outputs, classes, reject in zip(lifted, held, rejects, strict=True):
            running.add(outputs, classes, reject)
        more = running.again()
    return running.combined()
