"""Errors and durations that a prediction uses: those of a chain, or the device's medians."""

from __future__ import annotations

from functools import cached_property
from statistics import median

from qiskit.transpiler import Target

from qkd_qiskit.hardware.counts import idle_fidelity, log_success
from qkd_qiskit.hardware.targets import duration_of, error_of, pulse_gates

Pair = tuple[int, int]


class Rates:
    """Costs on virtual qubits.

    Args:
        target: Usable gates of the device.
        gate: Name of the native two-qubit gate.
        chain: Physical qubit of each virtual one; medians of the device are used when None.
    """

    def __init__(self, target: Target, gate: str, chain: tuple[int, ...] | None) -> None:
        self._target, self._gate, self._chain = target, gate, chain

    def is_forward(self, control: int, target: int) -> bool:
        """Whether the native gate works from control to target; yes where the chain is not known."""
        return self._chain is None or self._place(control, target) in self._target[self._gate]

    def log_pair(self, pair: Pair) -> float:
        """Logarithm of the success of one two-qubit gate."""
        return log_success(self._pair_median[0] if self._chain is None else self._at(error_of, pair))

    def pair_duration(self, pair: Pair) -> float:
        """Seconds of one two-qubit gate."""
        return self._pair_median[1] if self._chain is None else self._at(duration_of, pair)
