"""The page on encodings: its Python block prints what the page shows; its table names all of them."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from qkd_qiskit.encoding import ENCODINGS, registered_name

PAGE = (Path(__file__).parents[2] / "docs" / "encodings.md").read_text("utf-8")


def test_the_python_block_prints_what_the_page_shows() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, "docs/encodings.md", "exec"), {})
    assert f"```\n{printed.getvalue().strip()}\n```" in PAGE


def test_the_table_names_all_encodings() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {registered_name(name) for row in rows for name in re.findall(r"`([^`]*)`", row.split("|")[1])}
    assert named >= ENCODINGS.keys()
