"""What an encoding is: the fitted preprocessing of features, and the gates or states that inputs become."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.encoding.options import CODES, Option, check_options, name_with, option_number, split_name
from qkd_qiskit.errors import DataError

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

    Samples enter a simulation in one of two ways. An executable encoding adds gates whose angles are the
    inputs (`append`); simulators run these gates once for each sample, under the device's noise, qubit by
    qubit where nothing entangles them. Inputs of any other encoding are made into ideal states (`states`)
    that no gate prepares, and no device can run it.

    Attributes:
        name: What settings and specs call it, options that are not their defaults included.
        code: Its number in the model index: fixed for ever, and no other encoding's. 0 to 32767 are for the
            package, 32768 to 65534 for encodings of one's own.
        executable: Whether a device can run it: inputs are angles of its gates.
        options: What can be chosen in its name, `zz(reps=1)`, by the option's name.
        values: What was chosen.
    """

    name: str
    code: int
    executable: bool = True
    options: Mapping[str, Option] = MappingProxyType({})
    values: Mapping[str, int] = MappingProxyType({})

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

    def configured(self, values: Mapping[str, int]) -> Self:
        """Return the encoding with other values of its options; the rest are defaults.

        Raises:
            DataError: If there is no such option, or a value is out of range.
        """
        plain, _ = split_name(self.name)
        check_options(plain, self.options, values)
        found = copy(self)
        found.values = MappingProxyType(dict(values))
        found.name = name_with(plain, self.options, values)
        found.code = self.code % CODES + CODES * option_number(self.options, values)
        return found

    def option(self, name: str) -> int:
        """Return what was chosen for an option, or its default."""
        return self.values.get(name, self.options[name].default)

    def append(self, circuit: QuantumCircuit, x: ParameterVector) -> None:
        """Add the gates whose angles are functions of the inputs `x` to an empty circuit; states need none.

        Gates are Qiskit's standard ones on one or two qubits, each with at most one angle. Angles may be any
        expressions of the inputs.
        """
        del circuit, x

    def append_again(self, circuit: QuantumCircuit, x: ParameterVector, qubits: Sequence[int]) -> None:
        """Add rotations by inputs behind the first blocks of the ansatz; none by default.

        Gates are RX, RY and RZ on single qubits.

        Args:
            circuit: The circuit up to there.
            x: The inputs.
            qubits: Qubits of the chain that no pooling has discarded.
        """
        del circuit, x, qubits

    @property
    def comes_again(self) -> bool:
        """Whether `append_again` adds anything."""
        return type(self).append_again is not Encoding.append_again

    def circuit(self, n_qubits: int) -> QuantumCircuit:
        """Return the gates alone as a circuit with the ParameterVector `x`; none where inputs are states."""
        from qiskit import QuantumCircuit
        from qiskit.circuit import ParameterVector

        circuit = QuantumCircuit(n_qubits)
        if self.executable:
            self.append(circuit, ParameterVector("x", self.n_features(n_qubits)))
        return circuit

    def gate_counts(self, n_qubits: int) -> Mapping[str, int]:
        """Return how often each gate occurs, by Qiskit's name: what `circuit` has, counted, by default."""
        return dict(self.circuit(n_qubits).count_ops())

    def pairs(self, n_qubits: int) -> tuple[tuple[int, int], ...]:
        """Return the qubits of each two-qubit gate, in the order in which they act."""
        circuit = self.circuit(n_qubits)
        return tuple(
            (circuit.find_bit(item.qubits[0]).index, circuit.find_bit(item.qubits[1]).index)
            for item in circuit.data
            if len(item.qubits) == 2
        )

    def states(self, inputs: FloatArray) -> FloatArray:
        """Return the ideal real states [N, 2^n] of inputs [N, F], where no gates make them.

        Index bit q of a state is qubit q.

        Raises:
            DataError: If the encoding is executable: its gates make the states.
        """
        del inputs
        raise DataError(f"{self.name} encoding: expected ideal states as inputs, found an encoding of gates")

    def numbers(self, n_qubits: int) -> int:
        """Return how many numbers a sample takes in memory while it is encoded: its inputs by default."""
        return self.n_features(n_qubits)

    def fidelities(self, encoder: Encoder, features: NDArray[Any]) -> FloatArray | None:
        """Return how close prepared states come to what features stand for, without noise.

        Args:
            encoder: A fitted encoder of this encoding.
            features: Features, [N, F].

        Returns:
            Fidelities [N] from 0 to 1; None where the encoding approximates nothing.

        Raises:
            DataError: If the features do not fit the encoder.
        """
        del encoder, features
        return None

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
