"""Devices, transpiling, and native gate counts: predicted in closed form, and verified."""

from qkd_qiskit.hardware.descriptor import Descriptor, descriptor_folder, read_descriptor
from qkd_qiskit.hardware.device import Device, device_from_backend
from qkd_qiskit.hardware.registry import device_from_descriptor, list_backends, load_backend

__all__ = [
    "Descriptor",
    "Device",
    "descriptor_folder",
    "device_from_backend",
    "device_from_descriptor",
    "list_backends",
    "load_backend",
    "read_descriptor",
]
