"""A device on another day: the same couplings and durations, other errors and lifetimes from a seed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from math import exp

import numpy as np
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.readout import assignment_errors, readout_properties
from qkd_qiskit.hardware.targets import DEAD_GATE_ERROR, DEAD_READOUT_ERROR, Place, placed_gates

_WORST_READOUT = 0.44
_WORST_GATE = 0.8


def drifted_device(device: Device, *, spread: float, rng: np.random.Generator) -> Device:
    """Return a made-up later calibration of a device.

    Every error and lifetime is multiplied by a log-normal factor of its own; both directions of a coupling,
    and both kinds of readout error of a qubit, share theirs. What is broken stays broken, and nothing new
    breaks, so that circuits stay runnable.

    Args:
        device: The device as it was calibrated.
        spread: Standard deviation of the factors' logarithm, at least 0; 0.2 moves most values by less than a
            fifth.
        rng: Draws the factors.

    Raises:
        HardwareError: If the spread is negative or not finite.
    """
    if not 0 <= spread < np.inf:
        raise HardwareError(f"spread: expected a number of at least 0, found {spread}")
    target = deepcopy(device.target)
    factors: dict[tuple[str, frozenset[int]], float] = {}
    for name, place, properties in placed_gates(device.target):
        if properties is None or properties.error is None or not properties.error > 0:
            continue
        key = name, frozenset(place)
        if key not in factors:
            factors[key] = exp(spread * rng.standard_normal())
        _scale(target, name, place, properties, factors[key])
    if target.qubit_properties is not None:
        target.qubit_properties = [
            _lived(p, *np.exp(spread * rng.standard_normal(2))) for p in target.qubit_properties
        ]
    note = f"Drifted from the calibration of {device.name} by a seed, with a spread of {spread:g}: made up."
    # A new device: what the old one has cached belongs to the old calibration.
    return replace(device, target=target, source="drifted", notes=(*device.caveats, note), assumptions=())


def _scale(target: Target, name: str, place: Place, old: InstructionProperties, factor: float) -> None:
    dead, worst = DEAD_GATE_ERROR, _WORST_GATE
    if name == "measure":
        dead, worst = DEAD_READOUT_ERROR, _WORST_READOUT
    error = float(old.error or 0.0)
    if error >= dead:
        return
    new = InstructionProperties(duration=old.duration, error=min(error * factor, worst))
    both = assignment_errors(old)
    if both is not None:
        factor = min(factor, worst / error)
        first, second = (min(p * factor, 1.0) for p in both)
        new = readout_properties(old.duration, (first, second))
    target.update_instruction_properties(name, place, new)


def _lived(old: QubitProperties | None, first: float, second: float) -> QubitProperties | None:
    if old is None or old.t1 is None or old.t2 is None:
        return old
    t1 = old.t1 * first
    return QubitProperties(t1=t1, t2=min(old.t2 * second, 2 * t1), frequency=old.frequency)
