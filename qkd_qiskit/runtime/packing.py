"""How copies share a device: what a user may choose, what the ledger keeps, which copy measures what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import IntArray


@dataclass(frozen=True)
class PackingOptions:
    """How a device is shared by copies.

    Attributes:
        copies: Copies of each model; None for as many as fit.
        margin: Idle qubits on the shortest way between two copies.
        floor: Least expected success probability, over that of the model's best copy, 0 to 1.
        check: Whether the same samples also run with one copy at a time, in the same job.
    """

    copies: int | None = None
    margin: int = 1
    floor: float = 0.8
    check: bool = False


@dataclass(frozen=True)
class CopyRecord:
    """What the ledger keeps of one copy.

    Attributes:
        model: Number of its model.
        qubits: Physical qubits in chain order.
        two_qubit_gates: Native two-qubit gates.
        esp: Expected success probability.
        bits: Measured bits.
        inputs: Columns of the model's inputs.
    """

    model: int
    qubits: tuple[int, ...]
    two_qubit_gates: int
    esp: float
    bits: int
    inputs: int


@dataclass(frozen=True)
class Packing:
    """Which copy measures which sample; without packing there is one copy.

    Every copy takes one sample a row. Cells that are left over measure the first samples once more.

    Attributes:
        copies: The copies, in the order of their registers and inputs; equally many of each model.
        samples: Samples of each model.
    """

    copies: tuple[CopyRecord, ...]
    samples: int

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Packing:
        """Return the packing that `to_dict` gave."""
        copies = (CopyRecord(**{**one, "qubits": tuple(one["qubits"])}) for one in stored["copies"])
        return cls(tuple(copies), stored["samples"])

    def to_dict(self) -> dict[str, Any]:
        """Return the packing in JSON's types."""
        return {"samples": self.samples, "copies": [asdict(copy) for copy in self.copies]}

    @property
    def n_models(self) -> int:
        """Number of models."""
        return 1 + max(copy.model for copy in self.copies)

    @property
    def copies_of_each(self) -> int:
        """Copies of each model, which is also the samples of each that a row measures."""
        return len(self.copies) // self.n_models

    @property
    def rows(self) -> int:
        """Circuits with their inputs bound that measure every sample."""
        return -(-self.samples // self.copies_of_each)

    @cached_property
    def cells(self) -> IntArray:
        """Number of the sample that each copy measures in each row, [rows, copies]."""
        each = self.copies_of_each
        place = np.arange(len(self.copies)) % each
        return np.asarray((np.arange(self.rows)[:, None] * each + place) % self.samples)

    def spread(self, of_models: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return what each copy gets, [rows, ...], of what the models' samples have, [samples, ...] each."""
        return [of_models[copy.model][self.cells[:, c]] for c, copy in enumerate(self.copies)]

    def columns(self, number: int) -> slice:
        """Return the columns of a copy's inputs, among those of all copies."""
        first = sum(copy.inputs for copy in self.copies[:number])
        return slice(first, first + self.copies[number].inputs)
