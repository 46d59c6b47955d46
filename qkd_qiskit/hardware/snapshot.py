"""A device's calibration of one day, stored as a descriptor that can be loaded again without the device."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isnan
from pathlib import Path

from qiskit.transpiler import Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.descriptor import ONE_QUBIT_GATES
from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.targets import Place, duration_of, error_of
from qkd_qiskit.store.files import write_atomic


def write_snapshot(device: Device, path: Path, *, date: str | None = None) -> Path:
    """Store a device's calibration as a descriptor of its own.

    Kept are the couplings in both directions, errors and durations of the one-qubit gates, of the two-qubit
    gate that circuits are built from and of the readout, and the lifetimes. Unknown errors are stored as
    0, those that the calibration calls NaN as 1, and T2 is cut at 2 T1, as Aer does. Dead qubits without
    lifetimes get the shortest ones of the others: nothing runs on them.

    Args:
        device: A live or a fake one, or any other.
        path: The `.toml` file; its stem becomes the device's name.
        date: ISO date of the calibration; the device's own when omitted.

    Returns:
        The path of the written file; `load_backend` reads it.

    Raises:
        HardwareError: If the device has no calibration date and none is given, a usable qubit has no
            lifetimes, or the file cannot be written.
    """
    if path.suffix != ".toml":
        raise HardwareError(f"snapshot: expected a .toml file, found {path}")
    found = date or device.calibration_date
    if found is None:
        raise HardwareError(f"device {device.name}: has no calibration date; name one for the snapshot")
    text = "\n".join(_lines(device, path.stem, found)) + "\n"
    return write_atomic(path, text, HardwareError, "snapshot ")


def _lines(device: Device, name: str, date: str) -> list[str]:
    target = device.target
    edges = sorted(target[device.two_qubit_gate])
    qubits: list[Place] = [(q,) for q in range(device.n_qubits)]
    lines = [
        f"name = {json.dumps(name)}",
        f"description = {json.dumps(device.description)}",
        'source = "snapshot"',
        f"calibration_date = {json.dumps(date)}",
        f"notes = {json.dumps([f'Snapshot of {device.name} ({device.source}).', *device.notes])}",
        "",
        "[topology]",
        'kind = "edges"',
        f"n_qubits = {device.n_qubits}",
        "directed = true",
        f"edges = {json.dumps([list(edge) for edge in edges])}",
        "",
        "[timing]",
        f"dt = {target.dt or 1e-9!r}",
        *(
            f"{key} = {getattr(target, key)}"
            for key in ("granularity", "min_length", "pulse_alignment", "acquire_alignment")
        ),
        "",
        "[qubits]",
        *_lifetimes(device),
        f"readout_error = {_readout(target, device.n_qubits)}",
        f"readout_duration = {max(duration_of(target, 'measure', place) for place in qubits)!r}",
    ]
    names = sorted(ONE_QUBIT_GATES & set(target.operation_names))
    for gate, places in (*((gate, qubits) for gate in names), (device.two_qubit_gate, edges)):
        lines += [
            "",
            f"[gates.{gate}]",
            f"error = {_numbers([_error(target, gate, place) for place in places])}",
            f"duration = {_numbers([duration_of(target, gate, place) for place in places])}",
        ]
    return lines


def _lifetimes(device: Device) -> list[str]:
    properties = device.target.qubit_properties or [None] * device.n_qubits
    known: dict[int, tuple[float, float]] = {}
    for qubit, found in enumerate(properties):
        if found is not None and found.t1 and found.t2 and not (isnan(found.t1) or isnan(found.t2)):
            known[qubit] = found.t1, min(found.t2, 2 * found.t1)
        elif qubit in device.usable_qubits:
            raise HardwareError(f"device {device.name}: expected T1 and T2 of qubit {qubit}, found none")
    shortest = min(known.values())
    t1s, t2s = zip(*(known.get(qubit, shortest) for qubit in range(device.n_qubits)), strict=True)
    return [f"t1 = {_numbers(t1s)}", f"t2 = {_numbers(t2s)}"]


def _readout(target: Target, n_qubits: int) -> str:
    errors: list[float | list[float]] = []
    for qubit in range(n_qubits):
        properties = target["measure"].get((qubit,))
        both = [getattr(properties, key, None) for key in ("prob_meas1_prep0", "prob_meas0_prep1")]
        known = [float(error) for error in both if error is not None]
        errors.append(known if len(known) == 2 else _error(target, "measure", (qubit,)))
    return json.dumps(errors)


def _error(target: Target, gate: str, place: Place) -> float:
    return min(max(error_of(target, gate, place), 0.0), 1.0) if place in target[gate] else 1.0


def _numbers(values: Sequence[float]) -> str:
    """Return one number where all are equal, else the list."""
    return json.dumps(values[0] if len(set(values)) == 1 else list(values))
