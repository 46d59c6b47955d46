"""What encodings of principal components have in common: their preprocessing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from qkd_qiskit.encoding.base import Encoding
from qkd_qiskit.encoding.principal_angles import PrincipalAngles, array_fault


class PrincipalEncoding(Encoding):
    """Inputs are angles, one for each of the first principal components; members say how large."""

    @abstractmethod
    def principal_angles(self, n_qubits: int) -> PrincipalAngles:
        """Return the preprocessing, yet to be fitted."""

    def n_features(self, n_qubits: int) -> int:
        """Return the number of principal components."""
        return self.principal_angles(n_qubits).n_features

    def make_encoder(self, n_qubits: int, image_shape: tuple[int, int] | None = None) -> PrincipalAngles:
        """Return an encoder that has yet to be fitted; images are features like others."""
        del image_shape
        return self.principal_angles(n_qubits)

    def restore_encoder(self, n_qubits: int, arrays: Mapping[str, NDArray[Any]]) -> PrincipalAngles:
        """Return the fitted encoder whose `arrays()` these are."""
        return self.principal_angles(n_qubits).restored(arrays)

    def array_fault(self, n_qubits: int, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        """Return what is wrong: directions are [features, angles], and the mean is [features]."""
        return array_fault(self.n_features(n_qubits), shapes)


def layered_order(n_qubits: int, layers: int) -> tuple[int, ...]:
    """Return the column of each component, for layers of two angles a qubit.

    Column `2 n l + 2 q + k` is angle k of qubit q in layer l. The leading components are the first angles of
    the first layer, qubits from the middle of the chain outwards; then come the second angles, and so on.
    """
    middle = (n_qubits - 1) / 2
    ranked = sorted(range(n_qubits), key=lambda qubit: (abs(qubit - middle), qubit))
    places = ((layer, angle) for layer in range(layers) for angle in range(2))
    return tuple(2 * n_qubits * layer + 2 * qubit + angle for layer, angle in places for qubit in ranked)
