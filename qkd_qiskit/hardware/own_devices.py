"""Devices that a program passes as objects: a name that tells them apart, and how the name is found again."""

from __future__ import annotations

import hashlib

from qiskit.providers import BackendV2
from qiskit.transpiler import Target

from qkd_qiskit.arguments import found
from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.descriptor import list_backends
from qkd_qiskit.hardware.device import Device
from qkd_qiskit.hardware.fractional import split_name
from qkd_qiskit.hardware.readout import assignment_errors
from qkd_qiskit.hardware.registry import load_backend

_DIGITS = 8


def named_device(backend: object, where: str) -> tuple[str, Device | None]:
    """Return the name of a device in settings and results, and the device where the name alone finds none.

    A device that `load_backend` has made of a shipped name keeps that name. Every other object is called by
    its name with a digest of its calibration behind an `@`, so that no shipped device is taken for it.

    Args:
        backend: A name or a path, a `Device`, or any Qiskit `BackendV2`.
        where: Whose device it is, for messages.

    Raises:
        HardwareError: If it is something else, or circuits cannot use it.
    """
    if isinstance(backend, str):
        return backend, None
    if isinstance(backend, BackendV2):
        backend = load_backend(backend)
    if not isinstance(backend, Device):
        raise HardwareError(
            f"{where}: expected the name of a device, a Device or a BackendV2, found {found(backend)}"
        )
    plain, _ = split_name(backend.name)
    if plain in list_backends() and load_backend(backend.name) is backend:
        return backend.name, None
    return f"{backend.name}@{target_digest(backend.target)}", backend


def target_digest(target: Target) -> str:
    """Return a digest of all that noise and transpiling take from a target.

    Args:
        target: Gates, couplings, errors, durations and lifetimes.

    Returns:
        8 hexadecimal digits.
    """
    parts = [repr((target.num_qubits, target.dt))]
    for name in sorted(target.operation_names):
        for place, properties in sorted((target[name] or {}).items(), key=repr):
            readout = assignment_errors(properties) if name == "measure" else None
            values = (getattr(properties, "error", None), getattr(properties, "duration", None), readout)
            parts.append(repr((name, place, values)))
    for each in target.qubit_properties or ():
        parts.append(repr((getattr(each, "t1", None), getattr(each, "t2", None))))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]
