"""Native gates of an ISA circuit, counted, and what they cost in success probability and time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import exp, log

from qiskit import QuantumCircuit
from qiskit.transpiler import QubitProperties, Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.targets import duration_of, error_of

_FREE = frozenset({"barrier", "delay", "measure", "reset"})
_LOG_ZERO = -1e9


@dataclass(frozen=True)
class Range:
    """A figure that is known within bounds; the three are equal where it is known exactly."""

    low: int
    mid: int
    high: int


@dataclass(frozen=True)
class NativeCounts:
    """Native gates of one circuit on one device.

    Attributes:
        two_qubit: Number of two-qubit gates; for a routed prediction the middle of the range.
        one_qubit: Number of one-qubit gates, virtual `rz` included.
        two_qubit_depth: Longest chain of two-qubit gates.
        esp: Expected success probability, 0 to 1: (1 - error) of all gates and measurements, and the average
            fidelity of each idle time's relaxation, multiplied.
        duration: Seconds from the first gate to the last measurement.
        two_qubit_range: Range of `two_qubit`.
    """

    two_qubit: int
    one_qubit: Range
    two_qubit_depth: int
    esp: float
    duration: float
    two_qubit_range: Range

    def to_dict(self) -> dict[str, object]:
        """Return the same as plain data; ranges of counted figures become plain numbers."""
        plain = asdict(self)
        for key in ("one_qubit", "two_qubit_range"):
            found: Range = getattr(self, key)
            if found.low == found.high:
                plain[key] = found.mid
        if self.two_qubit_range.low == self.two_qubit_range.high:
            del plain["two_qubit_range"]
        return plain


def exactly(count: int) -> Range:
    """Range of a figure that is known exactly."""
    return Range(count, count, count)


def idle_fidelity(target: Target, qubit: int, seconds: float) -> float:
    """Average fidelity of an idle time on one qubit of a target; 1 where its lifetimes are unknown.

    Args:
        target: Whose qubit lifetimes count.
        qubit: Physical qubit.
        seconds: Idle time.
    """
    return relaxation_fidelity(
        None if target.qubit_properties is None else target.qubit_properties[qubit], seconds
    )


def relaxation_fidelity(properties: QubitProperties | None, seconds: float) -> float:
    """Average fidelity of thermal relaxation: 1/2 + exp(-t/T1)/6 + exp(-t/T2)/3, with T2 at most 2 T1.

    Args:
        properties: Lifetimes of a qubit; without them nothing decays.
        seconds: Idle time t.
    """
    if properties is None or seconds == 0:
        return 1.0
    t1 = properties.t1
    t2 = properties.t2 if t1 is None else min(properties.t2 or 2 * t1, 2 * t1)
    decay = 1.0 if t1 is None else exp(-seconds / t1)
    dephase = 1.0 if t2 is None else exp(-seconds / t2)
    return 0.5 + decay / 6 + dephase / 3


def log_success(error: float) -> float:
    """Logarithm of 1 - error, and a finite very small number for an error of 1."""
    return log(1 - error) if error < 1 else _LOG_ZERO


def count_native(circuit: QuantumCircuit, target: Target) -> NativeCounts:
    """Return the counts of a circuit in a target's native gates, on its physical qubits.

    Delays cost what their relaxation costs. Unscheduled circuits have none, so their ESP is without idle
    time.

    Args:
        circuit: ISA circuit, with or without delays.
        target: The device's target.

    Raises:
        HardwareError: If the circuit has a gate, or uses a pair, that the target lacks.
    """
    one = two = 0
    log_esp = 0.0
    clock = [0.0] * circuit.num_qubits
    depth = [0] * circuit.num_qubits
    for instruction in circuit.data:
        name = instruction.operation.name
        place = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
        if name == "barrier":
            continue
        if name == "delay":
            seconds = _delay_seconds(instruction.operation.duration, instruction.operation.unit, target)
            log_esp += log(idle_fidelity(target, place[0], seconds))
        elif name not in target.operation_names or place not in (target[name] or {}):
            raise HardwareError(f"expected native gates only, found {name} on {list(place)}")
        else:
            seconds = duration_of(target, name, place)
            log_esp += log_success(error_of(target, name, place))
        start = max(clock[q] for q in place)
        for q in place:
            clock[q] = start + seconds
        if len(place) == 2:
            two += 1
            level = max(depth[q] for q in place) + 1
            for q in place:
                depth[q] = level
        elif name not in _FREE:
            one += 1
    return NativeCounts(
        two_qubit=two,
        one_qubit=exactly(one),
        two_qubit_depth=max(depth, default=0),
        esp=exp(log_esp),
        duration=max(clock, default=0.0),
        two_qubit_range=exactly(two),
    )


def _delay_seconds(duration: float, unit: str, target: Target) -> float:
    scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12, "dt": target.dt or 0.0}
    return float(duration) * scale[unit]
