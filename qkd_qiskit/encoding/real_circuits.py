"""Circuits of RY and CZ: their states are real, and their gates act on neighbours of a chain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector


@dataclass(frozen=True)
class RealCircuit:
    """A fixed sequence of gates on qubits in |0>; angles are its only parameters.

    Attributes:
        n_qubits: Length of the chain, n.
        gates: In the order in which they act: `(qubit,)` is an RY with the next angle, `(a, b)` a CZ.
    """

    n_qubits: int
    gates: tuple[tuple[int, ...], ...]

    @cached_property
    def n_angles(self) -> int:
        """Number of RY."""
        return sum(len(gate) == 1 for gate in self.gates)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Qubits of each CZ, in order."""
        return tuple((gate[0], gate[1]) for gate in self.gates if len(gate) == 2)

    @cached_property
    def steps(self) -> tuple[int | NDArray[np.float32], ...]:
        """What acts on states: a qubit to turn, or the signs [2^n, 1] of CZ that follow each other."""
        index = np.arange(1 << self.n_qubits)[:, None]
        steps: list[int | NDArray[np.float32]] = []
        for gate in self.gates:
            if len(gate) == 1:
                steps.append(gate[0])
                continue
            both = (index >> gate[0]) & (index >> gate[1]) & 1
            signs = (1 - 2 * both).astype(np.float32)
            if steps and not isinstance(steps[-1], int):
                steps[-1] = steps[-1] * signs
            else:
                steps.append(signs)
        return tuple(steps)

    def append(self, circuit: QuantumCircuit, x: ParameterVector) -> None:
        """Add the gates, with the angles `x`."""
        angle = iter(x)
        for gate in self.gates:
            if len(gate) == 1:
                circuit.ry(next(angle), gate[0])
            else:
                circuit.cz(*gate)

    def states(self, angles: FloatArray) -> FloatArray:
        """Return the states [N, 2^n] of angles [N, n_angles] in radians; index bit q is qubit q."""
        columns = np.zeros((1 << self.n_qubits, len(angles)))
        columns[0] = 1
        turns = iter(range(self.n_angles))
        for step in self.steps:
            if isinstance(step, int):
                half = angles[:, next(turns)] / 2
                turn(columns, step, np.cos(half), np.sin(half))
            else:
                columns *= step
        return np.ascontiguousarray(columns.T)


def turn(columns: NDArray[Any], qubit: int, cosine: NDArray[Any], sine: NDArray[Any]) -> None:
    """Apply an RY to states in place.

    Args:
        columns: States [2^n, N], each a column.
        qubit: On which it acts.
        cosine: Cosines of half the angles, [N].
        sine: Sines of half the angles, [N].
    """
    view = columns.reshape(-1, 2, 1 << qubit, columns.shape[1])
    low, high = view[:, 0], view[:, 1]
    risen = sine * low
    low *= cosine
    low -= sine * high
    high *= cosine
    high += risen


def staircase(n_qubits: int, layers: int) -> RealCircuit:
    """Return matrix product states of bond dimension 2, prepared site by site, layer upon layer.

    A block between neighbours is RY on both, CZ, RY on both, CZ, RY on both: any real rotation of two qubits.
    Blocks run along the chain, each on a new qubit and the last one's; one layer reaches every real matrix
    product state of bond dimension 2. Layers are those of Rudolph et al., arXiv:2209.00595. The very first
    block acts on |00>, where one CZ is enough.
    """
    gates: list[tuple[int, ...]] = [(qubit,) for qubit in range(n_qubits)]
    for layer in range(layers):
        for a in range(n_qubits - 1):
            for _ in range(1 if layer == a == 0 else 2):
                gates += [(a, a + 1), (a,), (a + 1,)]
    return RealCircuit(n_qubits, tuple(gates))


def brickwall(n_qubits: int, layers: int) -> RealCircuit:
    """Return layers of CZ on pairs of neighbours, even pairs and odd pairs in turn, with RY between them."""
    gates: list[tuple[int, ...]] = [(qubit,) for qubit in range(n_qubits)]
    for layer in range(layers):
        for a in range(layer % 2, n_qubits - 1, 2):
            gates += [(a, a + 1), (a,), (a + 1,)]
    return RealCircuit(n_qubits, tuple(gates))
