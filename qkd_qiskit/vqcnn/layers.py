"""Layers on the chain of active qubits: which pairs a layer acts on, and which qubits survive it."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from qkd_qiskit.errors import VQCNNError

LAYERS: Final = ("conv", "edge", "tree")
"""Kinds of layers: one convolution and two poolings."""

Pairs = tuple[tuple[int, int], ...]
Chain = tuple[int, ...]


def apply_layer(kind: str, active: Chain) -> tuple[Pairs, Chain]:
    """Return the pairs that a layer's blocks act on, in order, and the qubits still active after it.

    `conv` takes the even pairs of neighbours, then the odd ones, each as (left, right). The poolings give
    (discarded, kept). `tree` pools every second qubit into its right neighbour; the last qubit of an odd
    chain survives unpaired. `edge` pools the leftmost and the rightmost qubit into their neighbours; three
    qubits pool both into the middle one. On two qubits both edges would be the same pair, so `edge` refuses
    them: `tree` pools one into the other.

    Args:
        kind: `conv`, `edge` or `tree`.
        active: The active qubits in chain order.

    Raises:
        VQCNNError: If the layer is unknown, or too few qubits are active: 2, or 3 for `edge`.
    """
    if kind not in LAYERS:
        raise VQCNNError(f"plan: expected layers {', '.join(LAYERS)}, found {kind!r}")
    needed = 3 if kind == "edge" else 2
    if len(active) < needed:
        raise VQCNNError(f"plan: {kind} needs at least {needed} active qubits, found {len(active)}")
    if kind == "edge":
        return ((active[0], active[1]), (active[-1], active[-2])), active[1:-1]
    neighbours = tuple(pairwise(active))
    if kind == "conv":
        return neighbours[::2] + neighbours[1::2], active
    return neighbours[::2], active[1::2] + (active[-1:] if len(active) % 2 else ())


def measured_count(n_outcomes: int) -> int:
    """Return the qubits that tell `n_outcomes` outcomes apart: ceil(log2(n_outcomes))."""
    return (n_outcomes - 1).bit_length()


def default_plan(n_qubits: int, n_outcomes: int = 2, *, depth: int = 1) -> tuple[str, ...]:
    """Convolutions with edge pooling between them, down to as few qubits as the outcomes allow.

    The plan is native to a chain: no block needs routing. It ends with convolutions, or with `edge` where
    that leaves one qubit.

    Args:
        n_qubits: Length of the chain, at least 2.
        n_outcomes: Outcomes to tell apart, at least 2.
        depth: Convolutions before each pooling and behind the last one, at least 1. On two qubits, where
            one general block reaches everything, there is one.

    Raises:
        VQCNNError: If the chain is too short for a layer, or for the outcomes, or the depth is below 1.
    """
    if n_qubits < 2 or n_outcomes < 2:
        raise VQCNNError(f"plan: expected 2 or more qubits and outcomes, found {n_qubits} and {n_outcomes}")
    if depth < 1:
        raise VQCNNError(f"plan: expected a depth of at least 1, found {depth}")
    needed = measured_count(n_outcomes)
    if needed > n_qubits:
        raise VQCNNError(f"plan: {n_outcomes} outcomes need {needed} qubits, found {n_qubits}")
    plan: list[str] = []
    while True:
        plan += ["conv"] * (depth if n_qubits > 2 else n_qubits - 1)
        if n_qubits < max(3, needed + 2):
            return tuple(plan)
        plan.append("edge")
        n_qubits -= 2
