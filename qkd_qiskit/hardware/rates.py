"""Errors and durations that a prediction uses: those of a chain, or the device's medians."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import log
from statistics import median
from typing import NamedTuple

from qiskit.transpiler import QubitProperties, Target

from qkd_qiskit.hardware.counts import log_success, relaxation_fidelity
from qkd_qiskit.hardware.targets import Place, duration_of, error_of

_PULSES = ("sx", "rx", "ry")


class Cost(NamedTuple):
    """What one operation costs: the logarithm of its success probability, and seconds."""

    log_success: float
    seconds: float


class Rates:
    """Costs of operations on virtual qubits.

    Args:
        target: Usable gates of the device.
        gate: Name of the native two-qubit gate.
        chain: Physical qubit of each virtual one; the device's medians are used when None.
    """

    def __init__(self, target: Target, gate: str, chain: tuple[int, ...] | None) -> None:
        self._target, self._gate, self._chain = target, gate, chain
        self._pulse_name = next(name for name in _PULSES if name in target.operation_names)

    def is_forward(self, control: int, target: int) -> bool:
        """Return whether the native gate works from control to target; yes where no chain is known."""
        if self._chain is None:
            return True
        return (self._chain[control], self._chain[target]) in self._target[self._gate]

    def pair(self, control: int, target: int) -> Cost:
        """Return the cost of one native two-qubit gate, in the direction that exists."""
        if self._chain is None:
            return self.typical_pair
        place = (self._chain[control], self._chain[target])
        return self._cost(self._gate, place if self.is_forward(control, target) else place[::-1])

    def pulse(self, qubit: int) -> Cost:
        """Return the cost of one physical one-qubit gate."""
        if self._chain is None:
            return self._typical_pulse
        return self._cost(self._pulse_name, (self._chain[qubit],))

    def readout(self, qubit: int) -> Cost:
        """Return the cost of one measurement."""
        return self._typical_readout if self._chain is None else self._cost("measure", (self._chain[qubit],))

    def log_idle(self, qubit: int, seconds: float) -> float:
        """Logarithm of the average fidelity of an idle time."""
        if self._chain is not None:
            return log(relaxation_fidelity(self._lifetimes[self._chain[qubit]], seconds))
        places = [q for (q,) in self._target.qargs_for_operation_name("measure")]
        return log(median(relaxation_fidelity(self._lifetimes[q], seconds) for q in places))

    @cached_property
    def typical_pair(self) -> Cost:
        """Median of all native two-qubit gates."""
        return self._median(self._gate)

    @cached_property
    def _lifetimes(self) -> Sequence[QubitProperties | None]:
        # PERF: a target makes this list anew each time.
        return self._target.qubit_properties or [None] * int(self._target.num_qubits)

    @cached_property
    def _typical_pulse(self) -> Cost:
        return self._median(self._pulse_name)

    @cached_property
    def _typical_readout(self) -> Cost:
        return self._median("measure")

    def _cost(self, name: str, place: Place) -> Cost:
        return Cost(log_success(error_of(self._target, name, place)), duration_of(self._target, name, place))

    def _median(self, name: str) -> Cost:
        costs = [self._cost(name, place) for place in self._target[name]]
        return Cost(median(cost.log_success for cost in costs), median(cost.seconds for cost in costs))
