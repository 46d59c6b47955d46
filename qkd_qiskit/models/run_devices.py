"""A run's own devices: their descriptors lie in its folder, and are found there by name from anywhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import Device, device_name, fractional_name, load_backend, split_name, write_snapshot
from qkd_qiskit.hardware.registry import DeviceLike
from qkd_qiskit.store import read_text, write_atomic

DEVICES_FOLDER = "devices"
_LOG = logging.getLogger(__name__)
_NO_DATE = "unknown"


def folder_of_run(run: Path) -> Path:
    """Return the folder of a run that is named by it, or by a file in it."""
    return run if run.is_dir() else run.parent


def device_of_run(run: Path, backend: DeviceLike) -> Device:
    """Return a device by the name that a run knows it by, or whatever `load_backend` takes.

    Args:
        run: Folder of the run, or a file in it.
        backend: Name or path of a device; a path that is there goes before the run's copy of that name.

    Raises:
        HardwareError: If the device is unknown, or its descriptor wrong.
    """
    if isinstance(backend, str):
        plain, fractional = split_name(backend)
        copy = _copy(folder_of_run(run), plain)
        if copy.is_file() and not (plain.endswith(".toml") and Path(plain).is_file()):
            return load_backend(fractional_name(str(copy)) if fractional else copy)
    return load_backend(backend)


def keep_devices(run: Path, backends: Iterable[str], objects: Mapping[str, Device] | None = None) -> None:
    """Copy the descriptors of own devices into a run's folder.

    Args:
        run: Folder of the run.
        backends: Devices as settings and commands name them; shipped ones need no copy.
        objects: Devices that a program has passed, by name; what of them a snapshot holds is kept.

    Raises:
        HardwareError: If two devices have one name, a descriptor has changed since the run, or it cannot be
            read or written.
    """
    for path in _own(backends):
        text, copy = read_text(path, HardwareError, "device descriptor "), _copy(run, path)
        if copy.is_file() and read_text(copy, HardwareError, "device descriptor ") != text:
            raise HardwareError(
                f"device {device_name(path)}: {path} differs from the device of that name that this run has "
                f"used, {copy}: another name (of file and device) keeps them apart"
            )
        write_atomic(copy, text, HardwareError, "device descriptor ")
    for name, device in (objects or {}).items():
        try:
            date = device.calibration_date or _NO_DATE
            write_snapshot(device, run / DEVICES_FOLDER / f"{name}.toml", date=date)
        except HardwareError as error:
            _LOG.warning("%s is not kept in %s: %s", name, run, error)


def check_device_names(backends: Iterable[str]) -> None:
    """Refuse two devices of one name: tables, models and jobs could not tell them apart.

    Raises:
        HardwareError: If there are two.
    """
    known: dict[str, str] = {}
    for path in _own(backends):
        other = known.setdefault(device_name(path), path)
        if Path(other).resolve() != Path(path).resolve():
            raise HardwareError(
                f"device {device_name(path)}: expected one device of that name, found {other} and {path}"
            )


def _own(backends: Iterable[str]) -> list[str]:
    """Return the paths of descriptors among names of devices."""
    plain = (split_name(backend)[0] for backend in backends)
    return list(dict.fromkeys(path for path in plain if path.endswith(".toml")))


def _copy(run: Path, plain: str) -> Path:
    return run / DEVICES_FOLDER / f"{device_name(plain)}.toml"
