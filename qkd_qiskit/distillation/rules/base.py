"""What all aggregation rules share: clients are added one after the other, in memory for two tables.

Clients hold different class sets; `lift` has brought their outputs to the global class set before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.distillation.outputs import certainty, normalized


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


class AggregationRule(ABC):
    """Combines lifted outputs client by client, in memory that does not grow with their number.

    Attributes:
        name: What settings and results call the rule.
    """

    name: ClassVar[str]

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

    def combined(self) -> FloatArray:
        """Return the probabilities [N, G] of all clients together; rows sum to one."""
        return normalized(self.total)
