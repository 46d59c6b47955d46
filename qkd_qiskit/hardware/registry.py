"""Devices by name: the shipped descriptors and those of users."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias
from weakref import WeakKeyDictionary

from qiskit.providers import BackendV2
from qiskit_ibm_runtime import fake_provider

from qkd_qiskit.arguments import takes
from qkd_qiskit.errors import HardwareError, did_you_mean
from qkd_qiskit.hardware.custom import build_target
from qkd_qiskit.hardware.descriptor import Descriptor, descriptor_folder, list_backends, read_descriptor
from qkd_qiskit.hardware.device import Device, device_from_backend
from qkd_qiskit.hardware.fractional import fractional_name, split_name
from qkd_qiskit.own import OwnObjects
from qkd_qiskit.store import guarded
from qkd_qiskit.text import printable

OWN_DEVICES: OwnObjects[Device] = OwnObjects("devices")


def unavailable(name: str) -> str | None:
    """Return why the installed qiskit-ibm-runtime cannot make a shipped device; None where it can.

    Args:
        name: One of those that `list_backends` gives.

    Raises:
        HardwareError: If the descriptor is wrong.
    """
    descriptor = read_descriptor(descriptor_folder() / f"{name}.toml")
    return None if descriptor.fake is None else _missing(descriptor.fake, descriptor.runtime)


DeviceLike: TypeAlias = str | Path | Device | BackendV2
"""What stands for a device: its name, the path of its descriptor, itself, or a Qiskit backend."""

DEVICE_KINDS = (str, Path, Device, BackendV2)

_BACKENDS: WeakKeyDictionary[BackendV2, Device] = WeakKeyDictionary()


@takes(HardwareError, name=DEVICE_KINDS)
def load_backend(name: DeviceLike) -> Device:
    """Return the device of a shipped descriptor, of a user's own, or of a Qiskit backend.

    Args:
        name: A name that `list_backends` gives, or the path of a `.toml` descriptor. `+fractional` behind it
            asks for native `rzz` and `rx`. The device is cached as long as the file does not change. A Qiskit
            backend (`FakeTorino()`, a live one, an `AerSimulator` of a device) is read once; a device is
            returned as it is.

    Raises:
        HardwareError: If the device is unknown, its descriptor wrong, the installed qiskit-ibm-runtime
            without its fake backend, or the device without what circuits need.
    """
    if isinstance(name, Device):
        return name
    if isinstance(name, BackendV2):
        if name not in _BACKENDS:
            _BACKENDS[name] = device_from_backend(name)
        return _BACKENDS[name]
    own = OWN_DEVICES.all().get(str(name))
    if own is not None:
        return own
    plain, fractional = split_name(str(name))
    path = Path(plain)
    if path.suffix != ".toml":
        if plain not in list_backends():
            if "@" in plain:
                raise HardwareError(
                    f"device {plain!r} was an object of a Python program: it is known while that runs "
                    "an experiment with it, and another device takes its place elsewhere"
                )
            known = list_backends()
            raise HardwareError(
                f"unknown device {printable(plain, 60)!r}: expected one of {', '.join(known)}, or the path "
                f"of a .toml file{did_you_mean(plain, known)}"
            )
        path = descriptor_folder() / f"{plain}.toml"
    with guarded(HardwareError, f"cannot read device descriptor {path}"):
        changed = path.stat().st_mtime_ns
    return _load(path.resolve(), changed, fractional)


@lru_cache(maxsize=32)
def _load(path: Path, changed: int, fractional: bool) -> Device:
    with guarded(HardwareError, f"device descriptor {path}"):
        return device_from_descriptor(read_descriptor(path), fractional=fractional)


def device_from_descriptor(descriptor: Descriptor, *, fractional: bool = False) -> Device:
    """Return the device that a descriptor describes.

    Args:
        descriptor: From a file.
        fractional: Whether circuits are built from `rzz` and `rx` with angles; `+fractional` is then added to
            its name.

    Raises:
        HardwareError: If the installed qiskit-ibm-runtime has no such fake backend, the calibration is
            inconsistent, or the device lacks the gates.
    """
    name = fractional_name(descriptor.name) if fractional else descriptor.name
    if descriptor.fake is None:
        return Device(
            name=name,
            description=descriptor.description,
            target=build_target(descriptor),
            source=descriptor.source,
            calibration_date=descriptor.calibration_date,
            notes=descriptor.notes,
            fractional=fractional,
        )
    return load_fake_backend(
        descriptor.fake,
        name=name,
        description=descriptor.description,
        notes=descriptor.notes,
        runtime=descriptor.runtime,
        fractional=fractional,
    )


def load_fake_backend(
    fake: str,
    *,
    name: str | None = None,
    description: str = "",
    notes: Sequence[str] = (),
    runtime: str | None = None,
    fractional: bool = False,
) -> Device:
    """Return the device of a fake backend of qiskit-ibm-runtime, by the name of its class.

    Args:
        fake: For example `FakeTorino`.
        name: Name of the device; the backend's own when omitted.
        description: One line for people.
        notes: Caveats known beforehand.
        runtime: First version of qiskit-ibm-runtime that has it, for the message to one who has an older one.
        fractional: Whether circuits are built from `rzz` and `rx` with angles.

    Raises:
        HardwareError: If the installed qiskit-ibm-runtime has no such fake backend, or it has no such gates.
    """
    reason = _missing(fake, runtime)
    if reason is not None:
        raise HardwareError(f"device {name or fake}: {reason}")
    make = getattr(fake_provider, fake)
    return device_from_backend(
        make, name=name, description=description, source=fake, notes=notes, fractional=fractional
    )


def _missing(fake: str, runtime: str | None) -> str | None:
    """Return why there is no such fake backend, and what to do; None where there is."""
    make = getattr(fake_provider, fake, None)
    if isinstance(make, type) and issubclass(make, BackendV2):
        return None
    remedy = "check the name, or upgrade it" if runtime is None else f"upgrade it to {runtime} or newer"
    return f"qiskit-ibm-runtime {version('qiskit-ibm-runtime')} has no fake backend {fake!r}: {remedy}"
