"""What lifetimes do to a gate: the error that relaxation alone makes, and what an error says of lifetimes."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, prod, sqrt

Lifetimes = tuple[float, float]
"""T1 and T2 in seconds, T2 at most 2 T1."""


def coherence_limit(lifetimes: Sequence[Lifetimes], seconds: float) -> float:
    """Return the average gate error that thermal relaxation alone makes.

    The process fidelity of relaxation on one qubit is (1 + exp(-t/T1) + 2 exp(-t/T2)) / 4; those of several
    qubits multiply, and the average fidelity is (d F + 1) / (d + 1) (Nielsen, Physics Letters A 303:249,
    2002).

    Args:
        lifetimes: T1 and T2 of each qubit of the gate.
        seconds: Its duration t.
    """
    process = prod((1 + exp(-seconds / t1) + 2 * exp(-seconds / t2)) / 4 for t1, t2 in lifetimes)
    dimension = float(2 ** len(lifetimes))
    return 1 - (dimension * process + 1) / (dimension + 1)


def shortest_lifetime(error: float, seconds: float, n_qubits: int) -> float | None:
    """Return the lifetime T = T1 = T2 at which relaxation alone makes a gate's error.

    Args:
        error: Average gate error, 0 to 1.
        seconds: Duration of the gate.
        n_qubits: Its number of qubits.

    Returns:
        Seconds; None where the error sets no bound: it, or the duration, is 0, or it is larger than any
        relaxation.
    """
    dimension = 2**n_qubits
    process = ((1 - error) * (dimension + 1) - 1) / dimension
    if process <= 0 or seconds <= 0:
        return None
    one = process if n_qubits == 1 else sqrt(process)
    decay = (4 * one - 1) / 3
    return -seconds / log(decay) if 0 < decay < 1 else None
