"""A run's own devices lie in its folder, and are found there by name from anywhere."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import descriptor_folder, device_name, load_backend, named_device, predict_counts
from qkd_qiskit.models import check_device_names, device_of_run, keep_devices, run_devices
from qkd_qiskit.vqcnn import VQCNNSpec

TEXT = (descriptor_folder() / "noisy_line.toml").read_text("utf-8").replace('"noisy_line"', '"mine"')


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "mine.toml"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("ibm_torino", "ibm_torino"),
        ("ibm_torino+fractional", "ibm_torino+fractional"),
        ("a/b/mine.toml", "mine"),
        ("mine.toml+fractional", "mine+fractional"),
        ("fake_torino@12ab34cd", "fake_torino@12ab34cd"),
    ],
)
def test_a_device_has_one_name(given: str, name: str) -> None:
    assert device_name(given) == name


def test_a_copy_is_found_by_name_and_by_the_path_that_is_gone(own: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    keep_devices(run, [str(own), "ibm_torino", str(own)])
    assert [path.name for path in (run / "devices").iterdir()] == ["mine.toml"]
    own.unlink()
    (run / "global_model.npz").write_bytes(b"")
    for where in (run, run / "global_model.npz"):
        for name in ("mine", str(own)):
            assert device_of_run(where, name).name == "mine"
    assert device_of_run(run, "ibm_guadalupe") is load_backend("ibm_guadalupe")
    with pytest.raises(HardwareError, match="unknown device 'yours'"):
        device_of_run(run, "yours")


def test_a_device_that_has_changed_is_not_taken_for_that_of_the_run(own: Path, tmp_path: Path) -> None:
    keep_devices(tmp_path / "run", [str(own)])
    keep_devices(tmp_path / "run", [str(own)])
    own.write_text(TEXT.replace('description = "', 'description = "Repaired. '))
    with pytest.raises(HardwareError, match=r"mine.toml differs from the device of that name .*another name"):
        keep_devices(tmp_path / "run", [str(own)])


def test_two_devices_of_one_name_are_refused(own: Path, tmp_path: Path) -> None:
    check_device_names([str(own), f"{own}+fractional", "ibm_torino"])
    with pytest.raises(
        HardwareError, match="device mine: expected one device of that name, found .* and other/mine"
    ):
        check_device_names([str(own), "other/mine.toml"])


def test_devices_that_were_objects_are_kept_as_snapshots(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, device = named_device(FakeGuadalupeV2(), "client")
    keep_devices(tmp_path, [name], {name: device})
    found, spec = device_of_run(tmp_path, name), VQCNNSpec(4)
    assert found.name == name
    assert predict_counts(spec, found) == predict_counts(spec, device)

    def refuse(*_: object, **__: object) -> None:
        raise HardwareError("no lifetimes")

    monkeypatch.setattr(run_devices, "write_snapshot", refuse)
    with caplog.at_level(logging.WARNING):
        keep_devices(tmp_path, [], {"odd@0": device})
    assert "odd@0 is not kept" in caplog.text
