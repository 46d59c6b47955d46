"""Exact preparation of real states: a tree of rotations, each multiplexed by all qubits before its own.

Qubit n - 1 is turned first; each next qubit is turned by an angle of its own for every value of those before
it (Möttönen et al., arXiv:quant-ph/0407010). On a chain, the controls of a rotation count by their parities:
CX along the chain gather the parity of the nearest controls, a CZ joins it to the rotated qubit, and the CX
are undone. A rotation with k controls takes 2^k RY and some 3 * 2^k two-qubit gates, all on neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray


def tree_gates(n_qubits: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the gates in order, by Qiskit's name and qubits; `ry` have the tree's angles in order."""
    for level in range(n_qubits):
        target = n_qubits - 1 - level
        for step in range(1 << level):
            if step:
                far = _ruler(step)
                ladder = [(target + d + 1, target + d) for d in range(far, 0, -1)]
                yield from (("cx", pair) for pair in ladder)
                yield "cz", (target + 1, target)
                yield from (("cx", pair) for pair in reversed(ladder))
            yield "ry", (target,)


def tree_angles(amplitudes: FloatArray) -> FloatArray:
    """Return the angles of the tree's RY, in radians.

    Args:
        amplitudes: Real states of norm 1, [N, 2^n]; index bit q is qubit q.

    Returns:
        Angles [N, 2^n - 1] in the order of `tree_gates`.
    """
    n_samples, size = amplitudes.shape
    levels = []
    for level in range(size.bit_length() - 1):
        halves = amplitudes.reshape(n_samples, 1 << level, 2, -1)
        # The last qubit's halves are the amplitudes themselves, signs included.
        sizes = halves[..., 0] if halves.shape[-1] == 1 else np.linalg.norm(halves, axis=-1)
        wanted = 2 * np.arctan2(sizes[:, :, 1], sizes[:, :, 0])
        levels.append(_signed_sums(wanted)[:, _parities(level)] / (1 << level))
    return np.concatenate(levels, axis=1)


def _ruler(step: int) -> int:
    """Return how often 2 divides a number."""
    return (step & -step).bit_length() - 1


def _parities(level: int) -> IntArray:
    """Return for each RY of a level which controls, as bits, flip its sign by their parity.

    A CZ flips the sign of every RY before it: the rotated qubit starts in |0>, which Z leaves alone.
    """
    flips = [0]
    for step in range((1 << level) - 1, 0, -1):
        flips.append(flips[-1] ^ ((2 << _ruler(step)) - 1))
    return np.array(flips[::-1], dtype=np.int64)


def _signed_sums(values: FloatArray) -> FloatArray:
    """Return sums of values [N, 2^k]: column c subtracts those whose index has oddly many bits of c."""
    sums = values
    width = 1
    while width < values.shape[1]:
        pairs = sums.reshape(len(values), -1, 2, width)
        low, high = pairs[:, :, 0], pairs[:, :, 1]
        sums = np.stack([low + high, low - high], axis=2).reshape(values.shape)
        width *= 2
    return sums
