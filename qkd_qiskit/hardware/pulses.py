"""One-qubit gates between two-qubit gates, estimated from changes of axis.

On a device with `sx` and virtual `rz`, a rotation is an `rz` in a frame whose Z is the rotation's axis, and
each change of frame is one `sx` between up to two `rz`. A device with `rx`, `ry` and `rz` makes rotations
directly, and changes frames only around its two-qubit gates.
"""

from __future__ import annotations

from dataclasses import dataclass

from qiskit.transpiler import Target

from qkd_qiskit.hardware.counts import Range
from qkd_qiskit.hardware.gate_events import TURNING_GATES, Event

# One-qubit gates for each change of frame, each native gate without a parameter and each with one, beside the
# rotations themselves: least squares of log(predicted / counted) over presets and random canonical kernels at
# level 3, half of them counted with Qiskit 2.3.0 and half with 2.6.2. From 2.5 on level 3 makes gates without
# a parameter anew together with the fixed gates around them, also where that saves none
# (TwoQubitPeepholeOptimization): 0 to 65 % more one-qubit gates around equally many two-qubit gates. The
# coefficients stand between both.
GATES_PER_EVENT = {
    "cz": (1.73, 0.75, 0.0),
    "cx": (1.48, 0.89, 0.0),
    "ecr": (1.47, 4.44, 0.0),
    "rzz": (1.04, 3.90, 1.25),
    "rxx": (1.56, 2.75, 1.86),
}
# Pulses for each change of frame, where they are not one: the smallest largest error of the presets'
# durations with both versions.
PULSES_PER_CHANGE = {"ecr": 1.12}


@dataclass(frozen=True)
class PulseStep:
    """One-qubit gates of one qubit up to an event, and the event.

    Attributes:
        qubits: Virtual qubits of a `pair`, `measure`, or of gates that no event follows.
        kind: `pair`, `measure` or `rest`.
        pulses: Expected physical pulses (virtual `rz` excluded) on each qubit before the event.
    """

    qubits: tuple[int, ...]
    kind: str
    pulses: tuple[float, ...]


class _Wire:
    """One-qubit gates on one qubit, and the axis that its last event left it in."""

    def __init__(self, direct: bool) -> None:
        self._direct = direct
        self._axis = "Z"
        self._last = "start"
        self.rotations = self.changes = self.fixed = self._pulses = 0
        self._trailing = 0

    def rotate(self, axis: str) -> None:
        """Meet a rotation with a parameter; the transpiler does not merge it with others."""
        self.rotations += 1
        self._trailing = self._trailing + 1 if axis == "Z" else 0
        if self._direct:
            self._change(self._last == "pair" and self._axis != "Z")
            self._pulses += axis != "Z"
        else:
            # Two equal rotations about X or Y meet in a fixed gate that turns the frame around.
            self._change(axis != self._axis or (self._last == "rotation" and axis != "Z"))
        self._axis, self._last = axis, "rotation"

    def meet(self, axis: str, kind: str) -> None:
        """Meet a two-qubit gate or a measurement, at an axis of the gate's own frame."""
        if kind == "measure":
            self.rotations -= self._trailing
        changed = axis != self._axis
        if self._direct and self._last != "pair":
            changed = axis != "Z"
        self._change(changed)
        self._axis, self._last, self._trailing = axis, kind, 0

    def turn(self, axis: str) -> None:
        """Meet a one-qubit gate without a parameter, of a kind of frame."""
        self.fixed += 1
        self._pulses += axis not in ("S", "Z")
        self._last, self._trailing = "fixed", 0

    def take_pulses(self) -> int:
        """Pulses since the last call."""
        taken, self._pulses = self._pulses, 0
        return taken

    def _change(self, changed: bool) -> None:
        self.changes += changed
        self._pulses += changed


def one_qubit_plan(
    events: tuple[Event, ...], n_qubits: int, target: Target, gate: str
) -> tuple[tuple[PulseStep, ...], Range]:
    """Two-qubit gates and measurements with the pulses before each, and the one-qubit gates in all.

    Args:
        events: What `events_of` gives.
        n_qubits: Number of virtual qubits.
        target: The device's target.
        gate: Name of the native two-qubit gate.

    Returns:
        The steps, and the range of the number of one-qubit gates with virtual `rz`.
    """
    wires = [_Wire("sx" not in target.operation_names) for _ in range(n_qubits)]
    scale = PULSES_PER_CHANGE.get(gate, 1.0)
    steps: list[PulseStep] = []
    least = (0, 0, 0)
    for event in events:
        if event.kind == "rotation":
            wires[event.qubits[0]].rotate(event.axes)
        elif event.kind == "fixed":
            wires[event.qubits[0]].turn(event.axes)
        elif event.kind == "barrier":
            # Gates of an encoding that joins qubits may merge in ways that are not followed here.
            least = (
                sum(wire.rotations for wire in wires),
                sum(wire.changes for wire in wires),
                sum(step.kind == "pair" for step in steps),
            )
        elif event.kind != "pauli":
            kind = "pair" if event.kind == "turn" else event.kind
            for qubit, axis in zip(event.qubits, _in_frame_of(gate, event), strict=True):
                wires[qubit].meet(axis, kind)
            pulses = tuple(scale * wires[q].take_pulses() for q in event.qubits)
            steps.append(PulseStep(event.qubits, kind, pulses))
    rest = [PulseStep((q,), "rest", (scale * wire.take_pulses(),)) for q, wire in enumerate(wires)]
    rotations = sum(wire.rotations for wire in wires)
    changes = sum(wire.changes for wire in wires)
    pairs = sum(step.kind == "pair" for step in steps)
    turns = sum(event.kind == "turn" for event in events)
    paulis = sum(event.kind == "pauli" for event in events)
    resynthesized = sum(event.resynthesized for event in events)
    fixed = sum(wire.fixed for wire in wires)
    known = rotations - least[0], changes - least[1], pairs - least[2]
    low = known[0] + (0 if gate in TURNING_GATES else known[1] // 2) - known[2]
    if least != (0, 0, 0):
        low = max(low, 0)
    # A gate that is made anew stands between up to three others, before and after it, on both its qubits.
    around_pairs = max(3 * changes + 4 * pairs, 12 * (pairs - turns) + 4 * turns)
    high = rotations + paulis + around_pairs + 10 * resynthesized + 5 * fixed
    per_change, per_fixed, per_turn = GATES_PER_EVENT[gate]
    mid = rotations + 2 * fixed + round(per_change * changes + per_fixed * (pairs - turns) + per_turn * turns)
    return (*steps, *rest), Range(low, min(max(mid, low), high), high)


def _in_frame_of(gate: str, event: Event) -> str:
    """Axes of an event in the frame where all axes of the native gate are called Z."""
    if event.kind == "measure":
        return event.axes
    control, target = tuple(event.axes)
    if gate == "cx":
        target = "X" if target == "Z" else "Z"
    if gate == "rxx":
        control, target = ("Z" if axis == "X" else "X" for axis in (control, target))
    return control + target
