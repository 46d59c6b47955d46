"""What an encoding is: the fitted preprocessing of features, and the gates or states that inputs become."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray

if TYPE_CHECKING:
    # A waiting client checks settings, encodings among them, and needs no Qiskit.
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector


class Encoder(Protocol):
    """Features to encoded inputs; whatever is fitted is fitted on public data only."""

    @property
    def n_qubits(self) -> int:
        """Qubits of the circuit, n."""
        ...

    @property
    def n_features(self) -> int:
        """Columns of the encoded inputs."""
        ...

    def fit(self, features: NDArray[Any]) -> Self:
        """Learn from public features [N, F]; return the encoder itself."""
        ...

    def transform(self, features: NDArray[Any]) -> FloatArray:
        """Encode features [N, F] as inputs [N, n_features]."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that `Encoding.restore_encoder` needs."""
        ...


class Encoding(Protocol):
    """One way from features into a circuit; members inherit what they do not define.

    Attributes:
        name: What settings and specs call it.
        code: Its number in the model index: fixed for ever, and no other encoding's.
        takes_states: Whether inputs are ideal states of a simulation, which no device can run; otherwise
            they are angles of gates that the encoding adds to the circuit.
    """

    name: str
    code: int
    takes_states: bool = False

    @abstractmethod
    def n_features(self, n_qubits: int) -> int:
        """Return the length of one encoded input on a number of qubits."""

    @abstractmethod
    def make_encoder(self, n_qubits: int, image_shape: tuple[int, int] | None = None) -> Encoder:
        """Return an encoder, yet to be fitted.

        Args:
            n_qubits: Qubits of the circuit, at least 1.
            image_shape: Rows and columns of the images; None for features that are no pixels.

        Raises:
            DataError: If a number is out of range.
        """

    @abstractmethod
    def restore_encoder(self, n_qubits: int, arrays: Mapping[str, NDArray[Any]]) -> Encoder:
        """Return the fitted encoder whose `arrays()` these are.

        Args:
            n_qubits: Qubits of the circuit, at least 1.
            arrays: What `arrays()` gave, for example read from an npz file.

        Raises:
            DataError: If arrays are missing or do not fit.
        """

    def array_fault(self, n_qubits: int, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        """Return what is wrong with the shapes of stored arrays, before they are read; None for nothing.

        Args:
            n_qubits: Qubits of the circuit.
            shapes: Shapes of what `restore_encoder` will be given, by name.
        """
        del n_qubits, shapes
        return None

    def append(self, circuit: QuantumCircuit, x: ParameterVector) -> None:
        """Add the gates whose angles are the inputs `x` to an empty circuit; states need none.

        Training, counts and reports know rotations RX, RY and RZ of single qubits.
        """
        del circuit, x

    def fault(self, inputs: FloatArray) -> str | None:
        """Return what is wrong with finite inputs [N, F]; None for nothing."""
        del inputs
        return None

    def feature_space(self, inputs: FloatArray) -> FloatArray:
        """Return inputs [N, F] as the circuit sees them, for distances: the inputs themselves by default.

        Raises:
            DataError: If there cannot be so many inputs.
        """
        return inputs

    def random_inputs(self, n_qubits: int, count: int, *, rng: np.random.Generator) -> FloatArray:
        """Draw encoded inputs [count, F] for checks: angles in radians by default."""
        return rng.uniform(-1.5, 1.5, (count, self.n_features(n_qubits)))
