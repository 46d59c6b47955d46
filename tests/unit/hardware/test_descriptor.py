"""The descriptor format: what it accepts, and the one clear error for what it does not."""

import re
import tomllib
from importlib.metadata import version

import pytest
from qiskit_ibm_runtime import fake_provider

from qkd_qiskit.errors import HardwareError
from qkd_qiskit.hardware import (
    Descriptor,
    descriptor_folder,
    device_from_descriptor,
    list_backends,
    load_backend,
    read_descriptor,
    unavailable,
)

TWO_QUBITS = """
name = "mine"
source = "custom"
[topology]
kind = "line"
n_qubits = 2
[qubits]
t1 = 1e-4
t2 = 1e-4
readout_error = 0.01
readout_duration = 1e-6
[gates.rz]
error = 0.0
duration = 0.0
[gates.sx]
error = 1e-3
duration = 1e-8
[gates.cz]
error = 1e-2
duration = 1e-7
"""


@pytest.fixture
def write(tmp_path):
    def save(text, name="mine.toml"):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return save


def test_shipped_devices_are_the_files_of_the_folder():
    assert set(list_backends()) == {path.stem for path in descriptor_folder().glob("*.toml")}
    assert len(list_backends()) >= 8
    assert {"ibm_torino", "noisy_line", "ion_trap"} <= set(list_backends())


@pytest.mark.parametrize("name", list_backends())
def test_shipped_descriptors_load(name):
    device = load_backend(name)
    assert device.name == name
    assert device.description
    assert device.notes
    assert load_backend(name) is device


def test_own_descriptor_is_reread_when_it_changes(write):
    path = write(TWO_QUBITS)
    assert load_backend(path).n_qubits == 2
    path.write_text(TWO_QUBITS.replace("n_qubits = 2", "n_qubits = 13"), "utf-8")
    assert load_backend(str(path)).n_qubits == 13


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "custom"', 'source = "custom"\ncolour = "red"', "colour: unknown key"),
        ("t1 = 1e-4", "t1 = -1.0", "qubits.t1: expected more than 0 or a list, found -1.0"),
        ("t2 = 1e-4", "t2 = 1e-3", "expected t2 of at most 2 t1, found 0.001"),
        ("readout_error = 0.01", "readout_error = [0.1]", "expected 2 values, found 1"),
        ("error = 1e-2", "error = [0.1, 0.2]", "gates.cz.error: expected one value or 1, found 2"),
        ("duration = 1e-7", "duration = 1.5e-10", "expected a multiple of dt"),
        ("[gates.cz]", "[gates.foo]", "unknown gates"),
        ("[gates.cz]", "[gates.x]", "exactly one two-qubit gate"),
        ("[gates.sx]", "[gates.x]", "one-qubit gates must hold"),
        ('kind = "line"', 'kind = "grid"', "'rows' and kind"),
        ('kind = "line"', 'kind = "grid"\nrows = 3', "2 qubits do not fill 3 rows"),
        ('kind = "line"', 'kind = "line"\nedges = [[0, 1]]', "'edges' and kind"),
        ('kind = "line"', 'kind = "edges"\nedges = [[0, 2]]', "does not join two of 2 qubits"),
        ('kind = "line"', 'kind = "edges"\nedges = [[0, 1], [0, 1]]', "an edge occurs twice"),
        ('source = "custom"', 'source = "snapshot"', "needs a calibration_date"),
        ('source = "custom"', 'source = "fake"', "takes the key 'fake'"),
        ('source = "custom"', 'source = "custom"\nruntime = "0.47"', "and neither 'fake' nor 'runtime'"),
        ('name = "mine"', 'name = "yours"', "expected name 'mine', found 'yours'"),
        ('name = "mine"', "name = ", "not valid TOML"),
    ],
)
def test_wrong_descriptor_is_refused_in_one_line(write, old, new, message):
    assert old in TWO_QUBITS
    with pytest.raises(HardwareError, match=message) as caught:
        load_backend(write(TWO_QUBITS.replace(old, new, 1)))
    assert "\n" not in str(caught.value)


