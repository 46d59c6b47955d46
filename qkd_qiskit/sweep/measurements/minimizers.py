"""Ways to find weights that training does not use, and those that it does, until a limit is reached."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.training import LOG_SCALE_BOUNDS, Objective, minimize_lbfgs

GRADIENT_COST = 3
"""Evaluations that a loss with its exact gradient is counted as: about what it takes to simulate."""

_MOST = 10**6


class _SpentError(Exception):
    """The limit is reached."""


class Budgeted:
    """An objective that keeps its best point, and ends a search when enough was evaluated.

    Attributes:
        best: The best point [D] so far.
        value: Its loss.
    """

    def __init__(self, objective: Objective, start: FloatArray, reached: Callable[[], bool]) -> None:
        """Begin at a point [D]; `reached` tells whether enough was evaluated."""
        self._objective, self._reached = objective, reached
        self.best, self.value = start, np.inf

    def loss(self, params: FloatArray) -> float:
        """Return the loss of a point [D]."""
        return self._note(params, float(self._objective.values(_inside(params)[None])[0]))

    def with_gradient(self, params: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss of a point [D], and its gradient."""
        value, gradient = self._objective.value_and_gradient(_inside(params))
        return self._note(params, value), gradient

    def _note(self, params: FloatArray, value: float) -> float:
        if value < self.value:
            self.best, self.value = _inside(params), value
        if self._reached():
            raise _SpentError
        return value


def lbfgs(budgeted: Budgeted, rng: np.random.Generator) -> None:
    """Run L-BFGS on exact gradients."""
    minimize_lbfgs(budgeted.with_gradient, budgeted.best, iterations=_MOST)


def adam(budgeted: Budgeted, rng: np.random.Generator) -> None:
    """Run Adam on exact gradients of all samples, with a constant rate of 0.05."""
    point = budgeted.best.copy()
    first, second = np.zeros_like(point), np.zeros_like(point)
    for step in range(1, _MOST):
        _, gradient = budgeted.with_gradient(point)
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        slope, width = first / (1 - 0.9**step), np.sqrt(second / (1 - 0.99**step))
        point = _inside(point - 0.05 * slope / (width + 1e-8))


def cobyla(budgeted: Budgeted, rng: np.random.Generator) -> None:
    """Run COBYLA (Powell 1994) from SciPy, which makes linear models of the loss."""
    minimize(
        budgeted.loss, budgeted.best, method="COBYLA", options={"rhobeg": 0.5, "maxiter": _MOST, "tol": 1e-9}
    )


def spsa(budgeted: Budgeted, rng: np.random.Generator) -> None:
    """Run SPSA (Spall, *IEEE Transactions on Aerospace and Electronic Systems* 34:817, 1998).

    The first step is scaled to about 0.1 radian by the mean slope along 25 random directions.
    """
    point, width = budgeted.best.copy(), 0.1
    slopes = [abs(_slope(budgeted, point, width, _signs(point, rng))) for _ in range(25)]
    size = 0.1 * 101**0.602 / max(float(np.mean(slopes)), 1e-12)
    for step in range(_MOST):
        signs = _signs(point, rng)
        slope = _slope(budgeted, point, width / (step + 1) ** 0.101, signs)
        point = _inside(point - size / (step + 101) ** 0.602 * slope * signs)


MINIMIZERS: dict[str, Callable[[Budgeted, np.random.Generator], None]] = {
    "L-BFGS": lbfgs,
    "Adam": adam,
    "COBYLA": cobyla,
    "SPSA": spsa,
}


def minimized(
    name: str, objective: Objective, start: FloatArray, reached: Callable[[], bool], rng: np.random.Generator
) -> FloatArray:
    """Return the best point [D] that a minimizer finds from a start before the limit is reached."""
    budgeted = Budgeted(objective, start, reached)
    with contextlib.suppress(_SpentError):
        MINIMIZERS[name](budgeted, rng)
    return budgeted.best


def _inside(params: FloatArray) -> FloatArray:
    inside = np.array(params, dtype=np.float64)
    inside[-1] = np.clip(inside[-1], *LOG_SCALE_BOUNDS)
    return inside


def _signs(point: FloatArray, rng: np.random.Generator) -> FloatArray:
    return np.where(rng.random(len(point)) < 0.5, -1.0, 1.0)


def _slope(budgeted: Budgeted, point: FloatArray, width: float, signs: FloatArray) -> float:
    ahead, behind = budgeted.loss(point + width * signs), budgeted.loss(point - width * signs)
    return (ahead - behind) / (2 * width)
