"""The exact noisy simulator: blocks act on the samples or on the observables, whichever costs less.

References:
    S. Aaronson, D. Gottesman, Phys. Rev. A 70, 052328 (2004), for the Heisenberg picture in simulation;
    D. Greenbaum, arXiv:1509.02921, for Pauli transfer matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.arguments import NOTHING, takes
from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import SimulationError
from qkd_qiskit.simulation.amplitude_inputs import AmplitudeContraction, AmplitudeInputs
from qkd_qiskit.simulation.array_ops import array_ops
from qkd_qiskit.simulation.block_matrices import BlockMatrices
from qkd_qiskit.simulation.compiler import compile_circuit
from qkd_qiskit.simulation.contraction import (
    Contraction,
    ProductSamples,
    gradient_bytes,
    particle_bytes,
    slices,
)
from qkd_qiskit.simulation.contraction_plan import ContractionPlan, Network
from qkd_qiskit.simulation.cost_model import Workload, evaluation_seconds
from qkd_qiskit.simulation.encoded_samples import EncodedSamples
from qkd_qiskit.simulation.evaluator import (
    MeasuredCircuit,
    as_measured_circuit,
    check_inputs,
    check_weights,
    flat_weights,
)
from qkd_qiskit.simulation.local_environment import LocalEnvironments
from qkd_qiskit.simulation.noise import apply_readout
from qkd_qiskit.simulation.outcomes import angle_gradient, read_out, to_strings, weight_waves
from qkd_qiskit.simulation.plan_table import plan_table
from qkd_qiskit.simulation.planner import plan_contraction
from qkd_qiskit.simulation.ptm import UNITARY
from qkd_qiskit.simulation.sample_encoder import SampleEncoder
from qkd_qiskit.simulation.state_vector import Loss, StateVectorSimulator
from qkd_qiskit.simulation.threads import one_blas_thread
from qkd_qiskit.vqcnn import VQCNNSpec

Samples = ProductSamples | EncodedSamples | AmplitudeInputs
DEFAULT_MEMORY = 4 * 2**30
# PERF: blocks of this many particles are built together, so that the calls of NumPy are shared.
_BUILT_TOGETHER = 32
# PERF: observables of more particles on states no longer fit the cache.
_STATES_BYTES = 16 * 2**20


class PauliEvaluator:
    """Exact outcome probabilities and gradients of a VQCNN under an Aer noise model.

    The circuit and its noise are fused into real Pauli transfer matrices of at most two qubits. Some of
    them act forwards on all samples at once, the others backwards on the Z-strings of the measured qubits,
    within their light cone; both sides meet in one product. `plan` tells which is where.

    Example:
        >>> import numpy as np
        >>> from qkd_qiskit import PauliEvaluator, VQCNNSpec
        >>> spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", n_outcomes=2)
        >>> evaluator = PauliEvaluator(spec)
        >>> probabilities = evaluator.probabilities(np.zeros((3, spec.n_weights)), np.zeros((5, 8)))
        >>> probabilities.shape
        (3, 5, 2)
    """

    @takes(SimulationError, device=(str, NOTHING))
    def __init__(
        self,
        transpiled: MeasuredCircuit | VQCNNSpec,
        noise_model: NoiseModel | None = None,
        *,
        memory_budget: int = DEFAULT_MEMORY,
        dtype: DTypeLike = np.float64,
        device: str | None = None,
    ) -> None:
        """Compile the circuit.

        Args:
            transpiled: Result of `transpile_verified`, or a spec for its logical circuit.
            noise_model: Aer noise model over the circuit's qubits; None for ideal gates.
            memory_budget: Bytes that the arrays of one call may take together; swarms go through in chunks.
            dtype: `numpy.float64`, or `numpy.float32` for half the time and errors below 1e-6 (2e-7 at 8
                qubits).
            device: Where arrays live: None for NumPy; `"cuda"`, or a library and its device such as
                `"torch:cuda:0"` or `"jax"`, with the extra `gpu`.

        Raises:
            SimulationError: If the circuit cannot be simulated exactly, one particle exceeds the budget, the
                dtype is another one, or the device is not there.
        """
        if noise_model is not None and not isinstance(noise_model, NoiseModel):
            raise SimulationError(f"expected a NoiseModel of Aer, found a {type(noise_model).__name__}")
        source = as_measured_circuit(transpiled)
        dtype = _precision(dtype)
        self._ops = array_ops(device, dtype)
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
        n_data = self._compiled.n_data
        rest = ((qubit,) for qubit in range(n_data, self._compiled.n_qubits))
        given = [tuple(range(n_data)), *rest]
        groups = self._compiled.input_groups if not self._spec.takes_states else given
        self._network = Network.of(self._compiled, groups)
        self._encoder = SampleEncoder(self._compiled, dtype=dtype)
        self._cached: tuple[FloatArray, Samples] | None = None
        self._forecasts: dict[tuple[int, bool], _Forecast] = {}
        self._contractions: dict[bool, Contraction | AmplitudeContraction] = {}
        if self._states is None:
            self._check_budget(1, gradient=False)

    @property
    def spec(self) -> VQCNNSpec:
        """The structure that is evaluated."""
        return self._spec

    @one_blas_thread()
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
        samples = self._entering(inputs)
        # Single precision is asked for where the contraction serves many samples at once.
        states = self._states if self._dtype is np.float64 else None
        if states is not None and self._forecast(len(samples), gradient=False).by_states:
            found = states.probabilities(flat, samples)
        else:
            found = np.empty((len(flat), len(samples), 2 ** len(self._compiled.measured)))
            for part in self._chunks(len(flat), len(samples), gradient=False):
                matrices = self._of_blocks(*self._table.build(weight_waves(self._compiled, flat[part]))[:2])
                found[part] = read_out(
                    self._compiled, self._contraction(samples, gradient=False).values(matrices)
                )
        return found.reshape(*array.shape[:-1], *found.shape[1:])

    @one_blas_thread()
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
        samples = self._entering(inputs)
        states = self._states
        if states is not None and self._forecast(len(samples), gradient=True).by_states:
            values, gradient = states.loss_and_gradient(flat, samples, loss)
        else:
            values, gradient = np.empty(len(flat)), np.empty(flat.shape)
            for part in self._chunks(len(flat), len(samples), gradient=True):
                values[part], gradient[part] = self._gradient(flat[part], samples, loss)
        return values.reshape(array.shape[:-1]), gradient.reshape(array.shape)

    def plan(self, n_samples: int, *, gradient: bool = False) -> ContractionPlan:
        """Return which block acts on which side, and in which order, for a number of samples.

        Args:
            n_samples: Number of samples.
            gradient: Whether a reverse pass follows.
        """
        return self._forecast(n_samples, gradient=gradient).plan

    def plan_table(self, n_samples: int, *, gradient: bool = False) -> str:
        """Return the plan as a table: side, cluster, elements, operations and bytes of every step.

        Example:
            >>> from qkd_qiskit import PauliEvaluator, VQCNNSpec
            >>> print(PauliEvaluator(VQCNNSpec(n_qubits=2, plan="conv")).plan_table(100).splitlines()[0])
            side         block  on       cluster          elements    operations         bytes
        """
        qubits = [block.qubits for block in self._compiled.blocks]
        workload = Workload(n_samples, gradient=gradient, single=self._ops.single)
        return plan_table(self.plan(n_samples, gradient=gradient), workload, qubits)

    def seconds(self, n_samples: int, *, gradient: bool = False) -> float:
        """Return seconds that a particle is predicted to take on all samples, on one core."""
        return self._forecast(n_samples, gradient=gradient).seconds

    @one_blas_thread()
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
        samples = self._prepare(self._entering(inputs))
        plan = plan_contraction(
            self._network, self._workload(samples.n_samples, gradient=False), two_sided=False
        )
        return LocalEnvironments(self._compiled, plan, self._table, array, samples, self._budget)

    def _entering(self, inputs: ArrayLike) -> FloatArray:
        """Check inputs `[N, F]`; return what enters: angles, or ideal states `[N, 2^n]`."""
        samples = check_inputs(inputs, self._spec)
        return samples if not self._spec.takes_states else self._spec.input_encoding.states(samples)

    def _forecast(self, n_samples: int, *, gradient: bool) -> _Forecast:
        """Return what is known of a particle's way beforehand, found once for each number of samples."""
        key = n_samples, gradient
        if key not in self._forecasts:
            workload = self._workload(n_samples, gradient=gradient)
            plan = plan_contraction(self._network, workload, two_sided=not self._spec.takes_states)
            needed = self._particle_bytes(plan, n_samples, gradient=gradient)
            seconds = evaluation_seconds(plan, workload)
            states = self._states
            by_states = states is not None and (
                needed > self._budget or states.seconds(n_samples, gradient=gradient) < seconds
            )
            self._forecasts[key] = _Forecast(plan, seconds, needed, by_states)
        return self._forecasts[key]

    def _workload(self, n_samples: int, *, gradient: bool) -> Workload:
        return Workload.rounded(n_samples, gradient=gradient, single=self._ops.single)

    def _of_blocks(self, pairs: FloatArray, lone: FloatArray) -> list[FloatArray]:
        """Return the array of every block, from those of pairs and of lone qubits."""
        return [
            (lone if block.second is None else pairs)[self._table.slots[k]]
            for k, block in enumerate(self._compiled.blocks)
        ]

    def _contraction(self, inputs: FloatArray, *, gradient: bool) -> Contraction | AmplitudeContraction:
        """Bring inputs into the form of the contraction; keep the last ones, since training repeats them."""
        if self._cached is None or not np.array_equal(self._cached[0], inputs):
            self._cached = inputs.copy(), self._prepare(inputs)
            self._contractions.clear()
        samples = self._cached[1]
        if gradient not in self._contractions:
            plan = self.plan(len(inputs), gradient=gradient)
            self._contractions[gradient] = (
                AmplitudeContraction(plan, samples)
                if isinstance(samples, AmplitudeInputs)
                else Contraction(
                    plan,
                    self._ops,
                    samples,
                    budget=self._budget // 2,
                    seconds=self.seconds(len(inputs), gradient=gradient),
                )
            )
        return self._contractions[gradient]

    def _gradient(self, weights: FloatArray, inputs: FloatArray, loss: Loss) -> tuple[FloatArray, FloatArray]:
        waves = weight_waves(self._compiled, weights)
        pairs, lone, tape = self._table.build(waves)
        values = np.empty(len(weights))
        transposed = [confusion.T for confusion in self._compiled.confusions]

        def respond(part: slice, strings: FloatArray) -> FloatArray:
            values[part], slope = loss(read_out(self._compiled, strings))
            return to_strings(apply_readout(slope, transposed)).astype(self._dtype)

        pair_gradient, lone_gradient = np.zeros_like(pairs), np.zeros_like(lone)
        into = self._of_blocks(pair_gradient, lone_gradient)
        self._contraction(inputs, gradient=True).pull_back(self._of_blocks(pairs, lone), respond, into)
        wave_gradient = self._table.pullback(pair_gradient, lone_gradient, tape)
        return values, angle_gradient(self._compiled, waves, wave_gradient)

    @cached_property
    def _states(self) -> StateVectorSimulator | None:
        """The ideal path by state vectors of NumPy; None under noise, with channels, or on a device."""
        source = self._source
        if source is None or not self._ops.is_numpy:
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

    def _prepare(self, inputs: FloatArray) -> Samples:
        if self._spec.takes_states:
            return AmplitudeInputs(inputs.astype(self._dtype), self._compiled.n_data)
        if self._encoder.joins:
            return EncodedSamples(self._encoder, inputs)
        bloch = self._encoder.single(inputs)
        return ProductSamples(np.ascontiguousarray(np.swapaxes(bloch, 1, 2), dtype=self._dtype))

    def _particle_bytes(self, plan: ContractionPlan, n_samples: int, *, gradient: bool) -> int:
        if self._spec.takes_states:
            kept = sum(plan.observable_sizes) if gradient else 0
            return np.dtype(self._dtype).itemsize * (3 * max(plan.observable_sizes) + kept)
        return (gradient_bytes if gradient else particle_bytes)(plan, self._ops, n_samples)

    def _check_budget(self, n_samples: int, *, gradient: bool) -> int:
        """Return bytes of one particle, if the budget has room for it."""
        needed = self._forecast(n_samples, gradient=gradient).bytes
        if needed > self._budget:
            what = "a particle's gradient" if gradient else "a particle"
            plan = self.plan(n_samples)
            widest = max(map(len, (plan.qubits, *plan.clusters)))
            raise SimulationError(
                f"expected {what} within the memory budget of {_gib(self._budget)}, found "
                f"{widest} qubits at once, which need {_gib(needed)}; raise "
                "memory_budget, measure fewer qubits, or use AerEvaluator"
            )
        return needed

    def _chunks(self, n_particles: int, n_samples: int, *, gradient: bool) -> Iterator[slice]:
        needed = self._check_budget(n_samples, gradient=gradient)
        # Observables of a swarm on states are made all at once; a contraction cuts a swarm itself.
        room = self._budget if not self._spec.takes_states else min(self._budget, _STATES_BYTES)
        return slices(n_particles, min(max(1, room // needed), _BUILT_TOGETHER))


@dataclass(frozen=True)
class _Forecast:
    """What is known of one particle's way before it goes: by states if these alone fit or take less time."""

    plan: ContractionPlan
    seconds: float
    bytes: int
    by_states: bool


def _precision(dtype: DTypeLike) -> type[np.floating]:
    """Return `numpy.float64` or `numpy.float32`."""
    try:
        found = np.dtype(dtype).type
    except TypeError:
        found = None
    for known in (np.float64, np.float32):
        if found is known:
            return known
    raise SimulationError(f"expected the dtype float64 or float32, found {dtype!r}")


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2g} GiB"
