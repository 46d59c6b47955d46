"""A structure as a small SVG, drawn without any library: what notebooks show of a spec."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qkd_qiskit.vqcnn.spec import VQCNNSpec

#: Most blocks that are drawn: clients choose structures, and a page must stay small.
MOST_BLOCKS = 150
_STEP, _ROW, _LEFT = 34, 26, 64
# Dark blue with white text, and orange with black: also apart where colours are not seen.
_COLOURS = {"conv": ("#4477AA", "#FFFFFF"), "pool": ("#EE9944", "#202124")}
_LINE, _INK, _DATA = "#9AA0A6", "#202124", "#D5E3F0"


def spec_svg(spec: VQCNNSpec) -> str | None:
    """Return a drawing of the blocks on their qubits; None where they are too many to draw.

    Args:
        spec: The structure.
    """
    if len(spec.blocks) > MOST_BLOCKS:
        return None
    columns, ends = _columns(spec)
    width, height = _LEFT + _STEP * (max(columns, default=-1) + 2), _ROW * spec.n_qubits + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="10" style="background:#fff">'
    ]
    for qubit, end in enumerate(ends):
        y, last = _y(qubit), _LEFT + _STEP * end
        measured = qubit in spec.measured_qubits
        parts.append(
            f'<line x1="22" y1="{y}" x2="{width - 24 if measured else last}" y2="{y}" stroke="{_LINE}"/>'
        )
        parts.append(f'<text x="2" y="{y + 3}" fill="{_INK}">q{qubit}</text>')
        parts.append(_box(28, y - 8, 28, 16, _DATA, "x", _INK))
        if measured:
            number = spec.measured_qubits.index(qubit)
            parts.append(_box(width - 24, y - 8, 22, 16, "#FFFFFF", f"m{number}", _INK))
    for block, column in zip(spec.blocks, columns, strict=True):
        top, bottom = min(block.qubits), max(block.qubits)
        colour, ink = _COLOURS["conv" if block.kind == "conv" else "pool"]
        x, y = _LEFT + _STEP * column, _y(top) - 9
        parts.append(_box(x, y, _STEP - 6, _y(bottom) - _y(top) + 18, colour, block.kind, ink))
    return "".join([*parts, "</svg>"])


def spec_html(spec: VQCNNSpec) -> str:
    """Return a structure in words, and below them its drawing."""
    words = f"<p>{escape(spec.describe())}</p>"
    drawing = spec_svg(spec)
    if drawing is None:
        return f"{words}<p>Too large to draw.</p>"
    return (
        f'{words}<div style="overflow-x:auto">{drawing}</div>'
        "<p>Light boxes encode a sample, blue ones are convolution blocks, orange ones pool a qubit away, "
        "and what remains is measured.</p>"
    )


def _columns(spec: VQCNNSpec) -> tuple[list[int], list[int]]:
    """Return the column of each block, as far left as those before it allow, and the end of each qubit."""
    free = [0] * spec.n_qubits
    used = [0] * spec.n_qubits
    columns = []
    for block in spec.blocks:
        span = range(min(block.qubits), max(block.qubits) + 1)
        column = max(free[qubit] for qubit in span)
        columns.append(column)
        for qubit in span:
            free[qubit] = column + 1
        for qubit in block.qubits:
            used[qubit] = column + 1
    return columns, used


def _y(qubit: int) -> int:
    return _ROW * qubit + _ROW // 2 + 4


def _box(x: int, y: int, width: int, height: int, colour: str, text: str, ink: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{colour}" stroke="{_LINE}"/>'
        f'<text x="{x + width / 2}" y="{y + height / 2 + 3}" text-anchor="middle" fill="{ink}">'
        f"{escape(text)}</text>"
    )
