"""The README's Python blocks run, in order, and print what their comments say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_python_blocks_run_and_print_what_they_say():
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S)
    assert len(blocks) >= 3
    names: dict[str, object] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(compile(block, str(README), "exec"), names)
    expected = re.findall(r"print\(.*\)  # (.+)", "\n".join(blocks))
    lines = printed.getvalue().splitlines()
    for text in expected:
        assert text in lines
    assert lines[-1] == "True"
