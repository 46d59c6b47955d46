"""What one sampler job may hold on IBM Quantum, and how samples are cut into such jobs.

Source of the limits, read in 2026: quantum.cloud.ibm.com/docs/guides/job-limits.
"""

from __future__ import annotations

import math
from itertools import pairwise

from qiskit import QuantumCircuit

from qkd_qiskit.errors import SubmissionError

MAX_EXECUTIONS = 10_000_000
MAX_JOB_SECONDS = 3 * 3600
MAX_INSTRUCTIONS = 26_800_000
"""Control-system instructions of one qubit, over all circuits of a job."""
DEFAULT_REP_DELAY = 250e-6
"""Seconds between two executions, where a device tells no other number."""

# The service's own heuristic. Gates that it does not list count like those of their size.
_INSTRUCTIONS = {"rz": 1, "delay": 1, "sx": 2, "x": 2, "cx": 5, "cz": 5, "ecr": 5, "measure": 10, "reset": 17}
_ONE_QUBIT, _TWO_QUBITS, _START = 2, 5, 50
# Decoupling puts two pulses and three delays into a pause, twirling two gates around a gate.
_GROWTH = 3
# The service's rule: as many randomizations, of at least as many shots each.
_RANDOMIZATIONS, _TWIRLED_SHOTS = 32, 64
# The estimates are rough, and a job above a limit is lost.
_SAFETY = 0.8


def instructions_per_qubit(circuit: QuantumCircuit, *, grows: bool = False) -> int:
    """Control-system instructions of the busiest qubit of one circuit.

    Args:
        circuit: An ISA circuit.
        grows: Whether the service adds pulses or gates (dynamical decoupling, twirling).
    """
    counts = dict.fromkeys(circuit.qubits, 0)
    for instruction in circuit.data:
        if instruction.name == "barrier":
            continue
        fallback = _TWO_QUBITS if len(instruction.qubits) > 1 else _ONE_QUBIT
        for qubit in instruction.qubits:
            counts[qubit] += _INSTRUCTIONS.get(instruction.operation.name, fallback)
    busiest = max(counts.values(), default=0)
    return _START + busiest * (_GROWTH if grows else 1)


def executed_shots(shots: int, *, twirling: bool) -> int:
    """Shots that the service executes: twirling shares them among randomizations, and rounds up.

    Args:
        shots: Shots asked for.
        twirling: Whether gates or measurements are twirled.
    """
    if not twirling:
        return shots
    each = max(_TWIRLED_SHOTS, -(-shots // _RANDOMIZATIONS))
    return each * -(-shots // each)


def batch_ranges(
    samples: int,
    shots: int,
    *,
    seconds_each: float,
    instructions_each: int,
    n_calibrations: int = 0,
    batch: int | None = None,
) -> tuple[tuple[int, int], ...]:
    """Cut samples into jobs that stay within the service's limits.

    Args:
        samples: Samples to classify, one circuit each.
        shots: Shots of each circuit.
        seconds_each: Seconds of one execution.
        instructions_each: Instructions of a circuit, see `instructions_per_qubit`.
        n_calibrations: Calibration circuits in every job.
        batch: Most samples in one job; None for as many as the limits allow.

    Returns:
        First and one-behind-last sample of each job; sizes differ by one at most.

    Raises:
        SubmissionError: If not even one sample fits into a job.
    """
    executions = min(MAX_EXECUTIONS, math.floor(_SAFETY * MAX_JOB_SECONDS / seconds_each))
    circuits = math.floor(_SAFETY * MAX_INSTRUCTIONS / instructions_each)
    if circuits < 1 + n_calibrations:
        raise SubmissionError(
            f"circuit: expected at most {math.floor(_SAFETY * MAX_INSTRUCTIONS / (1 + n_calibrations))} "
            f"control instructions a qubit within one job, found {instructions_each}"
        )
    most = min(circuits, executions // shots) - n_calibrations
    if most < 1:
        raise SubmissionError(
            f"shots: expected at most {executions // (1 + n_calibrations)} within one job, found {shots}"
        )
    jobs = -(-samples // min(most, batch or most))
    edges = [samples * job // jobs for job in range(jobs + 1)]
    return tuple(pairwise(edges))
