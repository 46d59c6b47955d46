"""Devices, transpiling, and native gate counts: predicted in closed form, and verified.

The public names are imported when they are first used: the list of devices needs no transpiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

if TYPE_CHECKING:
    from qkd_qiskit.hardware.copies import PlacedCopy, place_copies
    from qkd_qiskit.hardware.counts import NativeCounts, Range, count_native
    from qkd_qiskit.hardware.descriptor import (
        Descriptor,
        descriptor_folder,
        list_backends,
        read_descriptor,
    )
    from qkd_qiskit.hardware.device import Device, device_from_backend
    from qkd_qiskit.hardware.drift import drifted_device
    from qkd_qiskit.hardware.fractional import device_name, fractional_name, split_name
    from qkd_qiskit.hardware.own_devices import named_device, target_digest
    from qkd_qiskit.hardware.prediction import CountPrediction, predict, predict_counts
    from qkd_qiskit.hardware.registry import (
        OWN_DEVICES,
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
        fold_angles,
        plain_two_qubit_count,
        state_preparation_counts,
        transpile_verified,
    )

_HOMES = {
    "OWN_DEVICES": "registry",
    "CountPrediction": "prediction",
    "Descriptor": "descriptor",
    "Device": "device",
    "GateReport": "report",
    "NativeCounts": "counts",
    "PlacedCopy": "copies",
    "Range": "counts",
    "Route": "routing",
    "TranspiledVQCNN": "transpile",
    "count_native": "counts",
    "descriptor_folder": "descriptor",
    "device_from_backend": "device",
    "device_name": "fractional",
    "device_from_descriptor": "registry",
    "drifted_device": "drift",
    "fold_angles": "transpile",
    "fractional_name": "fractional",
    "line_route": "routing",
    "list_backends": "descriptor",
    "load_backend": "registry",
    "load_fake_backend": "registry",
    "named_device": "own_devices",
    "place_copies": "copies",
    "plain_two_qubit_count": "transpile",
    "predict": "prediction",
    "predict_counts": "prediction",
    "read_descriptor": "descriptor",
    "split_name": "fractional",
    "state_preparation_counts": "transpile",
    "target_digest": "own_devices",
    "transpile_verified": "transpile",
    "unavailable": "registry",
    "write_snapshot": "snapshot",
}

__all__ = [
    "OWN_DEVICES",
    "CountPrediction",
    "Descriptor",
    "Device",
    "GateReport",
    "NativeCounts",
    "PlacedCopy",
    "Range",
    "Route",
    "TranspiledVQCNN",
    "count_native",
    "descriptor_folder",
    "device_from_backend",
    "device_from_descriptor",
    "device_name",
    "drifted_device",
    "fold_angles",
    "fractional_name",
    "line_route",
    "list_backends",
    "load_backend",
    "load_fake_backend",
    "named_device",
    "place_copies",
    "plain_two_qubit_count",
    "predict",
    "predict_counts",
    "read_descriptor",
    "split_name",
    "state_preparation_counts",
    "target_digest",
    "transpile_verified",
    "unavailable",
    "write_snapshot",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
