"""Outcome probabilities from any Qiskit `SamplerV2`: one PUB for all weights and inputs."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit
from qiskit.circuit.library import Initialize
from qiskit.primitives import BaseSamplerV2, BitArray, SamplerPubResult
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit_aer.library import SetDensityMatrix, SetStatevector
from qiskit_aer.noise import NoiseModel
from qiskit_aer.primitives import SamplerV2 as AerSampler

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.bindable import bindable
from qkd_qiskit.simulation.evaluator import (
    MeasuredCircuit,
    as_measured_circuit,
    check_inputs,
    check_weights,
    whole_state,
)
from qkd_qiskit.simulation.noise import cut_to_active
from qkd_qiskit.vqcnn import VQCNNSpec

REGISTER = "meas"
# A density matrix of so many qubits takes a quarter of a gibibyte.
_WIDEST_DENSITY = 12
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sampled:
    """Counts of every outcome, and what they say about the probabilities.

    Attributes:
        counts: How often each outcome was seen, `[..., N, 2^m]`; the index is the integer read from `meas`.
        shots: Shots of each circuit.
    """

    counts: Counts
    shots: int

    @property
    def probabilities(self) -> FloatArray:
        """Relative frequencies `[..., N, 2^m]`."""
        return self.counts / self.shots

    @property
    def standard_errors(self) -> FloatArray:
        """Standard errors of the relative frequencies, `[..., N, 2^m]`.

        They are taken at `(counts + 1/2) / (shots + 1)`, so that an outcome that never came up does not look
        certain.
        """
        p = (self.counts + 0.5) / (self.shots + 1)
        return np.sqrt(p * (1 - p) / self.shots)


class SamplerEvaluator:
    """Outcome probabilities from shots, through any `SamplerV2`.

    All weights and inputs go into one primitive unified bloc (PUB) with an array of parameter values. Counts
    are read from the classical register `meas` by name: helpers that read them by qubit go wrong on circuits
    with a layout.

    Example:
        >>> import numpy as np
        >>> from qkd_qiskit import SamplerEvaluator, VQCNNSpec
        >>> spec = VQCNNSpec(n_qubits=2, plan="conv", kernels="su4")
        >>> evaluator = SamplerEvaluator(spec, shots=100, seed=1)
        >>> sampled = evaluator.sample(np.zeros(spec.n_weights), np.zeros((3, 4)))
        >>> sampled.counts.sum(axis=1)
        array([100, 100, 100])
    """

    @takes(SimulationError, noise_model=(NoiseModel, NOTHING), shots=Integral, seed=(Integral, NOTHING))
    def __init__(
        self,
        transpiled: MeasuredCircuit | VQCNNSpec,
        noise_model: NoiseModel | None = None,
        *,
        sampler: BaseSamplerV2 | None = None,
        shots: int = 1024,
        seed: int | None = None,
    ) -> None:
        """Prepare the circuit.

        Args:
            transpiled: Result of `transpile_verified`, or a spec for its logical circuit.
            noise_model: Aer noise model over the circuit's qubits; None for ideal gates.
            sampler: Runs the circuit as it is, on all of its qubits; its noise and its seed are its own.
                Give `StatevectorSampler` a Generator as its seed: with an integer it draws the same random
                numbers for every row. When omitted, Aer's sampler on the active qubits: from density
                matrices, above twelve noisy qubits from states, with errors drawn shot by shot.
            shots: Shots of each circuit, at least 1.
            seed: Seed of Aer's sampler, at least 0. Every call draws new shots, and equal evaluators draw
                equal ones. None draws a fresh seed.

        Raises:
            SimulationError: If `sampler` comes together with a noise model or a seed, a number is out of
                range, or the circuit has no register `meas` of the spec's size.
        """
        if sampler is not None and (noise_model is not None or seed is not None):
            raise SimulationError("expected noise model and seed inside the sampler, found them beside it")
        if shots < 1 or (seed is not None and seed < 0):
            raise SimulationError(
                f"expected shots of at least 1 and no negative seed, found {shots} and {seed}"
            )
        source = as_measured_circuit(transpiled)
        self._spec, self._shots, self._sampler = source.spec, shots, sampler
        circuit = bindable(source.circuit, noise_model)
        self._noise: NoiseModel | None = None
        self._input_qubits = tuple(source.input_qubits)
        if sampler is None:
            circuit, self._noise, active = cut_to_active(circuit, noise_model, keep=source.input_qubits)
            self._input_qubits = tuple(active.index(qubit) for qubit in source.input_qubits)
        sizes = {register.name: register.size for register in circuit.cregs}
        if sizes.get(REGISTER) != self._spec.n_measured:
            raise SimulationError(
                f"expected a register {REGISTER} of {self._spec.n_measured} bits, found {sizes or 'none'}"
            )
        self._circuit = circuit
        # Beyond that errors are drawn shot by shot.
        self._dense = self._noise is not None and circuit.num_qubits <= _WIDEST_DENSITY
        self._seeds = np.random.SeedSequence(seed)

    @property
    def spec(self) -> VQCNNSpec:
        """The structure that is evaluated."""
        return self._spec

    @property
    def shots(self) -> int:
        """Shots of each circuit."""
        return self._shots

    def probabilities(self, weights: ArrayLike, inputs: ArrayLike) -> FloatArray:
        """Return the relative frequencies of the outcomes.

        Args:
            weights: Radians, `[..., W]`.
            inputs: Encoded samples `[N, F]`.

        Returns:
            `[..., N, 2^m]`.

        Raises:
            SimulationError: If a shape is wrong or a value is not finite.
        """
        return self.sample(weights, inputs).probabilities

    def sample(self, weights: ArrayLike, inputs: ArrayLike) -> Sampled:
        """Return counts of the outcomes, with their standard errors.

        Args:
            weights: Radians, `[..., W]`.
            inputs: Encoded samples `[N, F]`; ideal states make a PUB each.

        Raises:
            SimulationError: If a shape is wrong or a value is not finite.
        """
        array = check_weights(weights, self._spec)
        samples = check_inputs(inputs, self._spec)
        shape = (*array.shape[:-1], len(samples), 2**self._spec.n_measured)
        if 0 in shape:
            return Sampled(np.zeros(shape, dtype=np.int64), self._shots)
        if self._spec.takes_states:
            states = self._spec.input_encoding.states(samples)
            pubs = [parameter_pub(self._prepared(state), array, samples[:1], self._shots) for state in states]
        else:
            pubs = [parameter_pub(self._circuit, array, samples, self._shots)]
        result = self._next_sampler().run(pubs).result()
        counts = [outcome_counts(found, self._spec.n_measured) for found in result]
        return Sampled(np.concatenate(counts, axis=-2), self._shots)

    def _next_sampler(self) -> BaseSamplerV2:
        if self._sampler is not None:
            return self._sampler
        (child,) = self._seeds.spawn(1)
        # Aer takes seeds up to 2^31, and adds to them.
        seed = int(child.generate_state(1)[0]) >> 2
        backend = {
            "method": "density_matrix" if self._dense else "statevector",
            "noise_model": self._noise,
            "max_parallel_experiments": 0,
            # Fused with noise, Aer's gates may fail: https://github.com/Qiskit/qiskit-aer/issues/2455
            "fusion_enable": self._noise is None or self._dense,
        }
        return AerSampler(seed=seed, options={"backend_options": backend})

    def _prepared(self, state: FloatArray) -> QuantumCircuit:
        circuit = self._circuit.copy_empty_like()
        if self._noise is None:
            circuit.append(Initialize(state / np.linalg.norm(state)), self._input_qubits)
        else:
            # Aer's density matrices know no `initialize`; they take the state of all qubits at once.
            full = whole_state(state, self._input_qubits, circuit.num_qubits)
            first = SetDensityMatrix(np.outer(full, full.conj())) if self._dense else SetStatevector(full)
            circuit.append(first, circuit.qubits)
        return circuit.compose(self._circuit)


def parameter_pub(
    circuit: QuantumCircuit, weights: FloatArray, inputs: FloatArray, shots: int | None
) -> SamplerPub:
    """Return one PUB of a circuit at all weights and inputs.

    Args:
        circuit: Carries elements of the ParameterVectors `x` and `w`, not necessarily all of them.
        weights: Radians, `[..., W]`.
        inputs: Encoded samples `[N, F]`.
        shots: Shots of each circuit; None leaves them to the sampler.

    Returns:
        A PUB of shape `[..., N]`.
    """
    parameters = tuple(circuit.parameters)
    shape = (*weights.shape[:-1], len(inputs))
    values = np.empty((*shape, len(parameters)))
    for column, parameter in enumerate(parameters):
        if parameter.vector.name == "x":
            values[..., column] = inputs[:, parameter.index]
        else:
            values[..., column] = weights[..., None, parameter.index]
    bindings = BindingsArray({parameters: values} if parameters else None, shape=shape)
    return SamplerPub(circuit, bindings, shots=shots)


def outcome_counts(result: SamplerPubResult, n_measured: int, *, register: str = REGISTER) -> Counts:
    """Return counts `[..., 2^m]` of the integers that a register of a PUB holds.

    Args:
        result: What a sampler returned for a PUB of shape `[...]`.
        n_measured: Bits of the register, m.
        register: Its name.

    Raises:
        SimulationError: If there is no such register, or it has another size.
    """
    bits = getattr(result.data, register, None)
    if not isinstance(bits, BitArray) or bits.num_bits != n_measured:
        found = ", ".join(f"{name} of {result.data[name].num_bits} bits" for name in result.data)
        raise SimulationError(
            f"expected counts of {register} with {n_measured} bits, found {found or 'none'}"
        )
    read = np.zeros(bits.array.shape[:-1], dtype=np.int64)
    for byte in np.moveaxis(bits.array, -1, 0):
        read = read << 8 | byte
    rows = read.reshape(-1, bits.num_shots)
    size = 2**n_measured
    flat = (np.arange(len(rows))[:, None] * size + rows).ravel()
    return np.bincount(flat, minlength=len(rows) * size).reshape(*bits.shape, size)
