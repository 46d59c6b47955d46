"""Native gate counts of a spec in closed form, without the transpiler."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, exp

from qiskit.transpiler import Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.counts import NativeCounts, Range
from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.events import events_of, may_cancel
from qkd_qiskit.hardware.layout import ChainLoad, best_chain
from qkd_qiskit.hardware.pulses import PulseStep, one_qubit_plan
from qkd_qiskit.hardware.rates import Rates
from qkd_qiskit.hardware.routing import Route, line_route, straight, suits_a_line
from qkd_qiskit.hardware.schedule import schedule_late
from qkd_qiskit.vqcnn import VQCNNSpec

SWAP_COST = 3
"""Native two-qubit gates of one swap."""


@dataclass(frozen=True)
class CountPrediction:
    """What is known of a spec on a device before it is transpiled.

    Attributes:
        counts: The predicted counts.
        chain: Physical qubit of each place of the line; None where the transpiler has to find a layout.
        route: How the circuit runs on that line; None where there is none.
        exact: Whether the number of two-qubit gates is exact; else it lies in its range.
        notes: Why it is not exact.
    """

    counts: NativeCounts
    chain: tuple[int, ...] | None
    route: Route | None
    exact: bool
    notes: tuple[str, ...]


def predict_counts(spec: VQCNNSpec, device: Device) -> NativeCounts:
    """Predict the native gate counts of a spec on a device, in closed form.

    Two-qubit gates are blocks x kernel x native cost. The other figures are estimates: one-qubit gates from
    changes of axis, duration and idle times from scheduling the blocks as late as possible on the best chain.

    Args:
        spec: The structure.
        device: The device.

    Raises:
        HardwareError: If the spec has more qubits than the device has usable ones.
    """
    return predict(spec, device).counts


def predict(spec: VQCNNSpec, device: Device, *, chain: tuple[int, ...] | None = None) -> CountPrediction:
    """Predict counts, with the chain that they hold for and whether they are exact.

    Args:
        spec: The structure.
        device: The device.
        chain: Physical qubit of each place of the line; the best chain when omitted.

    Raises:
        HardwareError: If the spec has more qubits than the device has usable ones, or the chain is none of
            the device, or of no use to the spec.
    """
    if spec.n_qubits > len(device.usable_qubits):
        raise HardwareError(
            f"device {device.name}: expected a spec of at most {len(device.usable_qubits)} qubits "
            f"(its largest connected healthy part), found {spec.n_qubits}"
        )
    target, gate = device.usable_target, device.two_qubit_gate
    on_line = _runs_on_a_line(spec, device)
    if chain is not None:
        _check_chain(spec, device, chain)
    route = line_route(spec) if on_line else straight(spec)
    steps, one_qubit, simplifies = _plan(spec, route, target, gate)
    if on_line and chain is None:
        chain = best_chain(target, gate, _load(spec, route, steps, Rates(target, gate, None)))
        if chain is None:
            route = straight(spec)
            steps, one_qubit, simplifies = _plan(spec, route, target, gate)
    rates = Rates(target, gate, chain)
    schedule = schedule_late(steps, spec.n_qubits, rates, from_start=spec.takes_states)
    logical = sum(step.kind == "pair" for step in steps)
    swaps = 0 if chain is not None or device.is_fully_connected else _swaps_on_a_line(spec)
    # Level 3 found about half of the swaps of the simplest router, on all shipped devices.
    extra = SWAP_COST * ceil(swaps / 2)
    notes = []
    if swaps:
        notes.append("Routing is needed: two-qubit gates lie in a range over seeds and layouts.")
    if simplifies:
        notes.append(
            "The transpiler may simplify the kernel or the encoding: the two-qubit count is an upper bound."
        )
    counts = NativeCounts(
        two_qubit=logical + extra,
        one_qubit=Range(
            0 if simplifies else one_qubit.low,
            one_qubit.mid + 2 * extra,
            one_qubit.high + 12 * SWAP_COST * swaps,
        ),
        two_qubit_depth=_depth(steps, spec.n_qubits) + extra // 2,
        esp=exp(schedule.log_success + extra * rates.typical_pair.log_success),
        duration=schedule.duration + extra / 2 * rates.typical_pair.seconds,
        two_qubit_range=Range(0 if simplifies else logical, logical + extra, logical + 2 * SWAP_COST * swaps),
    )
    exact = not notes
    if spec.encoding_pairs:
        gates = spec.input_encoding.gate_counts(spec.n_qubits).items()
        listed = ", ".join(f"{count} {name}" for name, count in gates)
        notes.append(f"The encoding's own gates are among those counted: {listed}.")
    if chain is not None and route.swaps + route.absorbed:
        notes.append(f"Tree pooling on a line: {route.swaps} swaps, and {route.absorbed} absorbed by blocks.")
    return CountPrediction(counts, chain, None if chain is None else route, exact=exact, notes=tuple(notes))


def chain_load(spec: VQCNNSpec, device: Device) -> ChainLoad:
    """Return what a spec asks of each place of a chain, with the device's typical rates.

    Args:
        spec: The structure.
        device: The device.

    Raises:
        HardwareError: If the spec does not run on a chain there.
    """
    if not _runs_on_a_line(spec, device):
        raise HardwareError(
            f"device {device.name}: expected a structure that runs on a chain of qubits, found pairs that "
            "the transpiler has to route"
        )
    target, gate, route = device.usable_target, device.two_qubit_gate, line_route(spec)
    steps, _, _ = _plan(spec, route, target, gate)
    return _load(spec, route, steps, Rates(target, gate, None))


def _runs_on_a_line(spec: VQCNNSpec, device: Device) -> bool:
    return spec.is_chain_native or (suits_a_line(spec) and not device.is_fully_connected)


def _check_chain(spec: VQCNNSpec, device: Device, chain: tuple[int, ...]) -> None:
    if not _runs_on_a_line(spec, device) or len(chain) != spec.n_qubits or len(set(chain)) != len(chain):
        raise HardwareError(
            f"device {device.name}: expected a chain of {spec.n_qubits} distinct qubits for a structure that "
            f"runs on one, found {list(chain)}"
        )
    joined = {frozenset(place) for place in device.usable_target[device.two_qubit_gate]}
    for pair in pairwise(chain):
        if frozenset(pair) not in joined:
            raise HardwareError(
                f"device {device.name}: expected a chain of healthy neighbours, found {list(pair)} in it"
            )


def _plan(
    spec: VQCNNSpec, route: Route, target: Target, gate: str
) -> tuple[tuple[PulseStep, ...], Range, bool]:
    """Return steps, one-qubit gates, and whether the transpiler may find fewer two-qubit gates."""
    events = events_of(spec, gate, route)
    return *one_qubit_plan(events, spec.n_qubits, target, gate), may_cancel(events)


def _load(spec: VQCNNSpec, route: Route, steps: tuple[PulseStep, ...], rates: Rates) -> ChainLoad:
    pairs = Counter(min(step.qubits) for step in steps if step.kind == "pair")
    pulses = [0.0] * spec.n_qubits
    for step in steps:
        for place, found in zip(step.qubits, step.pulses, strict=True):
            pulses[place] += found
    return ChainLoad(
        two_qubit=tuple(pairs[i] for i in range(spec.n_qubits - 1)),
        pulses=tuple(pulses),
        idle=schedule_late(steps, spec.n_qubits, rates, from_start=spec.takes_states).idle,
        measured=frozenset(route.measured),
    )


def _depth(steps: tuple[PulseStep, ...], n_qubits: int) -> int:
    depth = [0] * n_qubits
    for step in steps:
        if step.kind == "pair":
            first, second = step.qubits
            depth[first] = depth[second] = max(depth[first], depth[second]) + 1
    return max(depth)


def _swaps_on_a_line(spec: VQCNNSpec) -> int:
    """Count the swaps of the simplest router.

    On a line, it moves the first qubit of each distant pair next to the second. A device without
    a long enough chain is taken for one that needs a swap a layer.
    """
    if spec.is_chain_native:
        return len(spec.plan)
    line = list(range(spec.n_qubits))
    swaps = 0
    for pair in (*spec.encoding_pairs, *(block.qubits for block in spec.blocks)):
        here, there = (line.index(qubit) for qubit in pair)
        step = 1 if there > here else -1
        for place in range(here, there - step, step):
            line[place], line[place + step] = line[place + step], line[place]
            swaps += 1
    return swaps
