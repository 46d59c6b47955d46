from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import qkd_qiskit

PACKAGE = Path(qkd_qiskit.__file__).parent


def _module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


WITH_EXAMPLES = [
    _module_name(path) for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text("utf-8")
]


def _failures(text: str) -> int:
    test = doctest.DocTestParser().get_doctest(text, {}, "example", None, 0)
    return doctest.DocTestRunner(verbose=False).run(test, out=lambda _: None).failed


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run_and_print_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0


def test_a_wrong_example_is_found() -> None:
    assert _failures(">>> 1 + 1\n3\n") == 1
    assert _failures(">>> 1 + 1\n2\n") == 0


def test_the_package_has_examples() -> None:
    assert len(WITH_EXAMPLES) >= 8
