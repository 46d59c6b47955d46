"""The list of devices: what it shows is stored beside the descriptors, under the calibrations' digests.

PERF: making a Target of every device takes seconds, and the libraries for it as long again. A stored summary
counts only while the descriptor and the files of its fake backend are those that it was made of.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qkd_qiskit.errors import HardwareError, ReportingError
from qkd_qiskit.hardware.descriptor import descriptor_folder, list_backends, read_descriptor
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.store.reading import read_bytes, read_json

_STORED = "summaries.json"
_TUPLES = ("gates", "notes", "assumptions")
_FAKES = "qiskit_ibm_runtime.fake_provider"


@dataclass(frozen=True)
class DeviceSummary:
    """Size, calibration and typical errors of a device.

    Attributes:
        name: Its name.
        description: What it is.
        qubits: Number of qubits.
        gates: Native operations, sorted.
        two_qubit_gate: The native two-qubit gate.
        edges: Number of coupled pairs of qubits, whatever the directions.
        dead_edges: How many of them are too bad to be used, in both directions.
        two_qubit_error: Median error of the two-qubit gate over the pairs, each in its better direction.
        readout_error: Median error of measurements.
        source: Where the calibration comes from.
        date: Day of the calibration; None where there is none.
        calibration_date: Its time.
        notes: What the reader should know.
        assumptions: What the calibration does not say, and was assumed.
    """

    name: str
    description: str
    qubits: int
    gates: tuple[str, ...]
    two_qubit_gate: str
    edges: int
    dead_edges: int
    two_qubit_error: float
    readout_error: float
    source: str
    date: str | None
    calibration_date: str | None
    notes: tuple[str, ...]
    assumptions: tuple[str, ...]


def device_rows() -> list[dict[str, object]]:
    """Return one row for each shipped device.

    Returns:
        The fields of `DeviceSummary`; `refused` says why the installed libraries lack a device, or is None.

    Raises:
        HardwareError: If a descriptor is wrong.
    """
    return [_row(name) for name in list_backends()]


def store_summaries() -> Path:
    """Read every shipped device anew, and store what the list shows of it.

    Returns:
        The written file, in the folder of the descriptors. Devices that the installed libraries lack keep
        what is stored of them.

    Raises:
        HardwareError: If a descriptor is wrong, or the file cannot be written.
    """
    kept = _stored()
    for name in list_backends():
        row, digest = _live_row(name), calibration_digest(name)
        if row["refused"] is None and digest is not None:
            kept[name] = {"digest": digest, **row}
    path = descriptor_folder() / _STORED
    text = json.dumps({name: kept[name] for name in sorted(kept)}, indent=1) + "\n"
    return write_atomic(path, text, HardwareError)


def calibration_digest(name: str) -> str | None:
    """Return the SHA-256 of all files that a shipped device is made of; None where one is not found.

    Args:
        name: One of those that `list_backends` gives.

    Raises:
        HardwareError: If the descriptor is wrong.
    """
    path = descriptor_folder() / f"{name}.toml"
    fake = read_descriptor(path).fake
    files = [path]
    if fake is not None:
        # A fake backend's module, configuration and properties lie in a folder of its own.
        folder = _fake_folder() / fake.removeprefix("Fake").removesuffix("V2").lower()
        found = sorted(file for file in folder.glob("*.*") if file.suffix in (".json", ".py"))
        if not any(file.suffix == ".json" for file in found):
            return None
        files += found
    digest = hashlib.sha256()
    for file in files:
        content = read_bytes(file, ReportingError)
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _row(name: str) -> dict[str, object]:
    stored = _stored().get(name)
    # Where Qiskit's devices are imported already, they are asked: a process may have changed them.
    if stored is None or _FAKES in sys.modules or stored["digest"] != calibration_digest(name):
        return _live_row(name)
    values: dict[str, Any] = {field.name: stored[field.name] for field in fields(DeviceSummary)}
    # JSON has lists where a summary has tuples.
    known = DeviceSummary(**{**values, **{key: tuple(values[key]) for key in _TUPLES}})
    return {**asdict(known), "refused": None}


def _live_row(name: str) -> dict[str, object]:
    # PERF: Qiskit and its fake backends are imported only where no summary is stored.
    from qkd_qiskit.hardware.registry import load_backend, unavailable
    from qkd_qiskit.reporting.resources import summarize_device

    reason = unavailable(name)
    row = {"name": name} if reason is not None else asdict(summarize_device(load_backend(name)))
    return {**row, "refused": reason}


@cache
def _stored() -> dict[str, dict[str, Any]]:
    path = descriptor_folder() / _STORED
    found: dict[str, dict[str, Any]] = read_json(path, ReportingError) if path.is_file() else {}
    return found


def _fake_folder() -> Path:
    spec = find_spec("qiskit_ibm_runtime")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "fake_provider" / "backends"
