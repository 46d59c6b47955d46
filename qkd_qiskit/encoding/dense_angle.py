"""Dense angles: more features than the angle encoding takes, on the same qubits, without entanglers."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi
from types import MappingProxyType
from typing import TYPE_CHECKING

from qkd_qiskit.encoding.options import Option
from qkd_qiskit.encoding.principal_angles import PrincipalAngles
from qkd_qiskit.encoding.principal_encoding import PrincipalEncoding, layered_order

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector

_SCALE = 0.75


class DenseAngleEncoding(PrincipalEncoding):
    """Inputs are 2nL angles: L layers of RY and RZ on every qubit, the first RY about pi/2.

    Qubits stay in a product, so that training costs what it costs with the angle encoding. A qubit's state
    has two angles of its own; further layers fold further components into them.
    """

    name = "dense_angle"
    code = 9
    options: Mapping[str, Option] = MappingProxyType(
        {"layers": Option(2, 1, 8, "layers of two angles a qubit")}
    )

    def principal_angles(self, n_qubits: int) -> PrincipalAngles:
        """Return 2nL components, the leading ones in the first layer and in the middle of the chain."""
        layers = self.option("layers")
        order = layered_order(n_qubits, layers)
        return PrincipalAngles(n_qubits, 2 * n_qubits * layers, scale=_SCALE, order=order)

    def append(self, circuit: QuantumCircuit, x: ParameterVector) -> None:
        """Add the layers."""
        n = circuit.num_qubits
        for layer in range(self.option("layers")):
            for qubit in range(n):
                first = 2 * n * layer + 2 * qubit
                circuit.ry(x[first] + (0 if layer else pi / 2), qubit)
                circuit.rz(x[first + 1], qubit)

    def gate_counts(self, n_qubits: int) -> dict[str, int]:
        """Return n gates of each kind for each layer."""
        count = n_qubits * self.option("layers")
        return {"ry": count, "rz": count}

    def pairs(self, n_qubits: int) -> tuple[tuple[int, int], ...]:
        """Return none: nothing entangles the qubits."""
        del n_qubits
        return ()
