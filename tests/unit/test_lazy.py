"""Packages with lazy names: every name is found, and none is hidden by a module of the same name."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

import qkd_qiskit

ROOT = Path(qkd_qiskit.__file__).parent.parent
FILES = [path for path in ROOT.glob("qkd_qiskit/**/__init__.py") if "_HOMES" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_lazy_names_are_those_of_their_modules(path):
    package = import_module(".".join(path.parent.relative_to(ROOT).parts))
    homes = package._HOMES
    assert set(homes) == set(package.__all__)
    assert package.__dir__() == sorted(homes)
    # An imported module becomes an attribute of its package, which is found before any lazy name.
    assert not [name for name in homes if (path.parent / f"{name}.py").exists()]
    for name, home in homes.items():
        assert getattr(package, name) is getattr(import_module(f"{package.__name__}.{home}"), name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_type_checkers_see_the_same_names(path):
    tree = ast.parse(path.read_text("utf-8"))
    imported = {
        alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == set(import_module(".".join(path.parent.relative_to(ROOT).parts)).__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'qkd_qiskit\.hardware' has no attribute 'nothing'"):
        import_module("qkd_qiskit.hardware").nothing  # noqa: B018
