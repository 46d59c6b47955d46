"""Blocks gathered into groups of few qubits, and their way through state vectors and back.

A 4 x 4 matrix on a state vector runs at memory speed. Neighbouring blocks that share at most four qubits
are multiplied first, so that the states meet few, larger matrices. States are arrays `[particles, 2^n,
columns]`, qubit 0 leading. Gradients are holomorphic derivatives: no step takes a complex conjugate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.simulation.compiled_circuit import CompiledCircuit

Complex = NDArray[Any]

MOST_QUBITS = 4


@dataclass(frozen=True)
class FusedGroup:
    """Blocks that act on few qubits, one after the other.

    Attributes:
        qubits: Its qubits in chain order; the first leads in its matrix.
        blocks: Positions of its blocks in the compiled circuit.
        places: For each of its blocks the positions of the block's qubits among `qubits`.
    """

    qubits: tuple[int, ...]
    blocks: tuple[int, ...]
    places: tuple[tuple[int, ...], ...]


def plan_groups(compiled: CompiledCircuit) -> tuple[FusedGroup, ...]:
    """Return all blocks in groups, in an order that keeps the circuit's meaning.

    Each group is the window of neighbours, or the lone pair, that takes most of the blocks that are left.
    """
    qubits = [_qubits(compiled, k) for k in range(len(compiled.blocks))]
    width = min(MOST_QUBITS, compiled.n_qubits)
    windows = [frozenset(range(q, q + width)) for q in range(compiled.n_qubits - width + 1)]
    left = list(range(len(qubits)))
    groups = []
    while left:
        candidates = [*windows, frozenset(qubits[left[0]])]
        taken = max((_inside(left, qubits, window) for window in candidates), key=len)
        mine = tuple(sorted({q for k in taken for q in qubits[k]}))
        places = tuple(tuple(mine.index(q) for q in qubits[k]) for k in taken)
        groups.append(FusedGroup(mine, tuple(taken), places))
        left = [k for k in left if k not in taken]
    return tuple(groups)


def _qubits(compiled: CompiledCircuit, k: int) -> tuple[int, ...]:
    block = compiled.blocks[k]
    return (block.first,) if block.second is None else (block.first, block.second)


def _inside(left: Sequence[int], qubits: Sequence[tuple[int, ...]], window: frozenset[int]) -> list[int]:
    """Return blocks on the window's qubits that no block outside it has to precede."""
    closed: set[int] = set()
    taken = []
    for k in left:
        if window.issuperset(qubits[k]) and closed.isdisjoint(qubits[k]):
            taken.append(k)
        else:
            closed.update(qubits[k])
    return taken


def group_matrices(
    groups: Sequence[FusedGroup], matrices: Sequence[Complex]
) -> tuple[list[Complex], list[list[Complex]]]:
    """Return the matrix `[particles, d, d]` of every group, and what `pull_matrices` needs.

    Args:
        groups: The groups.
        matrices: Matrices `[particles, d, d]` of every block of the compiled circuit.
    """
    found, tapes = [], []
    for group in groups:
        first = matrices[group.blocks[0]]
        size = 2 ** len(group.qubits)
        total = np.broadcast_to(np.eye(size, dtype=first.dtype), (len(first), size, size))
        tape = []
        for k, places in zip(group.blocks, group.places, strict=True):
            tape.append(total)
            total = apply_matrix(matrices[k], total, places)
        found.append(total)
        tapes.append(tape)
    return found, tapes


def pull_matrices(
    groups: Sequence[FusedGroup],
    matrices: Sequence[Complex],
    tapes: Sequence[Sequence[Complex]],
    gradients: Sequence[Complex],
    into: Sequence[Complex],
) -> None:
    """Add the gradient of every block's matrix to `into`, given those of the groups' matrices."""
    for group, tape, flow in zip(groups, tapes, gradients, strict=True):
        for k, places, before in reversed(list(zip(group.blocks, group.places, tape, strict=True))):
            into[k][...] += matrix_gradient(flow, before, places)
            flow = apply_matrix(np.swapaxes(matrices[k], -1, -2), flow, places)


def apply_matrix(matrix: Complex, states: Complex, places: tuple[int, ...]) -> Complex:
    """Return states `[particles, 2^n, columns]` after a matrix on the qubits at `places`."""
    front, order = _to_front(states, places)
    out = np.matmul(matrix[:, None], front)
    return _back(out, order, states.shape)


def matrix_gradient(flow: Complex, states: Complex, places: tuple[int, ...]) -> Complex:
    """Return the gradient of a matrix that turned `states` into something of gradient `flow`."""
    outer, _ = _to_front(flow, places)
    inner, _ = _to_front(states, places)
    return np.asarray(np.matmul(outer, np.swapaxes(inner, -1, -2)).sum(axis=1))


def _to_front(states: Complex, places: tuple[int, ...]) -> tuple[Complex, tuple[int, ...] | None]:
    """Return states as `[particles, left, d, right]`, and the order of axes if it had to change."""
    n_particles, size = states.shape[:2]
    width = len(places)
    if places == tuple(range(places[0], places[0] + width)):
        return states.reshape(n_particles, 2 ** places[0], 2**width, -1), None
    n = size.bit_length() - 1
    order = (0, *(1 + q for q in places), *(1 + q for q in range(n) if q not in places), n + 1)
    tensor = states.reshape(n_particles, *(2,) * n, -1).transpose(order)
    return np.ascontiguousarray(tensor).reshape(n_particles, 1, 2**width, -1), order


def _back(states: Complex, order: tuple[int, ...] | None, shape: tuple[int, ...]) -> Complex:
    if order is not None:
        n = shape[1].bit_length() - 1
        tensor = states.reshape(shape[0], *(2,) * n, shape[2])
        states = np.ascontiguousarray(tensor.transpose(tuple(np.argsort(order))))
    return states.reshape(shape)
