"""One-qubit gates between two-qubit gates, estimated from changes of axis.

On a device with `sx` and virtual `rz`, a rotation is an `rz` in a frame whose Z is the rotation's axis, and each change of
frame is one `sx` between up to two `rz`. A device with `rx`, `ry` and `rz` makes rotations directly, and changes frames
only around its two-qubit gates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from qiskit.transpiler import Target

from qkd_qiskit.hardware.counts import Range
from qkd_qiskit.hardware.events import NATIVE_AXES, Event


@dataclass(frozen=True)
class Step:
    """One-qubit gates of one qubit up to an event, and the event.

    Attributes:
        qubits: Virtual qubits of a `pair`, `measure`, or of gates that no event follows.
        kind: `pair`, `measure` or `rest`.
        pulses: Physical pulses (virtual `rz` excluded) on each qubit before the event.
    """

    qubits: tuple[int, ...]
    kind: str
    pulses: tuple[int, ...]


class _Wire:
    """One-qubit gates on one qubit since its last two-qubit gate."""

    def __init__(self, direct: bool) -> None:
        self.direct = direct
        self.logical = self.native = "Z"
        self.fresh = True
        self.rotated: str | None = None
        self.merged = self.rotations = self.changes = self.paulis = self.pulses = 0

    def rotate(self, axis: str) -> None:
        self.rotations += 1
        if axis == self.rotated:
            return
        self.merged += 1
        if self.direct:
            self._change(self.rotated is None and not self.fresh and self.logical != self.native)
            self.pulses += axis != "Z"
        else:
            self._change(self._differs(axis, "Z"))
        self.logical, self.native, self.rotated = axis, "Z", axis

    def meet(self, logical: str, native: str, *, measured: bool = False) -> None:
        """Come to a two-qubit gate or a measurement."""
        if measured and self.rotated == "Z":
            self.merged -= 1
        if self.direct:
            from_gate = self.rotated is None and not self.fresh
            self._change(logical != native if not from_gate else logical != self.logical)
        else:
            self._change(self._differs(logical, native))
        self.logical, self.native, self.rotated, self.fresh = logical, native, None, False

    def take_pulses(self) -> int:
        taken, self.pulses = self.pulses, 0
        return taken

    def _differs(self, logical: str, native: str) -> bool:
        same_axis, same_native = logical == self.logical, native == self.native
        return same_axis != same_native

    def _change(self, changed: bool) -> None:
        self.changes += changed
        self.pulses += changed


def one_qubit_plan(
    events: tuple[Event, ...],
    n_qubits: int,
    target: Target,
    gate: str,
    is_forward: Callable[[int, int], bool],
) -> tuple[tuple[Step, ...], Range]:
    """Two-qubit gates and measurements in order, with the pulses before each, and the number of one-qubit gates.

    Args:
        events: What `events_of` gives.
        n_qubits: Number of virtual qubits.
        target: The device's target.
        gate: Name of the native two-qubit gate.
        is_forward: Whether the native gate works from control to target.

    Returns:
        The steps, and the range of the number of one-qubit gates with virtual `rz`.
    """
    direct = "sx" not in target.operation_names
    wires = [_Wire(direct) for _ in range(n_qubits)]
    steps: list[Step] = []
    for event in events:
        if event.kind == "rotation":
            wires[event.qubits[0]].rotate(event.axes)
            continue
        if event.kind == "pauli":
            wires[event.qubits[0]].paulis += 1
            continue
        native = "Z"
        if event.kind == "pair":
            native = NATIVE_AXES[gate] if is_forward(*event.qubits) else NATIVE_AXES[gate][::-1]
        for qubit, logical, axis in zip(event.qubits, event.axes, native, strict=True):
            wires[qubit].meet(logical, axis, measured=event.kind == "measure")
        steps.append(Step(event.qubits, event.kind, tuple(wires[q].take_pulses() for q in event.qubits)))
    rest = [Step((q,), "rest", (wire.take_pulses(),)) for q, wire in enumerate(wires)]
    return (*steps, *rest), _range(wires, sum(step.kind == "pair" for step in steps), gate)


def _range(wires: list[_Wire], pairs: int, gate: str) -> Range:
    merged = sum(wire.merged for wire in wires)
    rotations = sum(wire.rotations for wire in wires)
    changes = sum(wire.changes for wire in wires)
    paulis = sum(wire.paulis for wire in wires)
    # Counted on presets and random kernels: three of four changes of frame come with one fixed `rz`, and `ecr`
    # also turns its qubits by itself.
    turns = 2 * pairs if gate == "ecr" else 0
    mid = merged + ceil(1.75 * changes) + turns // 2
    return Range(low=merged + changes // 2, mid=mid, high=rotations + 3 * changes + paulis + 2 * pairs + turns)
