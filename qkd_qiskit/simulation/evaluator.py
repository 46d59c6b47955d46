"""What training and distillation need of any way to run a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qkd_qiskit.arrays import FloatArray, as_numbers
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.vqcnn import VQCNNSpec, build_circuit, parameter_vectors, without_idle_qubits


@runtime_checkable
class MeasuredCircuit(Protocol):
    """A measured circuit with its spec and all of its parameters, as `transpile_verified` returns it."""

    @property
    def circuit(self) -> QuantumCircuit:
        """The measured circuit."""
        ...

    @property
    def spec(self) -> VQCNNSpec:
        """Its structure."""
        ...

    @property
    def x(self) -> ParameterVector | None:
        """Input parameters; None when inputs are states."""
        ...

    @property
    def w(self) -> ParameterVector:
        """All weights of the spec, removed ones included."""
        ...

    @property
    def input_qubits(self) -> tuple[int, ...]:
        """Circuit qubit of each of the spec's qubits at the start."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Runs one circuit for many weights and inputs."""

    @property
    def spec(self) -> VQCNNSpec:
        """The structure that is evaluated."""
        ...

    def probabilities(self, weights: ArrayLike, inputs: ArrayLike) -> FloatArray:
        """Return outcome probabilities.

        Args:
            weights: Radians, `[..., W]` with all weights of the spec, removed ones included.
            inputs: Encoded samples `[N, F]`.

        Returns:
            `[..., N, 2^m]`; the index is the integer read from `meas`.
        """


class SpecCircuit:
    """A spec's own circuit, untranspiled, in the form of a `MeasuredCircuit`."""

    def __init__(self, spec: VQCNNSpec) -> None:
        self.spec = spec
        self.circuit = build_circuit(spec)
        self.x, self.w = parameter_vectors(self.circuit)
        self.input_qubits = tuple(range(spec.n_qubits))


class ActiveCircuit:
    """A measured circuit cut to its active qubits, renumbered from 0 in rising order.

    It goes with a noise model under the same numbers, as `Device.noise_model_for(active_qubits)` gives it.
    """

    def __init__(self, source: MeasuredCircuit) -> None:
        """Cut `source`, whose circuit may be as wide as its device."""
        self.spec, self.x, self.w = source.spec, source.x, source.w
        self.circuit, self.active_qubits = without_idle_qubits(source.circuit, source.input_qubits)
        self.input_qubits = tuple(map(self.active_qubits.index, source.input_qubits))


def as_measured_circuit(source: MeasuredCircuit | VQCNNSpec) -> MeasuredCircuit:
    """Return the source itself, or the logical circuit of a spec.

    Raises:
        SimulationError: If it is neither.
    """
    if isinstance(source, VQCNNSpec):
        return SpecCircuit(source)
    if not isinstance(source, MeasuredCircuit):
        raise SimulationError(
            f"expected a VQCNNSpec, or what transpile_verified returns, found a {type(source).__name__}"
        )
    return source


def check_weights(weights: ArrayLike, spec: VQCNNSpec) -> FloatArray:
    """Return weights as a finite float64 array `[..., W]`.

    Raises:
        SimulationError: If the last axis is not W or a value is not finite.
    """
    array = as_numbers(weights, SimulationError, "weights")
    if array.ndim == 0 or array.shape[-1] != spec.n_weights:
        raise SimulationError(f"expected weights [..., {spec.n_weights}], found shape {array.shape}")
    if not np.isfinite(array).all():
        raise SimulationError("expected finite weights, found NaN or infinity")
    return array


def flat_weights(weights: FloatArray) -> FloatArray:
    """Return weights `[..., W]` as one list `[P, W]`, also when there are no weights at all."""
    return weights.reshape(int(np.prod(weights.shape[:-1])), weights.shape[-1])


def check_inputs(inputs: ArrayLike, spec: VQCNNSpec) -> FloatArray:
    """Return inputs as a finite float64 array `[N, F]`; states must be normalized.

    Raises:
        SimulationError: If the shape is wrong, a value is not finite, or the encoding knows a fault.
    """
    array = np.ascontiguousarray(as_numbers(inputs, SimulationError, "inputs"))
    if array.ndim != 2 or array.shape[1] != spec.n_features:
        raise SimulationError(f"expected inputs [N, {spec.n_features}], found shape {array.shape}")
    if not np.isfinite(array).all():
        raise SimulationError("expected finite inputs, found NaN or infinity")
    fault = spec.input_encoding.fault(array)
    if fault is not None:
        raise SimulationError(fault)
    return array


def whole_state(state: FloatArray, qubits: Sequence[int], n_qubits: int) -> NDArray[np.complex128]:
    """Return the normalized state `[2^n_qubits]` of all qubits: `state` on some of them, |0> on the others.

    Args:
        state: Amplitudes `[2^k]` on k qubits.
        qubits: Circuit qubit of each bit of the state's index, the least significant first.
        n_qubits: Qubits of the circuit.
    """
    index = np.zeros(len(state), dtype=np.intp)
    for bit, qubit in enumerate(qubits):
        index |= ((np.arange(len(state)) >> bit) & 1) << qubit
    whole = np.zeros(2**n_qubits, dtype=np.complex128)
    whole[index] = state / np.linalg.norm(state)
    return whole
