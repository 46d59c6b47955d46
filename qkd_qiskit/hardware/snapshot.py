"""A device's calibration of one day, stored as a descriptor that can be loaded again without the device."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from qiskit.transpiler import Target

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.descriptor import ONE_QUBIT_GATES
from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.readout import assignment_errors
from qkd_qiskit.hardware.targets import Place, duration_of, error_of
from qkd_qiskit.store.files import write_atomic


def write_snapshot(device: Device, path: Path, *, date: str | None = None) -> Path:
    """Store a device's calibration as a descriptor of its own.

    Kept are the couplings, errors and durations of the one-qubit gates, of the two-qubit gate that circuits
    are built from and of the readout, and the lifetimes. What was assumed for the device is stored as if it
    were known, and its assumptions become notes.

    Args:
        device: A live or a fake one, or any other.
        path: The `.toml` file; its stem becomes the device's name.
        date: ISO date of the calibration; the device's own when omitted.

    Returns:
        The path of the written file; `load_backend` reads it.

    Raises:
        HardwareError: If the device has no calibration date and none is given, its lifetimes are unknown and
            cannot be assumed, or the file cannot be written.
    """
    if path.suffix != ".toml":
        raise HardwareError(f"snapshot: expected a .toml file, found {path}")
    found = date or device.calibration_date
    if found is None:
        raise HardwareError(f"device {device.name}: has no calibration date; name one for the snapshot")
    text = "\n".join(_lines(device, path.stem, found)) + "\n"
    try:
        return write_atomic(path, text)
    except OSError as error:
        raise HardwareError(f"cannot write snapshot {path}: {error.strerror}") from None


def _lines(device: Device, name: str, date: str) -> list[str]:
    target = device.target
    edges, directed = _edges(target, device.two_qubit_gate)
    qubits: list[Place] = [(q,) for q in range(device.n_qubits)]
    lines = [
        f"name = {json.dumps(name)}",
        f"description = {json.dumps(device.description)}",
        'source = "snapshot"',
        f"calibration_date = {json.dumps(date)}",
        f"notes = {json.dumps([f'Snapshot of {device.name} ({device.source}).', *device.caveats])}",
        "",
        "[topology]",
        'kind = "edges"',
        f"n_qubits = {device.n_qubits}",
        *(["directed = true"] if directed else []),
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
        f"readout_duration = {max(_seconds(target, 'measure', place) for place in qubits)!r}",
    ]
    names = sorted(ONE_QUBIT_GATES & set(target.operation_names))
    for gate, places in (*((gate, qubits) for gate in names), (device.two_qubit_gate, edges)):
        lines += [
            "",
            f"[gates.{gate}]",
            f"error = {_numbers([_error(target, gate, place) for place in places])}",
            f"duration = {_numbers([_seconds(target, gate, place) for place in places])}",
        ]
    return lines


def _edges(target: Target, gate: str) -> tuple[list[Place], bool]:
    """Return the couplings, and whether their two directions differ; else each stands once."""
    found = {
        place: (error_of(target, gate, place), duration_of(target, gate, place)) for place in target[gate]
    }
    if all(found.get(place[::-1]) == values for place, values in found.items()):
        return sorted(place for place in found if place[0] < place[1]), False
    return sorted(found), True


def _lifetimes(device: Device) -> list[str]:
    properties = device.target.qubit_properties
    if properties[0].t1 is None:
        raise HardwareError(f"device {device.name}: expected T1 and T2 of the qubits, found none")
    return [f"{kind} = {_numbers([getattr(each, kind) for each in properties])}" for kind in ("t1", "t2")]


def _readout(target: Target, n_qubits: int) -> str:
    errors: list[float | list[float]] = []
    for qubit in range(n_qubits):
        properties = target["measure"].get((qubit,))
        both = assignment_errors(properties)
        errors.append(_error(target, "measure", (qubit,)) if both is None else list(both))
    return json.dumps(errors)


def _error(target: Target, gate: str, place: Place) -> float:
    return error_of(target, gate, place) if place in target[gate] else 1.0


def _seconds(target: Target, gate: str, place: Place) -> float:
    return duration_of(target, gate, place) if place in target[gate] else 0.0


def _numbers(values: Sequence[float]) -> str:
    """Return one number where all are equal, else the list."""
    return json.dumps(values[0] if len(set(values)) == 1 else list(values))
