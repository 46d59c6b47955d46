"""A descriptor's own calibration as a Qiskit Target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Delay, Measure, Parameter, Reset
from qiskit.circuit import Gate as CircuitGate
from qiskit.circuit.library import (
    CXGate,
    CZGate,
    ECRGate,
    RXGate,
    RXXGate,
    RYGate,
    RZGate,
    RZZGate,
    SXGate,
    XGate,
)
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.descriptor import Descriptor, Qubits, Topology
from qkd_qiskit.hardware.readout import readout_properties

_ROTATIONS: dict[str, type[CircuitGate]] = {
    "rx": RXGate,
    "ry": RYGate,
    "rz": RZGate,
    "rxx": RXXGate,
    "rzz": RZZGate,
}
_FIXED: dict[str, type[CircuitGate]] = {
    "sx": SXGate,
    "x": XGate,
    "cz": CZGate,
    "cx": CXGate,
    "ecr": ECRGate,
}
_WORST_ERROR = 0.5


def build_target(descriptor: Descriptor) -> Target:
    """Target with all errors, durations and lifetimes of a descriptor with its own calibration.

    Args:
        descriptor: One whose source is `custom` or `snapshot`.

    Returns:
        A target whose qubit lifetimes and durations are in seconds.

    Raises:
        HardwareError: If a list has the wrong length, a duration is no multiple of `dt`, or T2 exceeds 2 T1.
    """
    topology, qubits = descriptor.topology, descriptor.qubits
    if topology is None or qubits is None:
        raise HardwareError(
            f"device {descriptor.name}: expected a calibration of its own, found source 'fake'"
        )
    maker = _TargetMaker(descriptor, topology, qubits)
    return maker.build()


class _TargetMaker:
    def __init__(self, descriptor: Descriptor, topology: Topology, qubits: Qubits) -> None:
        self.descriptor, self.topology, self.qubits = descriptor, topology, qubits
        variation = descriptor.variation
        self.spread = 0.0 if variation is None else variation.spread
        self.rng = np.random.default_rng(0 if variation is None else variation.seed)

    def build(self) -> Target:
        n, timing = self.topology.n_qubits, self.descriptor.timing
        t1 = self._vary(self._values("qubits.t1", self.qubits.t1, n))
        t2 = self._vary(self._values("qubits.t2", self.qubits.t2, n))
        if self.spread:
            t2 = np.minimum(t2, 2 * t1)
        bad = np.flatnonzero(t2 > 2 * t1)
        if len(bad):
            raise self._error(f"qubit {bad[0]}: expected t2 of at most 2 t1, found {t2[bad[0]]}")
        target = Target(
            description=self.descriptor.name,
            num_qubits=n,
            dt=timing.dt,
            granularity=timing.granularity,
            min_length=timing.min_length,
            pulse_alignment=timing.pulse_alignment,
            acquire_alignment=timing.acquire_alignment,
            qubit_properties=[QubitProperties(t1=float(a), t2=float(b)) for a, b in zip(t1, t2, strict=True)],
        )
        self._add_readout(target)
        for name in sorted(self.descriptor.gates):
            self._add_gate(target, name)
        target.add_instruction(Delay(Parameter("t")), {(q,): None for q in range(n)})
        return target

    def _add_readout(self, target: Target) -> None:
        n = self.topology.n_qubits
        given = self.qubits.readout_error
        if isinstance(given, tuple) and len(given) != n:
            raise self._error(f"qubits.readout_error: expected {n} values, found {len(given)}")
        per_qubit = given if isinstance(given, tuple) else (given,) * n
        factors = self._vary(np.ones(n))
        duration = self._duration("qubits.readout_duration", self.qubits.readout_duration)
        properties = {}
        for q, value in enumerate(per_qubit):
            p10, p01 = value if isinstance(value, tuple) else (value, value)
            p10, p01 = (min(float(p * factors[q]), max(p, _WORST_ERROR)) for p in (p10, p01))
            properties[(q,)] = readout_properties(duration, (p10, p01))
        target.add_instruction(Measure(), properties)
        target.add_instruction(Reset(), {(q,): InstructionProperties(duration=duration) for q in range(n)})

    def _add_gate(self, target: Target, name: str) -> None:
        gate = _FIXED[name]() if name in _FIXED else _ROTATIONS[name](Parameter("theta"))
        places: list[tuple[int, ...]] = [(q,) for q in range(self.topology.n_qubits)]
        if gate.num_qubits == 2:
            places = list(self.topology.pairs())
        settings = self.descriptor.gates[name]
        errors = self._vary(self._values(f"gates.{name}.error", settings.error, len(places)))
        lengths = self._values(f"gates.{name}.duration", settings.duration, len(places))
        properties = {}
        for place, error, length in zip(places, errors, lengths, strict=True):
            duration = self._duration(f"gates.{name}.duration", float(length))
            for qubits in (place,) if len(place) == 1 or self.topology.directed else (place, place[::-1]):
                properties[qubits] = InstructionProperties(error=min(float(error), 1.0), duration=duration)
        target.add_instruction(gate, properties)

    def _values(self, key: str, value: float | Sequence[float], length: int) -> NDArray[np.float64]:
        if not isinstance(value, Sequence):
            return np.full(length, value)
        if len(value) != length:
            raise self._error(f"{key}: expected one value or {length}, found {len(value)}")
        return np.asarray(value, dtype=np.float64)

    def _vary(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values * np.exp(self.spread * self.rng.standard_normal(len(values)))

    def _duration(self, key: str, seconds: float) -> float:
        ticks = seconds / self.descriptor.timing.dt
        if abs(ticks - round(ticks)) > 1e-3:
            raise self._error(
                f"{key}: expected a multiple of dt = {self.descriptor.timing.dt}, found {seconds}"
            )
        return seconds

    def _error(self, message: str) -> HardwareError:
        return HardwareError(f"device {self.descriptor.name}: {message}")
