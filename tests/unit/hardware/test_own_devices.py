"""Devices that a program passes as objects."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.providers.fake_provider import GenericBackendV2

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import (
    OWN_DEVICES,
    device_from_backend,
    drifted_device,
    load_backend,
    named_device,
    target_digest,
)


def backend(seed: int) -> GenericBackendV2:
    return GenericBackendV2(3, ["rz", "sx", "x", "cx"], coupling_map=[[0, 1], [1, 2]], seed=seed)


def test_names_stay_names_and_shipped_devices_keep_theirs():
    assert named_device("ibm_torino", "server") == ("ibm_torino", None)
    assert named_device(load_backend("noisy_line"), "server") == ("noisy_line", None)


def test_another_calibration_has_another_name():
    (name, device), (again, _), (other, _) = (named_device(backend(seed), "client a") for seed in (1, 1, 2))
    assert name == again != other
    assert name == f"{device.name}@{target_digest(device.target)}"
    rng = np.random.default_rng(1)
    moved = drifted_device(load_backend("noisy_line"), spread=0.3, rng=rng)
    assert named_device(moved, "client a")[0].startswith(f"{moved.name}@")


def test_a_lent_device_is_found_by_its_name_and_by_no_other_way():
    name, device = named_device(backend(1), "client a")
    with OWN_DEVICES.lent({name: device}):
        assert load_backend(name) is device
    with pytest.raises(HardwareError, match=f"device '{name}' was an object of a Python program"):
        load_backend(name)


@pytest.mark.parametrize("given", [7, None, GenericBackendV2])
def test_what_is_no_device_is_refused(given):
    with pytest.raises(
        HardwareError, match="client a: expected the name of a device, a Device or a BackendV2"
    ):
        named_device(given, "client a")


def test_a_backend_that_circuits_cannot_use_is_refused():
    with pytest.raises(HardwareError, match="device generic"):
        named_device(GenericBackendV2(1, ["rz", "sx"]), "client a")


def test_every_number_of_a_calibration_counts():
    target = device_from_backend(backend(1)).target
    before = target_digest(target)
    place = next(iter(target["cx"]))
    properties = target["cx"][place]
    properties.error = properties.error * 1.001
    target.update_instruction_properties("cx", place, properties)
    assert target_digest(target) != before
