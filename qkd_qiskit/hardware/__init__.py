"""Devices, transpiling, and native gate counts: predicted in closed form, and verified.

The public names are imported when they are first used: the list of devices needs no transpiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

if TYPE_CHECKING:
    from qkd_qiskit.hardware.counts import NativeCounts, Range, count_native
    from qkd_qiskit.hardware.descriptor import (
        Descriptor,
        descriptor_folder,
        list_backends,
        read_descriptor,
    )
    from qkd_qiskit.hardware.device import Device, device_from_backend
    from qkd_qiskit.hardware.drift import drifted_device
    from qkd_qiskit.hardware.prediction import CountPrediction, predict, predict_counts
    from qkd_qiskit.hardware.registry import (
        device_from_descriptor,
        load_backend,
        load_fake_backend,
        unavailable,
    )
    from qkd_qiskit.hardware.report import GateReport
    from qkd_qiskit.hardware.routing import Route, line_route
    from qkd_qiskit.hardware.snapshot import write_snapshot
    from qkd_qiskit.hardware.transpile import (
        TranspiledVQCNN,
        plain_two_qubit_count,
        state_preparation_counts,
        transpile_verified,
    )

_HOMES = {
    "CountPrediction": "prediction",
    "Descriptor": "descriptor",
    "Device": "device",
    "GateReport": "report",
    "NativeCounts": "counts",
    "Range": "counts",
    "Route": "routing",
    "TranspiledVQCNN": "transpile",
    "count_native": "counts",
    "descriptor_folder": "descriptor",
    "device_from_backend": "device",
    "device_from_descriptor": "registry",
    "drifted_device": "drift",
    "line_route": "routing",
    "list_backends": "descriptor",
    "load_backend": "registry",
    "load_fake_backend": "registry",
    "plain_two_qubit_count": "transpile",
    "predict": "prediction",
    "predict_counts": "prediction",
    "read_descriptor": "descriptor",
    "state_preparation_counts": "transpile",
    "transpile_verified": "transpile",
    "unavailable": "registry",
    "write_snapshot": "snapshot",
}

__all__ = [
    "CountPrediction",
    "Descriptor",
    "Device",
    "GateReport",
    "NativeCounts",
    "Range",
    "Route",
    "TranspiledVQCNN",
    "count_native",
    "descriptor_folder",
    "device_from_backend",
    "device_from_descriptor",
    "drifted_device",
    "line_route",
    "list_backends",
    "load_backend",
    "load_fake_backend",
    "plain_two_qubit_count",
    "predict",
    "predict_counts",
    "read_descriptor",
    "state_preparation_counts",
    "transpile_verified",
    "unavailable",
    "write_snapshot",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
