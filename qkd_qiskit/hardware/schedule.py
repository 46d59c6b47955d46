"""As-late-as-possible schedule of a prediction's steps: duration, idle times and success probability."""

from __future__ import annotations

from dataclasses import dataclass

from qkd_qiskit.hardware.pulses import PulseStep
from qkd_qiskit.hardware.rates import Rates


@dataclass(frozen=True)
class Schedule:
    """What a schedule costs.

    Attributes:
        duration: Seconds from the first gate to the last measurement.
        idle: Idle seconds that matter on each virtual qubit: after its first gate (or the start), and before
            its last two-qubit gate or measurement.
        log_success: Logarithm of the expected success probability.
    """

    duration: float
    idle: tuple[float, ...]
    log_success: float


def schedule_late(
    steps: tuple[PulseStep, ...], n_qubits: int, rates: Rates, *, from_start: bool = False
) -> Schedule:
    """Schedule steps as late as possible.

    Args:
        steps: In the order in which they act.
        n_qubits: Number of virtual qubits.
        rates: Costs of the steps.
        from_start: Whether qubits hold a state from the start of the circuit, not from their first gate on.
    """
    # Clocks run backwards, from the end of the circuit.
    clock = [0.0] * n_qubits
    idle = [0.0] * n_qubits
    needed = [False] * n_qubits
    log_success = 0.0
    for step in reversed(steps):
        if step.kind == "pair":
            cost = rates.pair(*step.qubits)
        elif step.kind == "measure":
            cost = rates.readout(*step.qubits)
        else:
            cost = None
        if cost is not None:
            end = max(clock[q] for q in step.qubits)
            for q in step.qubits:
                idle[q] += (end - clock[q]) * needed[q]
                clock[q], needed[q] = end + cost.seconds, True
            log_success += cost.log_success
        for q, pulses in zip(step.qubits, step.pulses, strict=True):
            pulse = rates.pulse(q)
            clock[q] += pulses * pulse.seconds
            log_success += pulses * pulse.log_success
    duration = max(clock)
    if from_start:
        idle = [seconds + duration - busy for seconds, busy in zip(idle, clock, strict=True)]
    log_success += sum(rates.log_idle(q, seconds) for q, seconds in enumerate(idle))
    return Schedule(duration=duration, idle=tuple(idle), log_success=log_success)
