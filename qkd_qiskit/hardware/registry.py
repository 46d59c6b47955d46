"""Devices by name: the shipped descriptors and those of users."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from qiskit.providers import BackendV2
from qiskit_ibm_runtime import fake_provider

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware.custom import build_target
from qkd_qiskit.hardware.descriptor import Descriptor, descriptor_folder, read_descriptor
from qkd_qiskit.hardware.device import Device, device_from_backend


def list_backends() -> tuple[str, ...]:
    """Names of the shipped devices, sorted."""
    return tuple(sorted(path.stem for path in descriptor_folder().glob("*.toml")))


def load_backend(name: str | Path) -> Device:
    """Device of a shipped descriptor, or of a user's own.

    Args:
        name: A name that `list_backends` gives, or the path of a `.toml` descriptor. The device is cached as
            long as the file does not change.

    Raises:
        HardwareError: If the device is unknown, or its descriptor wrong.
    """
    path = Path(name)
    if path.suffix != ".toml":
        if str(name) not in list_backends():
            known = ", ".join(list_backends())
            raise HardwareError(
                f"unknown device {str(name)!r}: expected one of {known}, or the path of a .toml file"
            )
        path = descriptor_folder() / f"{name}.toml"
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise HardwareError(f"cannot read device descriptor {path}: {error.strerror}") from None
    return _load(path.resolve(), changed)


@lru_cache(maxsize=32)
def _load(path: Path, changed: int) -> Device:
    return device_from_descriptor(read_descriptor(path))


def device_from_descriptor(descriptor: Descriptor) -> Device:
    """Device that a descriptor describes.

    Raises:
        HardwareError: If the fake backend does not exist, or the calibration is inconsistent.
    """
    if descriptor.fake is None:
        return Device(
            name=descriptor.name,
            description=descriptor.description,
            target=build_target(descriptor),
            source=descriptor.source,
            calibration_date=descriptor.calibration_date,
            notes=descriptor.notes,
        )
    return load_fake_backend(
        descriptor.fake, name=descriptor.name, description=descriptor.description, notes=descriptor.notes
    )


def load_fake_backend(
    fake: str, *, name: str | None = None, description: str = "", notes: Sequence[str] = ()
) -> Device:
    """Device of a fake backend of qiskit-ibm-runtime, by the name of its class.

    Args:
        fake: For example `FakeTorino`.
        name: Name of the device; the backend's own when omitted.
        description: One line for people.
        notes: Caveats known beforehand.

    Raises:
        HardwareError: If there is no such fake backend.
    """
    make = getattr(fake_provider, fake, None)
    if not (isinstance(make, type) and issubclass(make, BackendV2)):
        raise HardwareError(f"device {name or fake}: qiskit-ibm-runtime has no fake backend {fake!r}")
    return device_from_backend(make, name=name, description=description, source=fake, notes=notes)
