"""Angles that prepare given states as well as a fixed circuit can, many states at once.

The overlap of a target with a prepared state is `A cos(t/2) + C sin(t/2)` in any one angle t, so each angle
has a best value in closed form; a pass sets one after the other. What a pass changed is added once more,
times a stride that grows as long as that helps: some 2.5 times fewer passes on MNIST.

Parties of a federation fit the same public samples on different machines and must agree to six decimals. So
targets are rounded first, and the rest is sums, products, quotients and square roots of single precision in
an order of its own, which every machine rounds alike; there is no trigonometry, whose last bits differ,
before the end. For the same reason the angles of a sample do not depend on what stands beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.encoding.real_circuits import RealCircuit, turn

PASSES = 60
"""Passes over the gates for each sample."""

Turns = NDArray[np.float32]
"""Cosines and sines of half of each angle, [2, n_angles] or [2, n_angles, N]."""

# So many samples at a time that arrays outweigh calls, so few that they stay in a core's cache.
_LANES = 64
_GRID = 2.0**20
_STARTS = 32
_START_PASSES = 100
_START_SPREAD = 0.15
_STRIDES = (0.5, 50.0)
_GROWTH = 1.3
_TINY = np.float32(1e-12)

_Single = NDArray[np.float32]


def fit_angles(circuit: RealCircuit, targets: FloatArray, start: Turns, passes: int = PASSES) -> FloatArray:
    """Return angles whose states come close to targets, up to a sign of each state.

    Args:
        circuit: Gates.
        targets: Real states of norm 1, [N, 2^n].
        start: Where every sample starts, [2, n_angles].
        passes: Passes over the gates.

    Returns:
        Angles in radians in [-pi, pi], [N, n_angles].
    """
    rounded = _rounded(targets)
    angles = np.empty((len(targets), circuit.n_angles))
    for begin in range(0, len(targets), _LANES):
        block = np.ascontiguousarray(rounded[begin : begin + _LANES].T, dtype=np.float32)
        first = np.repeat(start[:, :, None], block.shape[1], axis=2)
        (cosines, sines), _ = _fitted(circuit, block, first, passes)
        angles[begin : begin + _LANES] = 2 * np.arctan2(sines, cosines, dtype=np.float64).T
    return np.asarray(angles - 2 * np.pi * np.round(angles / (2 * np.pi)))


def common_start(circuit: RealCircuit, states: FloatArray) -> Turns:
    """Return the turns [2, n_angles] that prepare what states [N, 2^n] have in common.

    Of random starts, which are the same in every call, the one that ends closest counts.
    """
    common = _common_direction(_rounded(states))
    block = np.repeat(common.astype(np.float32)[:, None], _STARTS, axis=1)
    quarter = np.random.default_rng(0).uniform(-_START_SPREAD, _START_SPREAD, (circuit.n_angles, _STARTS))
    turns, overlaps = _fitted(circuit, block, _from_quarter(quarter.astype(np.float32)), _START_PASSES)
    return np.ascontiguousarray(turns[:, :, np.argmax(overlaps)])


def fidelities(circuit: RealCircuit, angles: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the squared overlaps [N] of prepared states with targets [N, 2^n]."""
    return np.asarray(np.einsum("ij,ij->i", circuit.states(angles), targets) ** 2)


def _fitted(circuit: RealCircuit, targets: _Single, start: Turns, passes: int) -> tuple[Turns, _Single]:
    """Return turns [2, n_angles, N] and overlaps [N] of their states with targets [2^n, N]."""
    best, trial = start, start
    reached = np.full(targets.shape[1], -2, dtype=np.float32)
    stride = np.full(targets.shape[1], _STRIDES[0], dtype=np.float32)
    for number in range(passes):
        back = _pulled_back(circuit, targets, trial)
        if number == 0:
            # Nothing measures the sign of a state: take the nearer one of each target.
            sign = np.where(back[0] < 0, -1, 1).astype(np.float32)
            targets, back = targets * sign, back * sign
        kept = back[0] >= reached
        stride = np.clip(np.where(kept, stride * _GROWTH, stride / 2), *_STRIDES).astype(np.float32)
        found, after = _improved(circuit, back, trial)
        better = after >= reached
        found = np.where(better, found, best)
        (old_c, old_s), (new_c, new_s) = best, found
        # The tangent of a quarter of the change, times the stride: a rotation without trigonometry.
        quarter = (new_s * old_c - new_c * old_s) / np.maximum(1 + new_c * old_c + new_s * old_s, 0.01)
        best, reached = found, np.where(better, after, reached)
        trial = _composed(best, _from_quarter(stride * quarter))
    return best, reached


def _pulled_back(circuit: RealCircuit, targets: _Single, turns: Turns) -> _Single:
    """Apply the inverse of the whole circuit to targets; row 0 holds their overlaps."""
    back, k = targets.copy(), circuit.n_angles
    for step in reversed(circuit.steps):
        if isinstance(step, int):
            k -= 1
            turn(back, step, turns[0, k], -turns[1, k])
        else:
            back *= step
    return back


def _improved(circuit: RealCircuit, back: _Single, turns: Turns) -> tuple[Turns, _Single]:
    """Set every angle once, from the first on; return turns and the overlaps that they reach.

    `back` holds the targets, pulled back through the gates that are still to come; it is used up.
    """
    ahead = np.zeros_like(back)
    ahead[0] = 1
    overlap, k = back[0].copy(), 0
    found = turns.copy()
    for step in circuit.steps:
        if not isinstance(step, int):
            back *= step
            ahead *= step
            continue
        shape = (-1, 2, 1 << step, back.shape[1])
        near, far = ahead.reshape(shape), back.reshape(shape)
        slope = _total(near[:, 0] * far[:, 1] - near[:, 1] * far[:, 0])
        largest = np.maximum(np.sqrt(overlap * overlap + slope * slope), _TINY)
        turn(back, step, turns[0, k], turns[1, k])
        found[:, k] = _composed(turns[:, k], np.stack([overlap, slope]) / largest)
        turn(ahead, step, found[0, k], found[1, k])
        overlap = largest
        k += 1
    return found, overlap


def _total(terms: _Single) -> _Single:
    """Return sums over all but the last axis, a power of two of terms, halves added in turn."""
    terms = terms.reshape(-1, terms.shape[-1])
    while len(terms) > 1:
        terms = terms[: len(terms) // 2] + terms[len(terms) // 2 :]
    total: _Single = terms[0]
    return total


def _composed(first: Turns, second: Turns) -> Turns:
    """Return both rotations, one after the other, as unit vectors again."""
    (a, b), (c, d) = first, second
    both = np.stack([a * c - b * d, b * c + a * d])
    unit: Turns = both / np.maximum(np.sqrt(both[0] * both[0] + both[1] * both[1]), _TINY)
    return unit


def _from_quarter(tangents: _Single) -> Turns:
    """Return rotations by the tangents of a quarter of their angles."""
    square = tangents * tangents
    return np.stack([(1 - square) / (1 + square), 2 * tangents / (1 + square)])


def _rounded(states: FloatArray) -> FloatArray:
    return np.asarray(np.rint(states * _GRID) / _GRID)


def _common_direction(states: FloatArray) -> FloatArray:
    """Return the rounded mean of states [N, 2^n], each with the sign that brings it closer to the others."""
    vector = states[0]
    for _ in range(10):
        total = np.where(states @ vector < 0, -1.0, 1.0) @ states
        vector = _rounded(total / np.abs(total).max())
    return np.asarray(_rounded(total / np.linalg.norm(total)))
