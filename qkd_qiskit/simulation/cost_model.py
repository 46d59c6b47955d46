"""What an evaluation is predicted to take; only comparisons of the predictions matter.

The constants were measured on one core of a server processor. `make bench` prints predicted beside measured
times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit
from qkd_qiskit.simulation.contraction_plan import (
    ContractionPlan,
    Meeting,
    ObservableStep,
    SampleStep,
)

# Operations a second of products with samples, and of blocks on observables.
_SAMPLE_RATE = 4.5e10
_OBSERVABLE_RATE = 2.0e10
# Seconds for each element that is made by an outer product, moved, or summed up.
_OUTER = 8e-10
_MOVE = 1.2e-9
_SUM = 5e-10
# Seconds of every call, shared by the particles of a chunk.
_CALL = 4e-6
# Seconds of building a block's matrix.
_BUILD = 1.0e-5
# A reverse pass takes two products where the pass forward takes one.
_PASSES = 3.0

# Seconds for each block and element of a state vector, seconds for each block.
_STATE_ELEMENT = 1.7e-9
_STATE_BLOCK = 7e-6
# The same for a gradient by states: seconds for each block, and for each group and element.
_GRADIENT_BLOCK = 6e-5
_GRADIENT_ELEMENT = 3e-8
# Seconds for each sample and element of the unitary that mixes basis states: forward, with a gradient.
_MIX_REAL = (1.3e-10, 4e-10)
_MIX_COMPLEX = (3e-10, 1e-9)


@dataclass(frozen=True)
class Workload:
    """What a plan is for.

    Attributes:
        n_samples: Number of samples.
        gradient: Whether a reverse pass follows.
        single: Whether numbers have single precision.
    """

    n_samples: int
    gradient: bool = False
    single: bool = False

    @classmethod
    def rounded(cls, n_samples: int, *, gradient: bool, single: bool) -> Workload:
        """Return the workload with the next power of two, so that like numbers of samples share a plan."""
        return cls(1 << max(n_samples - 1, 0).bit_length(), gradient, single)

    @property
    def speed(self) -> float:
        """How much faster than in double precision a number is worked on."""
        return 2.0 if self.single else 1.0


def sample_step_seconds(step: SampleStep, workload: Workload) -> float:
    """Return seconds that a step on the samples' side takes for one particle."""
    n = workload.n_samples
    passes = (2.0 if step.shares else _PASSES) if workload.gradient else 1.0
    seconds = passes * sample_step_operations(step, n) / _SAMPLE_RATE
    if not step.shares:
        # PERF: what all particles share is made once.
        moved = 0 if step.permutation is None else step.operand_size
        merged = step.operand_size if len(step.operands) > 1 else 0
        turns = 2.0 if workload.gradient else 1.0
        seconds += turns * n * (_MOVE * moved + _OUTER * merged)
        seconds += (2.0 * n * _SUM * merged) if workload.gradient else 0.0
    return seconds / workload.speed + _CALL


def observable_step_seconds(step: ObservableStep, n_strings: int, workload: Workload) -> float:
    """Return seconds that a step on the observables' side takes for one particle."""
    passes = _PASSES if workload.gradient else 1.0
    seconds = observable_step_operations(step, n_strings) / _OBSERVABLE_RATE
    if step.permutation is not None:
        seconds += _MOVE * n_strings * step.operand_size
    return passes * seconds / workload.speed + _CALL


def meeting_seconds(meeting: Meeting, shared: Sequence[int], n_strings: int, workload: Workload) -> float:
    """Return seconds that the final product takes for one particle."""
    n = workload.n_samples
    passes = _PASSES if workload.gradient else 1.0
    seconds = meeting_operations(meeting, n_strings, n) / _SAMPLE_RATE
    if not set(meeting.joined) <= set(shared) and len(meeting.joined) > 1:
        seconds += _OUTER * n * meeting.joined_size
    left = n_strings * prod(meeting.reduced_sizes)
    for size in reversed(meeting.reduced_sizes):
        seconds += _SUM * n * left
        left //= size
    if meeting.permutation is not None:
        seconds += _MOVE * n_strings * meeting.size
    return passes * seconds / workload.speed + _CALL * (1 + len(meeting.reduced) + len(meeting.joined))


def contraction_seconds(plan: ContractionPlan, workload: Workload) -> float:
    """Return seconds that a contraction takes for one particle, building the blocks left out."""
    seconds = sum(sample_step_seconds(step, workload) for step in plan.sample_steps)
    seconds += sum(observable_step_seconds(step, plan.n_strings, workload) for step in plan.observable_steps)
    return seconds + meeting_seconds(plan.meeting, range(plan.n_groups), plan.n_strings, workload)


def evaluation_seconds(plan: ContractionPlan, workload: Workload) -> float:
    """Return seconds that a particle takes: building its blocks, and their contraction."""
    n_blocks = len(plan.sample_steps) + len(plan.observable_steps)
    passes = _PASSES if workload.gradient else 1.0
    return passes * n_blocks * _BUILD + contraction_seconds(plan, workload)


def sample_step_operations(step: SampleStep, n_samples: int) -> float:
    """Return floating point operations of a step on the samples' side."""
    return 2.0 * n_samples * step.width * step.size


def observable_step_operations(step: ObservableStep, n_strings: int) -> float:
    """Return floating point operations of a step on the observables' side."""
    return 2.0 * n_strings * len(step.rows) * step.size


def meeting_operations(meeting: Meeting, n_strings: int, n_samples: int) -> float:
    """Return floating point operations of the final product."""
    return 2.0 * n_samples * n_strings * meeting.size


def state_seconds(compiled: CompiledCircuit, n_samples: int) -> float:
    """Return seconds a particle takes as state vectors."""
    size = float(2**compiled.n_qubits * n_samples)
    return len(compiled.blocks) * (_STATE_BLOCK + _STATE_ELEMENT * size)


def state_gradient_seconds(compiled: CompiledCircuit, n_groups: int, n_samples: int) -> float:
    """Return seconds that a gradient takes as state vectors."""
    elements = float(2**compiled.n_qubits * n_samples * n_groups)
    return len(compiled.blocks) * _GRADIENT_BLOCK + _GRADIENT_ELEMENT * elements


def mixing_seconds(n_qubits: int, n_basis: int, n_samples: int, *, real: bool, gradient: bool) -> float:
    """Return seconds a particle takes to mix basis states into samples, on top of evolving them."""
    rate = (_MIX_REAL if real else _MIX_COMPLEX)[gradient]
    return rate * n_samples * float(n_basis * 2**n_qubits)
