"""The Python blocks of the pages on swarms and on the engine run, and print what the pages show."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from qkd_qiskit.vqcnn import VQCNNSpec

DOCS = Path(__file__).parents[2] / "docs"


def printed_by(page: Path) -> str:
    """What the Python blocks of a page print."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)
    assert blocks
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(compile(block, str(page), "exec"), {})
    return printed.getvalue()


def test_python_blocks_on_swarms_run() -> None:
    printed = printed_by(DOCS / "swarms.md")
    assert VQCNNSpec.from_index(int(printed.split()[0])).n_qubits == 4


def test_the_page_on_the_engine_shows_the_plan_that_it_prints() -> None:
    page = DOCS / "engine.md"
    assert f"```\n{printed_by(page).strip()}\n```" in page.read_text("utf-8")
