"""The exact noisy simulator: one backward contraction a particle serves all samples.

References:
    S. Aaronson, D. Gottesman, Phys. Rev. A 70, 052328 (2004), for the Heisenberg picture in simulation;
    D. Greenbaum, arXiv:1509.02921, for Pauli transfer matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.amplitude_inputs import AmplitudeInputs
from qkd_qiskit.simulation.block_matrices import BlockMatrices, Tape
from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit
from qkd_qiskit.simulation.compiler import compile_circuit
from qkd_qiskit.simulation.contraction import Inputs, ProductInputs
from qkd_qiskit.simulation.contraction_plan import (
    ContractionPlan,
    contract_backward,
    plan_contraction,
    pull_back,
)
from qkd_qiskit.simulation.cost_model import pauli_gradient_seconds, pauli_seconds
from qkd_qiskit.simulation.evaluator import (
    MeasuredCircuit,
    as_measured_circuit,
    check_inputs,
    check_weights,
    flat_weights,
)
from qkd_qiskit.simulation.input_states import EncoderTable
from qkd_qiskit.simulation.local_environment import LocalEnvironments
from qkd_qiskit.simulation.noise import apply_readout
from qkd_qiskit.simulation.outcomes import angle_gradient, read_out, to_strings, weight_waves
from qkd_qiskit.simulation.ptm import UNITARY
from qkd_qiskit.simulation.state_vector import Loss, StateVectorSimulator
from qkd_qiskit.vqcnn import VQCNNSpec

DEFAULT_MEMORY = 4 * 2**30
# PERF: particles of one chunk share array calls; more than this no longer fit the cache at 8 qubits.
_CHUNK_BYTES = 16 * 2**20


class PauliEvaluator:
    """Exact outcome probabilities and gradients of a VQCNN under an Aer noise model.

    The circuit and its noise are fused into real Pauli transfer matrices of at most two qubits. The
    Z-strings on the measured qubits are swept backwards through them, within their light cone, and
    contracted with all samples at once.

    Example:
        >>> import numpy as np
        >>> from qkd_qiskit import PauliEvaluator, VQCNNSpec
        >>> spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", n_outcomes=2)
        >>> evaluator = PauliEvaluator(spec)
        >>> probabilities = evaluator.probabilities(np.zeros((3, spec.n_weights)), np.zeros((5, 8)))
        >>> probabilities.shape
        (3, 5, 2)
    """

    def __init__(
        self,
        transpiled: MeasuredCircuit | VQCNNSpec,
        noise_model: NoiseModel | None = None,
        *,
        memory_budget: int = DEFAULT_MEMORY,
        dtype: type[np.floating] = np.float64,
    ) -> None:
        """Compile the circuit.

        Args:
            transpiled: Result of `transpile_verified`, or a spec for its logical circuit.
            noise_model: Aer noise model over the circuit's qubits; None for ideal gates.
            memory_budget: Bytes that the arrays of one call may take together; swarms go through in chunks.
            dtype: `numpy.float64`, or `numpy.float32` for half the time and errors below 1e-6 (2e-7 at 8
                qubits).

        Raises:
            SimulationError: If the circuit cannot be simulated exactly, or one particle exceeds the budget.
        """
        source = as_measured_circuit(transpiled)
        self._spec = source.spec
        self._dtype = dtype
        self._compiled = compile_circuit(
            source.circuit,
            inputs=source.x,
            weights=source.w,
            input_qubits=source.input_qubits,
            noise_model=noise_model,
        )
        self._budget = memory_budget
        self._source = source if noise_model is None else None
        self._table = BlockMatrices(self._compiled.blocks, dtype)
        self._plan = plan_contraction(self._compiled, use_input_blocks=False)
        self._input_plan = plan_contraction(self._compiled, use_input_blocks=True)
        self._encoders = EncoderTable(self._compiled, 4)
        self._cached: tuple[FloatArray, Inputs] | None = None
        needed = self._particle_bytes(gradient=False)
        if needed > memory_budget and self._states is None:
            raise SimulationError(
                f"expected a light cone within the memory budget of {_gib(memory_budget)}, found "
                f"{len(self._plan.qubits)} qubits, which need {_gib(needed)} a particle; raise "
                "memory_budget, measure fewer qubits, or use AerEvaluator"
            )

    @property
    def spec(self) -> VQCNNSpec:
        """The structure that is evaluated."""
        return self._spec

    @property
    def compiled_circuit(self) -> CompiledCircuit:
        """The compiled circuit."""
        return self._compiled

    def probabilities(self, weights: ArrayLike, inputs: ArrayLike) -> FloatArray:
        """Return outcome probabilities, readout errors included.

        Args:
            weights: Radians, `[..., W]`; weights that transpiling has removed are accepted.
            inputs: Encoded samples `[N, F]`.

        Returns:
            `[..., N, 2^m]`.

        Raises:
            SimulationError: If a shape is wrong or a value is not finite.
        """
        array = check_weights(weights, self._spec)
        flat = flat_weights(array)
        # Single precision is asked for where the contraction serves many samples at once.
        states = self._states if self._dtype is np.float64 else None
        if states is not None:
            samples = check_inputs(inputs, self._spec)
            by_states = states.seconds(len(samples))
            plan = self._choose(len(samples), gradient=False)
            if by_states < pauli_seconds(self._compiled, plan, len(samples)):
                found = states.probabilities(flat, samples)
                return found.reshape(*array.shape[:-1], *found.shape[1:])
        prepared = self._prepare(inputs)
        out = np.empty((flat.shape[0], prepared.n_samples, 2 ** len(self._compiled.measured)))
        plan = self._choose(prepared.n_samples, gradient=False)
        for part in self._chunks(flat.shape[0], gradient=False):
            forward = self._forward(plan, flat[part], prepared, keep=False)
            out[part] = forward.probabilities
        return out.reshape(*array.shape[:-1], *out.shape[1:])

    def loss_and_gradient(
        self, weights: ArrayLike, inputs: ArrayLike, loss: Loss
    ) -> tuple[FloatArray, FloatArray]:
        """Return the exact loss and its gradient under noise, by one reverse pass.

        Args:
            weights: Radians, `[..., W]`.
            inputs: Encoded samples `[N, F]`.
            loss: Maps probabilities `[P, N, 2^m]` to values `[P]` and derivatives of the same shape as its
                input.

        Returns:
            Values `[...]` and gradients `[..., W]`; removed weights have gradient zero.

        Raises:
            SimulationError: If a shape is wrong, a value is not finite, or a particle exceeds the memory
                budget.
        """
        array = check_weights(weights, self._spec)
        flat = flat_weights(array)
        states = self._states
        if states is not None:
            samples = check_inputs(inputs, self._spec)
            by_states = states.seconds(len(samples), gradient=True)
            plan = self._choose(len(samples), gradient=True)
            if by_states < pauli_gradient_seconds(self._compiled, plan, len(samples)):
                values, gradient = states.loss_and_gradient(flat, samples, loss)
                return values.reshape(array.shape[:-1]), gradient.reshape(array.shape)
        prepared = self._prepare(inputs)
        values, gradient = np.empty(flat.shape[0]), np.empty(flat.shape)
        plan = self._choose(prepared.n_samples, gradient=True)
        for part in self._chunks(flat.shape[0], gradient=True):
            forward = self._forward(plan, flat[part], prepared, keep=True)
            values[part], slope = loss(forward.probabilities)
            gradient[part] = self._backward(plan, forward, prepared, slope)
        return values.reshape(array.shape[:-1]), gradient.reshape(array.shape)

    def environments(self, weights: ArrayLike, inputs: ArrayLike) -> LocalEnvironments:
        """Sweep along the circuit, which makes many values of one block's weights cheap to evaluate.

        Args:
            weights: Radians, `[W]`: where the sweep starts.
            inputs: Encoded samples `[N, F]`.

        Raises:
            SimulationError: If a shape is wrong, a value is not finite, or the forward states exceed the
                budget.
        """
        array = check_weights(weights, self._spec)
        if array.ndim != 1:
            raise SimulationError(
                f"expected one weight vector [{self._spec.n_weights}], found shape {array.shape}"
            )
        return LocalEnvironments(
            self._compiled, self._plan, self._table, array, self._prepare(inputs), self._budget
        )

    def _forward(self, plan: ContractionPlan, weights: FloatArray, inputs: Inputs, *, keep: bool) -> _Forward:
        waves = weight_waves(self._compiled, weights)
        pairs, lone, tape = self._table.build(waves)
        matrices = [
            (lone if block.second is None else pairs)[self._table.slots[k]]
            for k, block in enumerate(self._compiled.blocks)
        ]
        observables, operands = contract_backward(plan, matrices, keep=keep)
        if observables.shape[0] != weights.shape[0]:
            observables = np.repeat(observables, weights.shape[0], axis=0)
        values = inputs.values(plan, observables, matrices).astype(np.float64)
        probabilities = read_out(self._compiled, values)
        return _Forward(waves, matrices, tape, observables, operands, probabilities)

    def _backward(
        self, plan: ContractionPlan, forward: _Forward, inputs: Inputs, slope: FloatArray
    ) -> FloatArray:
        transposed = [confusion.T for confusion in self._compiled.confusions]
        value_gradient = to_strings(apply_readout(slope, transposed)).astype(self._dtype)
        n_particles = slope.shape[0]
        pair_gradient = np.zeros((self._table.n_pairs, n_particles, 16, 16), dtype=self._dtype)
        lone_gradient = np.zeros((self._table.n_lone, n_particles, 4, 4), dtype=self._dtype)
        into = [
            (lone_gradient if block.second is None else pair_gradient)[self._table.slots[k]]
            for k, block in enumerate(self._compiled.blocks)
        ]
        flow = inputs.pullback(plan, forward.observables, forward.matrices, value_gradient, into)
        pull_back(plan, forward.matrices, forward.operands, flow, into)
        wave_gradient = self._table.pullback(pair_gradient, lone_gradient, forward.tape)
        return angle_gradient(self._compiled, forward.waves, wave_gradient)

    @cached_property
    def _states(self) -> StateVectorSimulator | None:
        """The ideal path by state vectors; None under noise, or with channels inside."""
        source = self._source
        if source is None:
            return None
        try:
            compiled = compile_circuit(
                source.circuit,
                inputs=source.x,
                weights=source.w,
                input_qubits=source.input_qubits,
                noise_model=None,
                basis=UNITARY,
            )
        except SimulationError:
            return None
        return StateVectorSimulator(compiled, np.complex128 if self._dtype is np.float64 else np.complex64)

    def _prepare(self, inputs: ArrayLike) -> Inputs:
        """Bring inputs into the form of the contraction; keep the last ones, since training repeats them."""
        array = check_inputs(inputs, self._spec)
        if self._cached is not None and np.array_equal(self._cached[0], array):
            return self._cached[1]
        prepared: Inputs
        if self._spec.takes_states:
            prepared = AmplitudeInputs(array.astype(self._dtype), self._compiled.n_data)
        else:
            products = self._encoders.products(array)
            bloch = np.ascontiguousarray(products[..., 0] + products[..., 3])
            prepared = ProductInputs(bloch.astype(self._dtype))
        self._cached = (array.copy(), prepared)
        return prepared

    def _choose(self, n_samples: int, *, gradient: bool) -> ContractionPlan:
        """Let the first blocks act on the inputs where that costs less than on the observables."""
        if self._spec.takes_states:
            return self._plan
        saved = self._plan.operations - self._input_plan.operations
        half = 4 ** -(-len(self._plan.qubits) // 2)
        # PERF: an outer product runs at memory speed: an element costs as much as 30 multiplications.
        extra = 60.0 * n_samples * half
        if gradient:
            # Two more products with the observables lead back to the inputs; three passes save.
            saved *= 3
            extra += 4.0 * n_samples * 4 ** len(self._plan.qubits) * self._plan.n_observables
        return self._input_plan if extra < saved else self._plan

    def _particle_bytes(self, *, gradient: bool) -> int:
        itemsize = np.dtype(self._dtype).itemsize
        kept = sum(self._plan.sizes) if gradient else 0
        return itemsize * (3 * self._plan.peak + kept)

    def _chunks(self, n_particles: int, *, gradient: bool) -> Iterator[slice]:
        needed = self._particle_bytes(gradient=gradient)
        if needed > self._budget:
            raise SimulationError(
                f"expected a particle's gradient within the memory budget of {_gib(self._budget)}, found "
                f"{_gib(needed)}; raise memory_budget or use fewer qubits"
            )
        size = max(1, min(self._budget, _CHUNK_BYTES) // needed)
        for start in range(0, n_particles, size):
            yield slice(start, min(start + size, n_particles))


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2g} GiB"


@dataclass(frozen=True)
class _Forward:
    waves: FloatArray
    matrices: list[FloatArray]
    tape: Tape
    observables: FloatArray
    operands: list[FloatArray]
    probabilities: FloatArray