def test_missing_tables_are_refused(write):
    with pytest.raises(HardwareError, match=r"needs \[topology\] and \[qubits\]"):
        load_backend(write('name = "mine"\nsource = "custom"\n'))


@pytest.mark.parametrize(
    ("runtime", "remedy"),
    [("", "check the name, or upgrade it"), ('runtime = "99.1"\n', "upgrade it to 99.1 or newer")],
)
def test_a_fake_backend_that_the_runtime_lacks(write, runtime, remedy):
    path = write('name = "mine"\nsource = "fake"\nfake = "FakeNowhere"\n' + runtime)
    found = re.escape(f"qiskit-ibm-runtime {version('qiskit-ibm-runtime')}")
    message = f"^device mine: {found} has no fake backend 'FakeNowhere': {remedy}$"
    with pytest.raises(HardwareError, match=message):
        load_backend(path)


@pytest.mark.parametrize("runtime", ["0.47.x", "", "newest"])
def test_a_version_is_a_version(write, runtime):
    text = f'name = "mine"\nsource = "fake"\nfake = "FakeTorino"\nruntime = "{runtime}"\n'
    with pytest.raises(HardwareError, match=f"runtime: expected a text like .*found '{runtime}'"):
        load_backend(write(text))


@pytest.mark.parametrize("name", list_backends())
def test_the_readme_tells_every_device_with_its_date(name):
    lines = (descriptor_folder() / "README.md").read_text("utf-8").splitlines()
    [line] = [line for line in lines if f"`{name}`" in line.split("|")[:2][-1]]
    device = load_backend(name)
    assert line.endswith(f" {(device.calibration_date or 'none')[:10]} |")
    assert f"{device.n_qubits} qubits" in line or device.source == "custom"


@pytest.mark.parametrize("name", list_backends())
def test_a_device_that_can_be_loaded_is_available(name):
    assert unavailable(name) is None


def test_shipped_devices_that_the_runtime_lacks(monkeypatch):
    """As with an older version: the class is not there."""
    monkeypatch.delattr(fake_provider, "FakeBoston", raising=False)
    reason = "has no fake backend 'FakeBoston': upgrade it to 0.47 or newer"
    assert reason in unavailable("ibm_boston")
    assert unavailable("noisy_line") is None
    with pytest.raises(HardwareError, match=f"device ibm_boston: qiskit-ibm-runtime .* {reason}"):
        device_from_descriptor(read_descriptor(descriptor_folder() / "ibm_boston.toml"))


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(HardwareError, match="unknown device 'ibm_atlantis': expected one of .*ibm_torino"):
        load_backend("ibm_atlantis")


def test_missing_and_undecodable_files(tmp_path):
    with pytest.raises(HardwareError, match=r"cannot read device descriptor .*none\.toml: No such file"):
        load_backend(tmp_path / "none.toml")
    with pytest.raises(HardwareError, match="cannot read device descriptor"):
        read_descriptor(tmp_path)
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(HardwareError, match="not UTF-8 text"):
        read_descriptor(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("topology", "pairs"),
    [
        ({"kind": "line", "n_qubits": 3}, {(0, 1), (1, 2)}),
        ({"kind": "ring", "n_qubits": 3}, {(0, 1), (1, 2), (2, 0)}),
        ({"kind": "ring", "n_qubits": 2}, {(0, 1)}),
        (
            {"kind": "grid", "n_qubits": 6, "rows": 2},
            {(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)},
        ),
        ({"kind": "all_to_all", "n_qubits": 3}, {(0, 1), (0, 2), (1, 2)}),
        ({"kind": "edges", "n_qubits": 3, "edges": [[2, 0]]}, {(2, 0)}),
    ],
)
def test_topologies(topology, pairs):
    table = {**tomllib.loads(TWO_QUBITS), "topology": topology}
    found = Descriptor.model_validate(table).topology.pairs()
    assert len(found) == len(pairs)
    assert set(found) == pairs
