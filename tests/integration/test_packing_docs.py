"""The Python block of the page on packing runs, and its copies stand apart."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "packing.md"


def test_the_python_block_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, str(PAGE), "exec"), {})
    chains = [ast.literal_eval(line[: line.index(")") + 1]) for line in printed.getvalue().splitlines()]
    assert len(chains) >= 2
    # On a line of qubits, neighbouring numbers are neighbours.
    places = sorted(qubit for chain in chains for qubit in chain)
    assert len(set(places)) == 3 * len(chains)
    assert all(max(a) + 1 < min(b) or max(b) + 1 < min(a) for a in chains for b in chains if a != b)
