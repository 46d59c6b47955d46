"""Which native operations of a target circuits are built from: one basis, and one two-qubit gate."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from statistics import median

import rustworkx
from qiskit.circuit import Delay, Instruction, Parameter
from qiskit.circuit.library import RXGate, RXXGate, RYGate, RZGate, RZZGate
from qiskit.transpiler import InstructionProperties, Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.targets import Place, is_dead, placed_gates

FIXED_GATES = ("cz", "cx", "ecr")
"""Native two-qubit gates without an angle, the usual ones first."""
TURNING_GATES = ("rzz", "rxx")
"""Native two-qubit gates with an angle."""
_BASES = (("rz", "sx"), ("rx", "ry", "rz"), ("rx", "rz"), ("rx", "ry"))
_ANGLED = {"rx": RXGate, "ry": RYGate, "rz": RZGate, "rzz": RZZGate, "rxx": RXXGate}


@dataclass(frozen=True)
class GateSet:
    """The native operations that circuits use.

    Attributes:
        one_qubit: Names of the one-qubit gates that every usable qubit must have.
        two_qubit: Name of the two-qubit gate.
        optional: Names of one-qubit gates that are used where a qubit has them.
        unused: Other native two-qubit gates that are known, and left aside.
    """

    one_qubit: tuple[str, ...]
    two_qubit: str
    optional: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of all gates."""
        return (*self.one_qubit, *self.optional, self.two_qubit)


def choose_gates(target: Target, *, fractional: bool = False) -> GateSet:
    """Choose one basis and one two-qubit gate, so that what is predicted is what the transpiler makes.

    Of several native two-qubit gates without an angle, the one on the largest connected healthy part is
    taken, and then the one with the smallest median error. Gates with an angle are taken where there is no
    other, or where fractional gates are asked for.

    Args:
        target: Any target.
        fractional: Whether `rzz` and `rx` are to be used natively.

    Raises:
        HardwareError: If the target lacks a gate that circuits need, or a measurement.
    """
    pairs = {name for name, place, _ in placed_gates(target) if len(place) == 2}
    if target.num_qubits is None or not pairs:
        raise HardwareError("expected two-qubit gates on given qubits, found none")
    if "measure" not in target.operation_names:
        raise HardwareError("expected a measurement, found none")
    singles = {name for name in target.operation_names if _acts_on_one(target, name)}
    known = [name for name in (*FIXED_GATES, *TURNING_GATES) if name in pairs and _is_native(target, name)]
    if fractional:
        lacking = sorted({"rx", "rz"} - singles | {"rzz"} - set(known))
        if lacking:
            raise HardwareError(
                f"expected the fractional gates rx and rzz, and rz, found no {' and no '.join(lacking)}"
            )
        return GateSet(("rx", "rz"), "rzz", unused=tuple(name for name in known if name != "rzz"))
    if not known:
        expected = ", ".join((*FIXED_GATES, *TURNING_GATES))
        raise HardwareError(
            f"expected a native two-qubit gate among {expected}, found {', '.join(sorted(pairs))}"
        )
    basis = next((each for each in _BASES if singles.issuperset(each)), None)
    if basis is None:
        found = ", ".join(sorted(singles - {"delay", "measure", "reset"})) or "none"
        raise HardwareError(f"expected one-qubit gates rz and sx, or rx with ry or rz, found {found}")
    optional = ("x",) if "sx" in basis and "x" in singles else ()
    fixed = [name for name in known if name in FIXED_GATES]
    sets = [GateSet(basis, name, optional) for name in fixed or known]
    best = max(
        sets, key=lambda each: (len(healthy_part(target, each)), -_typical_error(target, each.two_qubit))
    )
    return GateSet(basis, best.two_qubit, optional, tuple(name for name in known if name != best.two_qubit))


def healthy_part(target: Target, gates: GateSet) -> tuple[int, ...]:
    """Return the qubits of the largest part that healthy two-qubit gates connect, sorted.

    A qubit is healthy if its readout and all one-qubit gates that circuits need are there and work. Of
    equally large parts, the one with the lowest qubit is taken.

    Args:
        target: Any target.
        gates: What circuits use.
    """
    needed = (*gates.one_qubit, "measure")
    broken = {
        qubit
        for qubit in range(target.num_qubits)
        if any(
            not target.instruction_supported(name, (qubit,)) or is_dead(target, name, (qubit,))
            for name in needed
        )
    }
    broken |= {
        place[0]
        for name, place, _ in placed_gates(target)
        if name in gates.optional and is_dead(target, name, place)
    }
    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(target.num_qubits))
    for name, place, _ in placed_gates(target):
        if name == gates.two_qubit and not broken & set(place) and not is_dead(target, name, place):
            graph.add_edge(place[0], place[1], None)
    parts: list[set[int]] = [part for part in rustworkx.connected_components(graph) if not part <= broken]
    return tuple(sorted(max(parts, key=lambda part: (len(part), -min(part)), default=())))


def used_target(target: Target, gates: GateSet) -> Target:
    """Return the target with what circuits use alone: the chosen gates, measurements and delays.

    Errors and durations of anything else say nothing about a circuit. Operations that act everywhere are
    placed on every qubit. Delays are added where there are none: idle times pass on any device.

    Args:
        target: Any target.
        gates: What circuits use.
    """
    used = Target(
        description=target.description,
        num_qubits=target.num_qubits,
        dt=target.dt,
        granularity=target.granularity,
        min_length=target.min_length,
        pulse_alignment=target.pulse_alignment,
        acquire_alignment=target.acquire_alignment,
        qubit_properties=target.qubit_properties,
    )
    everywhere = [(qubit,) for qubit in range(target.num_qubits)]
    for name in (*gates.gates, "measure"):
        operation = target.operation_from_name(name)
        placed: dict[Place, InstructionProperties | None] = {
            place: properties for place, properties in (target[name] or {None: None}).items() if place
        }
        if name != gates.two_qubit and not placed:
            placed = dict.fromkeys(everywhere)
        if name in _ANGLED:
            operation = _ANGLED[name](Parameter("angle"))
        used.add_instruction(operation, placed, name=name)
    used.add_instruction(Delay(Parameter("t")), dict.fromkeys(everywhere))
    return used


def _acts_on_one(target: Target, name: str) -> bool:
    operation = target.operation_from_name(name)
    return isinstance(operation, Instruction) and operation.num_qubits == 1 and _is_native(target, name)


def _is_native(target: Target, name: str) -> bool:
    """Whether a name stands for the gate that is usually called so, with a free angle if it has one."""
    operation = target.operation_from_name(name)
    if not isinstance(operation, Instruction) or operation.name != name:
        return False
    if name in _ANGLED:
        return isinstance(operation.params[0], Parameter)
    return True


def _typical_error(target: Target, gate: str) -> float:
    errors = [props.error for props in target[gate].values() if props is not None and props.error is not None]
    return median(errors) if errors else inf
