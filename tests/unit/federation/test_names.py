"""The package's public names, which are imported when they are first used."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from qkd_qiskit import federation


@pytest.mark.parametrize("name", federation.__all__)
def test_a_name_is_the_thing_and_not_the_module_of_that_name(name):
    assert not isinstance(getattr(federation, name), ModuleType)
    assert name in dir(federation)


def test_an_unknown_name_is_named():
    with pytest.raises(AttributeError, match="'qkd_qiskit.federation' has no attribute 'qubits'"):
        _ = federation.qubits


def test_a_client_that_waits_for_its_server_imports_no_circuits():
    code = (
        "import sys, qkd_qiskit.federation.flower.join\n"
        "print([name for name in ('qiskit', 'scipy', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
