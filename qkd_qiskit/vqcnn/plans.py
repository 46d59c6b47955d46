"""Plans as text: layers in their order, with `4*conv` for four equal ones in a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from qkd_qiskit.arguments import found, items
from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn.index import MAX_LAYERS

_REPEATED = re.compile(r"([0-9]+)\s*\*\s*(.*)", re.DOTALL)


def parse_plan(plan: str | Sequence[str]) -> tuple[str, ...]:
    """Return the layers of a plan, repetitions written out.

    Args:
        plan: Text such as `"4*conv, edge, conv"`, or its layers as a sequence; `4*conv` stands for four
            convolutions. Whether there are such layers, and whether they fit a chain, is checked elsewhere.

    Raises:
        VQCNNError: If there are no layers, or one is repeated less than once, or more often than a plan has
            layers.
    """
    parts = plan.split(",") if isinstance(plan, str) else items(VQCNNError, "plan", plan, "layers")
    for part in parts:
        if not isinstance(part, str):
            raise VQCNNError(f"plan: expected layers as texts, found {found(part)}")
    return tuple(layer for part in parts for layer in _repeated(part))


def plan_text(layers: Sequence[str]) -> str:
    """Return layers as text that `parse_plan` reads, equal ones in a row written once: `4*conv, edge`."""
    return ", ".join(_runs(layers))


def _runs(layers: Sequence[str]) -> Iterator[str]:
    for kind, run in groupby(layers):
        count = sum(1 for _ in run)
        yield kind if count == 1 else f"{count}*{kind}"


def _repeated(part: str) -> list[str]:
    text = str(part).strip()
    found = _REPEATED.fullmatch(text)
    if found is None:
        return [text]
    digits, kind = found.groups()
    # Seven digits are far more than any plan has: longer ones are not worth converting.
    count = int(digits) if len(digits) < 8 else MAX_LAYERS + 1
    if not 1 <= count <= MAX_LAYERS:
        raise VQCNNError(f"plan: expected a layer 1 to {MAX_LAYERS} times, found {text[:40]!r}")
    return [kind] * count
