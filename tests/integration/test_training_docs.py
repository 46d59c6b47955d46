"""The Python blocks of the page on swarms run."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from qkd_qiskit.vqcnn import VQCNNSpec

PAGE = Path(__file__).parents[2] / "docs" / "swarms.md"


def test_python_blocks_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), {})
    assert VQCNNSpec.from_index(int(printed.getvalue().split()[0])).n_qubits == 4
