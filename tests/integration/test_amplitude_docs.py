"""The Python block of the page on amplitudes runs, and its fidelities are as good as the page says."""

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "amplitudes.md"


def test_the_python_block_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, str(PAGE), "exec"), {})
    first, second = (line.split() for line in printed.getvalue().splitlines())
    assert (first[:2], second[:2]) == (["amplitude_mps", "13"], ["amplitude_brick", "28"])
    assert 0.7 < float(first[5].rstrip(",")) < 0.85
    assert 0.88 < float(second[5].rstrip(",")) < 0.96
