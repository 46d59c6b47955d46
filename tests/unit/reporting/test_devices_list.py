"""The list of devices: stored summaries are the devices' own, and count only for the files they are of."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import pytest

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import (
    descriptor,
    descriptor_folder,
    list_backends,
    load_backend,
    registry,
    unavailable,
)
from qkd_qiskit.reporting import devices as summary
from qkd_qiskit.reporting.resources import summarize_device

STALE = "stale: run `qkd-qiskit backends list --refresh`"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Hold copies of the descriptors and of what is stored of them."""
    copy = tmp_path / "backends"
    shutil.copytree(descriptor_folder(), copy)
    for module in (summary, descriptor, registry):
        monkeypatch.setattr(module, "descriptor_folder", lambda: copy)
    # As in a process that has not imported Qiskit's devices.
    monkeypatch.setattr(summary, "_FAKES", "no.such.module")
    summary._stored.cache_clear()
    yield copy
    summary._stored.cache_clear()


def _stored():
    return json.loads((descriptor_folder() / "summaries.json").read_text("utf-8"))


@pytest.mark.parametrize("name", list_backends())
def test_a_stored_summary_is_the_device_s_own(name):
    stored = _stored()[name]
    if unavailable(name) is not None or stored.pop("digest") != summary.calibration_digest(name):
        pytest.skip(f"the installed qiskit-ibm-runtime has another {name}")
    live = asdict(summarize_device(load_backend(name))) | {"refused": None}
    assert stored == json.loads(json.dumps(live)), STALE


def test_the_pinned_libraries_have_every_summary():
    pinned = (Path(__file__).parents[3] / "constraints.txt").read_text("utf-8").splitlines()
    if f"qiskit-ibm-runtime=={version('qiskit-ibm-runtime')}" not in pinned:
        pytest.skip("another qiskit-ibm-runtime is installed")
    digests = {name: summary.calibration_digest(name) for name in list_backends()}
    assert {name: found["digest"] for name, found in _stored().items()} == digests, STALE


def test_the_list_needs_no_qiskit():
    code = (
        "import sys; from qkd_qiskit.reporting.devices import device_rows; rows = device_rows();"
        "assert all(row['refused'] is None for row in rows);"
        "print(*(name for name in ('qiskit', 'qiskit_aer', 'matplotlib', 'sklearn') if name in sys.modules))"
    )
    if any(summary.calibration_digest(name) != found["digest"] for name, found in _stored().items()):
        pytest.skip("the installed qiskit-ibm-runtime has other calibrations")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_stored_and_live_rows_are_equal(folder, monkeypatch):
    stored = {row["name"]: row for row in summary.device_rows()}
    monkeypatch.setattr(summary, "_FAKES", "sys")
    for row in summary.device_rows():
        if row["refused"] is None:
            assert stored[row["name"]] == row


def test_a_changed_descriptor_is_read_anew(folder):
    path = folder / "noisy_line.toml"
    before = summary._row("noisy_line")
    path.write_text(path.read_text("utf-8").replace("n_qubits = ", "n_qubits = 1"), "utf-8")
    after = summary._row("noisy_line")
    assert after["qubits"] == int(f"1{before['qubits']}")


@pytest.mark.parametrize("what", ["file", "device"])
def test_what_is_not_stored_is_read_anew(folder, what):
    expected = summary._live_row("ion_trap")
    path = folder / "summaries.json"
    if what == "file":
        path.unlink()
    else:
        kept = json.loads(path.read_text("utf-8"))
        del kept["ion_trap"]
        path.write_text(json.dumps(kept), "utf-8")
    assert summary._row("ion_trap") == expected


def test_storing_writes_what_is_there_already(folder, monkeypatch):
    before = (folder / "summaries.json").read_text("utf-8")
    monkeypatch.setattr(summary, "list_backends", lambda: ("ion_trap", "noisy_line"))
    assert summary.store_summaries() == folder / "summaries.json"
    assert (folder / "summaries.json").read_text("utf-8") == before


def test_a_file_that_cannot_be_written_is_named(folder, monkeypatch):
    monkeypatch.setattr(summary, "list_backends", lambda: ())
    (folder / "summaries.json").unlink()
    (folder / "summaries.json").mkdir()
    summary._stored.cache_clear()
    with pytest.raises(HardwareError, match=r"cannot write .*summaries\.json"):
        summary.store_summaries()


def test_a_wrong_descriptor_is_refused(folder):
    (folder / "noisy_line.toml").write_text("name = 1", "utf-8")
    with pytest.raises(HardwareError, match="noisy_line"):
        summary.device_rows()
