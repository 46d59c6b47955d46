"""The basic gates that kernels are strings of.

The order of the thirteen gates follows Zhang, Cai, Lin, *Chinese Journal of Quantum Electronics* 42(1):123,
2025.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qkd_qiskit.arguments import plain
from qkd_qiskit.errors import VQCNNError

GATES: Final = ("X", "Y", "Z", "I", "RX", "RY", "RZ", "CX", "CY", "CZ", "CRX", "CRY", "CRZ")
"""Names of the gates; a gene's `gate` counts them from 1."""

_ONE_QUBIT: Final = ("0", "1")
_TWO_QUBIT: Final = ("01", "10")


@dataclass(frozen=True, order=True)
class Gene:
    """One basic gate on one of the two orientations of a qubit pair.

    Attributes:
        gate: Position in `GATES`, 1 to 13.
        orientation: 0 puts a one-qubit gate on the pair's first qubit and a control on the first qubit;
            1 uses the second.
    """

    gate: int
    orientation: int

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            VQCNNError: If the gate is not 1 to 13, or the orientation neither 0 nor 1.
        """
        object.__setattr__(self, "gate", plain(self.gate))
        object.__setattr__(self, "orientation", plain(self.orientation))
        if type(self.gate) is not int or not 1 <= self.gate <= len(GATES):
            raise VQCNNError(f"gene: expected a gate from 1 to {len(GATES)}, found {self.gate!r}")
        if type(self.orientation) is not int or self.orientation not in (0, 1):
            raise VQCNNError(f"gene: expected orientation 0 or 1, found {self.orientation!r}")

    @classmethod
    def from_string(cls, text: str) -> Gene:
        """Read `RZ0` (gate and qubit) or `CX10` (gate, control, target).

        Args:
            text: One gene; upper and lower case are the same.

        Raises:
            VQCNNError: If the text is no gene.
        """
        word = text.strip().upper()
        name = word.rstrip("01")
        suffix = word[len(name) :]
        if name in GATES:
            places = _TWO_QUBIT if name.startswith("C") else _ONE_QUBIT
            if suffix in places:
                return cls(GATES.index(name) + 1, places.index(suffix))
            raise VQCNNError(f"gene {text!r}: expected {name} to be followed by {' or '.join(places)}")
        raise VQCNNError(
            f"gene {text!r}: expected a gate ({', '.join(GATES)}) and its qubits, as in RZ0, CX01"
        )

    def __str__(self) -> str:
        places = _TWO_QUBIT if self.is_two_qubit else _ONE_QUBIT
        return self.name + places[self.orientation]

    @property
    def name(self) -> str:
        """The gate's name, as in `GATES`."""
        return GATES[self.gate - 1]

    @property
    def is_two_qubit(self) -> bool:
        """Whether the gate acts on both qubits."""
        return self.gate >= 8

    @property
    def is_parametrized(self) -> bool:
        """Whether the gate takes an angle."""
        return "R" in self.name

    @property
    def qubits(self) -> tuple[int, ...]:
        """Positions within the pair that the gate acts on, control first."""
        if self.is_two_qubit:
            return (self.orientation, 1 - self.orientation)
        return (self.orientation,)

    @property
    def axes(self) -> dict[int, str]:
        """The Pauli letter that the gate is diagonal in, for each position it acts on; empty for I.

        A control is diagonal in Z, a target and a one-qubit gate in their own letter.
        """
        if self.name == "I":
            return {}
        if self.is_two_qubit:
            return {self.orientation: "Z", 1 - self.orientation: self.name[-1]}
        return {self.orientation: self.name[-1]}
