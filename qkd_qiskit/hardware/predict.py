"""Native gate counts of a spec in closed form, without the transpiler."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import exp
from statistics import median

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.counts import NativeCounts, Range, exactly, idle_fidelity, log_success
from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.events import events_of, may_cancel
from qkd_qiskit.hardware.layout import ChainLoad, best_chain
from qkd_qiskit.hardware.pulses import Step, one_qubit_plan
from qkd_qiskit.hardware.rates import Rates
from qkd_qiskit.vqcnn import VQCNNSpec

SWAP_COST = 3
"""Native two-qubit gates of one swap, on every device."""


@dataclass(frozen=True)
class Prediction:
    """What is known of a spec on a device before it is transpiled.

    Attributes:
        counts: The predicted counts.
        chain: Physical qubit of each virtual one; None where the transpiler has to find a layout.
        exact: Whether the number of two-qubit gates is exact; else it lies in a range.
        notes: Why it is not exact.
    """

    counts: NativeCounts
    chain: tuple[int, ...] | None
    exact: bool
    notes: tuple[str, ...]


def predict_counts(spec: VQCNNSpec, device: Device) -> NativeCounts:
    """Native gate counts of a spec on a device, in closed form.

    Two-qubit gates are blocks x kernel x native cost. The other figures are estimates: one-qubit gates from changes
    of axis, duration and idle times from scheduling the blocks as late as possible on the best chain.

    Args:
        spec: The structure.
        device: The device.

    Raises:
        HardwareError: If the spec has more qubits than the device has usable ones.
    """
    return predict(spec, device).counts


def predict(spec: VQCNNSpec, device: Device) -> Prediction:
    """Predicted counts, with the chain that they hold for and whether they are exact.

    Args:
        spec: The structure.
        device: The device.

    Raises:
        HardwareError: If the spec has more qubits than the device has usable ones.
    """
    usable = device.n_usable
    if spec.n_qubits > usable:
        raise HardwareError(
            f"device {device.name}: expected a spec of at most {usable} qubits (its largest connected healthy part), "
            f"found {spec.n_qubits}"
        )
    chain = _find_chain(spec, device) if spec.is_chain_native else None
    events = events_of(spec, device.two_qubit_gate)
    rates = Rates(device.usable_target, device.two_qubit_gate, chain)
    steps, one_qubit = one_qubit_plan(
        events, spec.n_qubits, device.usable_target, device.two_qubit_gate, rates.is_forward
    )
    schedule = _Schedule(steps, spec.n_qubits, rates)
    two_qubit = sum(step.kind == "pair" for step in steps)
    swaps = 0 if chain is not None or device.is_fully_connected else _swaps_on_a_line(spec)
    notes = []
    bounds = exactly(two_qubit)
    if swaps:
        bounds = Range(two_qubit, two_qubit + SWAP_COST * swaps, two_qubit + 2 * SWAP_COST * swaps)
        notes.append("Routing is needed: the two-qubit count is a range over seeds and layouts.")
    if may_cancel(events):
        bounds = Range(0, bounds.mid, bounds.high)
        notes.append("The kernel may simplify: the two-qubit count is an upper bound.")
    extra = bounds.mid - two_qubit
    return Prediction(
        counts=NativeCounts(
            two_qubit=bounds.mid,
            one_qubit=Range(one_qubit.low, one_qubit.mid + 2 * extra, one_qubit.high + 6 * (bounds.high - two_qubit)),
            two_qubit_depth=_depth(steps, spec.n_qubits) + extra // 2,
            esp=exp(schedule.log_esp + extra * log_success(rates.pair_error(None))),
            duration=schedule.duration + extra / 2 * rates.pair_duration(None),
            two_qubit_range=bounds,
        ),
        chain=chain,
        exact=bounds.low == bounds.high,
        notes=tuple(notes),
    )
