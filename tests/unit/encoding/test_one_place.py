"""Adding an encoding touches its file, its line in the registry and its test: no other file knows a name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import qkd_qiskit
from qkd_qiskit.encoding import ENCODINGS

PACKAGE = Path(qkd_qiskit.__file__).parent
ELSEWHERE = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "encoding")


def decisions(source: str) -> list[str]:
    """Places that decide by an encoding's name: comparisons, cases, keys of tables, literal types."""
    found = []
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Dict):
            parts = node.keys
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        constants = {
            inner.value
            for part in parts
            if part is not None
            for inner in ast.walk(part)
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
        }
        if constants & ENCODINGS.keys():
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def test_no_file_elsewhere_decides_by_an_encodings_name():
    found = {path.relative_to(PACKAGE).as_posix(): decisions(path.read_text("utf-8")) for path in ELSEWHERE}
    assert {name: places for name, places in found.items() if places} == {}


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_encoding_is_one_file_and_one_line_of_the_registry(name):
    folder = PACKAGE / "encoding"
    holders = {path.name for path in folder.glob("*.py") if f'"{name}"' in path.read_text("utf-8")}
    assert holders == {f"{name}.py"}
    made = type(ENCODINGS[name]).__name__
    registry = (folder / "registry.py").read_text("utf-8")
    assert len(re.findall(rf"\b{made}\b", registry)) == 2, "once imported, once listed"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("if spec.encoding == 'angle':\n    pass", 1),
        ("inside = name in ('angle', 'amplitude')", 1),
        ("match name:\n    case 'amplitude':\n        pass", 1),
        ("gates = {'angle': 2}", 1),
        ("Encoding = Literal['angle', 'amplitude']", 1),
        ("gates['angle']", 1),
        ("def make(encoding: str = 'angle'):\n    return VQCNNSpec(2, encoding='amplitude')", 0),
        ("if self.x == 'angle of view':\n    pass", 0),
    ],
)
def test_the_guard_sees_decisions(source, count):
    assert len(decisions(source)) == count
