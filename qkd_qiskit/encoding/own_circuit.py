"""Any circuit of the user's as an encoding: a Qiskit feature map, with its parameters as features."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import ParameterExpression, ParameterVector
from qiskit.exceptions import QiskitError

from qkd_qiskit.arguments import takes
from qkd_qiskit.encoding.base import Encoding
from qkd_qiskit.encoding.options import CODES, OWN_CODE
from qkd_qiskit.encoding.principal_angles import PrincipalAngles, array_fault
from qkd_qiskit.errors import DataError

_DIGITS = 20
_NAME = re.compile(r"[A-Za-z]\w{0,39}", re.ASCII)
# Gates that stay as they are; all have at most one angle. Others are written in these.
_BASIS = (
    *("id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "rx", "ry", "rz", "p"),
    *("cx", "cy", "cz", "swap", "ecr", "crx", "cry", "crz", "cp", "rxx", "ryy", "rzz", "rzx"),
)


class CircuitEncoding(Encoding):
    """A circuit whose parameters are the inputs, in the order of `circuit.parameters`.

    Its name is the given one with a digest of the circuit and of the preprocessing behind an `@`; the digest
    is also its code. So a model index stands for this very encoding, and is read wherever it was made.

    Example:
        >>> from qiskit.circuit.library import zz_feature_map
        >>> from qkd_qiskit import CircuitEncoding, VQCNNSpec
        >>> spec = VQCNNSpec(4, encoding=CircuitEncoding(zz_feature_map(4, reps=1), "zz_full"), plan="conv")
        >>> spec.n_features, spec.encoding.partition("@")[0]
        (4, 'zz_full')
    """

    @takes(DataError, circuit=QuantumCircuit, name=str, scale=Real, shift=Real, reach=Real)
    def __init__(
        self,
        circuit: QuantumCircuit,
        name: str = "own",
        *,
        scale: float = 0.75,
        shift: float = 0.0,
        reach: float = np.pi / 2,
    ) -> None:
        """Take a circuit.

        Args:
            circuit: Gates with parameters, without measurements; as wide as the models that it is for.
            name: What it is called, a word.
            scale: Of the preprocessing: the features are principal components, and this is the standard
                deviation of the leading one in radians.
            shift: What the mean of the public features becomes, in radians.
            reach: Where features are clipped on either side of the shift, in radians.

        Raises:
            DataError: If the circuit has no parameter, or anything but gates; or a number or the name is out
                of range.
        """
        if not _NAME.fullmatch(name):
            raise DataError(
                f"encoding: expected a word of at most 40 letters as its name, found {name[:80]!r}"
            )
        self._circuit = _in_basis(circuit, name)
        self._parameters = tuple(circuit.parameters)
        if not self._parameters:
            raise DataError(f"encoding {name}: expected a circuit with parameters, found none")
        self._scale, self._shift, self._reach = float(scale), float(shift), float(reach)
        self._encoder()  # refuses numbers out of range
        digest = self._digest()
        self.name = f"{name}@{digest}"
        self.code = OWN_CODE + CODES * int(digest, 16)

    @property
    def n_qubits(self) -> int:
        """Width of the models that it is for."""
        return int(self._circuit.num_qubits)

    def n_features(self, n_qubits: int) -> int:
        """Return the number of the circuit's parameters.

        Raises:
            DataError: If the circuit has another number of qubits.
        """
        if n_qubits != self._circuit.num_qubits:
            raise DataError(
                f"encoding {self.name}: expected a model of {self._circuit.num_qubits} qubits, the circuit's "
                f"width, found {n_qubits}"
            )
        return len(self._parameters)

    def make_encoder(self, n_qubits: int, image_shape: tuple[int, int] | None = None) -> PrincipalAngles:
        """Return an encoder of principal components, as many as the circuit has parameters."""
        del image_shape
        self.n_features(n_qubits)
        return self._encoder()

    def restore_encoder(self, n_qubits: int, arrays: Mapping[str, NDArray[Any]]) -> PrincipalAngles:
        """Return the fitted encoder whose `arrays()` these are."""
        return self.make_encoder(n_qubits).restored(arrays)

    def array_fault(self, n_qubits: int, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        """Return what is wrong with the shapes of stored arrays."""
        return array_fault(self.n_features(n_qubits), shapes)

    def append(self, circuit: QuantumCircuit, x: ParameterVector) -> None:
        """Add the circuit, its parameters replaced by the inputs."""
        circuit.compose(
            self._circuit.assign_parameters(dict(zip(self._parameters, x, strict=True))), inplace=True
        )

    def _encoder(self) -> PrincipalAngles:
        return PrincipalAngles(
            self._circuit.num_qubits,
            len(self._parameters),
            scale=self._scale,
            shift=self._shift,
            reach=self._reach,
        )

    def _digest(self) -> str:
        """Return a digest of gates and angles, which does not depend on how expressions are written."""
        parts: list[object] = [self._circuit.num_qubits, len(self._parameters)]
        parts += (f"{value:.9e}" for value in (self._scale, self._shift, self._reach))
        points = [
            {
                p: 0.3 + 0.1 * k + 0.37 * ((number * 7919) % 101) / 101
                for number, p in enumerate(self._parameters)
            }
            for k in range(3)
        ]
        for item in self._circuit.data:
            parts.append(item.operation.name)
            parts += (self._circuit.find_bit(qubit).index for qubit in item.qubits)
            for angle in item.operation.params:
                values = [_at(angle, point) for point in points]
                # Rounded, so that the last bits of a sum do not matter.
                parts += (f"{round(value, 9) + 0.0:.9f}" for value in values)
        return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:_DIGITS]


def _at(angle: Any, point: Mapping[Any, float]) -> float:
    if not isinstance(angle, ParameterExpression):
        return float(angle)
    return float(angle.bind({p: point[p] for p in angle.parameters}))


def _in_basis(circuit: QuantumCircuit, name: str) -> QuantumCircuit:
    """Return a circuit in gates on one or two qubits, each with at most one angle."""
    bare = circuit.copy_empty_like()
    for item in circuit.data:
        if item.clbits or getattr(item.operation, "blocks", ()):
            raise DataError(f"encoding {name}: expected gates alone, found {item.operation.name!r}")
        if item.operation.name not in ("barrier", "delay"):
            bare.append(item)
    try:
        found = transpile(bare, basis_gates=list(_BASIS), optimization_level=0)
    except QiskitError as error:
        raise DataError(
            f"encoding {name}: expected gates that Qiskit can write in simple ones: {error}"
        ) from None
    other = set(found.count_ops()) - set(_BASIS)
    if other:
        raise DataError(f"encoding {name}: expected gates alone, found {min(other)!r}")
    plain = QuantumCircuit(circuit.num_qubits)
    for item in found.data:
        plain.append(item.operation, [found.find_bit(qubit).index for qubit in item.qubits])
    return plain
