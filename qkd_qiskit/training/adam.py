"""Adam on small batches: the way to learn from many augmented copies.

A step costs the same whatever the number of copies, and its noise keeps large models from fitting a few
hundred samples to the letter (Kingma and Ba, arXiv:1412.6980; the rate falls as a cosine, Loshchilov and
Hutter, arXiv:1608.03983).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import AdamSettings
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.training.lbfgs import LOG_SCALE_BOUNDS
from qkd_qiskit.training.objective import Objective, Targets

if TYPE_CHECKING:
    from qkd_qiskit.simulation import Evaluator

_MOMENTUM = (0.9, 0.99)
_EPSILON = 1e-8
_WINDOWS = 20


@dataclass(frozen=True, eq=False)
class AdamResult:
    """Outcome of a descent.

    Attributes:
        params: Where it ended [W + 1].
        history: Mean loss over the batches of each of at most 20 equal stretches.
        steps: Steps taken.
    """

    params: FloatArray
    history: tuple[float, ...]
    steps: int


def minimize_adam(
    evaluator: Evaluator,
    inputs: FloatArray,
    targets: Targets,
    start: FloatArray,
    settings: AdamSettings,
    *,
    l2: float = 0.0,
    alpha_end: float | None = None,
    rng: np.random.Generator,
    advance: Callable[[], None] | None = None,
) -> AdamResult:
    """Descend from `start` along gradients of batches; every sample comes once before any comes again.

    Args:
        evaluator: Runs the circuit, with gradients; single precision suffices.
        inputs: Encoded inputs [N, F].
        targets: What to answer on them.
        start: Starting parameters [W + 1].
        settings: Steps, batch and rate.
        l2: Weight of the squared log of the logit scale.
        alpha_end: Share of the cross-entropy at the last step, linear from that of `targets`; None keeps it.
        rng: Orders the samples.
        advance: Called after each step.

    Raises:
        DistillationError: If inputs, targets and start do not fit.
    """
    if len(inputs) != targets.n_samples:
        raise DistillationError(f"descent: expected {targets.n_samples} inputs, found {len(inputs)}")
    if start.shape != (evaluator.spec.n_weights + 1,):
        raise DistillationError(
            f"descent: expected {evaluator.spec.n_weights + 1} starting parameters, found {start.shape}"
        )
    params, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    batches = _Batches(len(inputs), settings.batch, rng)
    losses = np.empty(settings.steps)
    for step in range(settings.steps):
        done = step / settings.steps
        rows = batches.next()
        chosen = _rows(targets, rows, _between(targets.alpha, alpha_end, done))
        value, gradient = Objective(evaluator, inputs[rows], chosen, l2=l2).value_and_gradient(params)
        losses[step] = value
        first = _MOMENTUM[0] * first + (1 - _MOMENTUM[0]) * gradient
        second = _MOMENTUM[1] * second + (1 - _MOMENTUM[1]) * gradient**2
        slope = first / (1 - _MOMENTUM[0] ** (step + 1))
        width = np.sqrt(second / (1 - _MOMENTUM[1] ** (step + 1)))
        rate = settings.rate * (1 + np.cos(np.pi * done)) / 2
        params = params - rate * slope / (width + _EPSILON)
        params[-1] = np.clip(params[-1], *LOG_SCALE_BOUNDS)
        if advance is not None:
            advance()
    windows = np.array_split(losses, min(_WINDOWS, max(settings.steps, 1)))
    history = tuple(float(part.mean()) for part in windows if len(part))
    return AdamResult(params, history, settings.steps)


def target_rows(targets: Targets, rows: IntArray) -> Targets:
    """Some samples of the targets."""
    return _rows(targets, rows, targets.alpha)


def _between(start: float, end: float | None, done: float) -> float:
    return start if end is None else start + (end - start) * done


def _rows(targets: Targets, rows: IntArray, alpha: float) -> Targets:
    return replace(
        targets,
        labels=None if targets.labels is None else targets.labels[rows],
        soft=None if targets.soft is None else targets.soft[rows],
        weights=None if targets.weights is None else targets.weights[rows],
        alpha=alpha,
    )


class _Batches:
    """Batches of row numbers; a new random order whenever too few rows are left."""

    def __init__(self, n: int, size: int, rng: np.random.Generator) -> None:
        self._size = min(size, n)
        self._n, self._rng = n, rng
        self._left = rng.permutation(n)

    def next(self) -> IntArray:
        if len(self._left) < self._size:
            self._left = self._rng.permutation(self._n)
        rows, self._left = self._left[: self._size], self._left[self._size :]
        return rows
