"""Public names of packages that import them when they are first used."""

from __future__ import annotations

from types import ModuleType

import pytest

from qkd_qiskit import experiment, federation, store

LAZY = (experiment, federation, store)


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in LAZY for name in package.__all__]
)
def test_a_name_is_the_thing_and_not_the_module_of_that_name(package, name):
    assert not isinstance(getattr(package, name), ModuleType)
    assert name in dir(package)


@pytest.mark.parametrize("package", LAZY)
def test_an_unknown_name_is_named(package):
    with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'qubits'"):
        _ = package.qubits
