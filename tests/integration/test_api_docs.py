"""The page on the root's names: it lists each of them once, as its docstring begins, and its blocks run."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import qkd_qiskit

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_the_page_lists_every_name_once_as_its_docstring_begins():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.M)
    assert sorted(name for name, _ in rows) == sorted(qkd_qiskit.__all__)
    for name, told in rows:
        assert told == inspect.getdoc(getattr(qkd_qiskit, name)).splitlines()[0], name


def test_the_blocks_print_what_is_true(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(printed):
        for block in BLOCKS:
            exec(compile(block, "docs/api.md", "exec"), names)
    card = ["global_model.qasm", "global_model.qpy", "model_card.json", "model_card.md"]
    assert printed.getvalue().splitlines() == ["True", "True", "0.0", "(0, 1)", str(card), "True"]
    assert len(BLOCKS[0].strip().splitlines()) <= 15


def test_the_root_is_imported_without_any_library():
    code = (
        "import sys; before = set(sys.modules); import qkd_qiskit\n"
        "print(sorted({m.partition('.')[0] for m in set(sys.modules) - before} "
        "& {'numpy', 'qiskit', 'sklearn', 'scipy', 'pydantic', 'rich', 'typer', 'matplotlib', 'mlflow'}))"
    )
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    # Python itself takes most of it; a scientific library would take seconds on a busy machine.
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize("name", ["submit_model", "export_model", "crosscheck", "load_model", "predict_file"])
def test_what_a_trained_model_needs_is_at_the_root(name):
    assert callable(getattr(qkd_qiskit, name))
