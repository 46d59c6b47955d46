"""L-BFGS on exact gradients, after a swarm or alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training.objective import Objective
from qkd_qiskit.training.optimizer import LOG_SCALE_BOUNDS, Advance, OptimizerResult, Starts
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS from the best start, on exact gradients.

    Attributes:
        iterations: Most iterations; 0 evaluates the start only.
        visit: Called with the parameters after each iteration; None calls nothing.
    """

    iterations: int
    visit: Callable[[FloatArray], None] | None = None

    def steps(self, spec: VQCNNSpec) -> int:
        """Return the most iterations."""
        return self.iterations

    def run(
        self,
        objective: Objective,
        starts: Starts,
        *,
        rng: np.random.Generator,
        advance: Advance | None = None,
    ) -> OptimizerResult:
        """Minimize the loss; nothing is drawn from `rng`.

        Raises:
            TrainingError: If the evaluator gives no gradients, or those of the best start are not finite.
        """
        return minimize_lbfgs(
            objective.value_and_gradient,
            starts.best,
            iterations=self.iterations,
            progress=advance,
            visit=self.visit,
        )


def minimize_lbfgs(
    value_and_gradient: Callable[[FloatArray], tuple[float, FloatArray]],
    start: FloatArray,
    *,
    iterations: int,
    progress: Advance | None = None,
    visit: Callable[[FloatArray], None] | None = None,
) -> OptimizerResult:
    """Minimize a loss from `start` with L-BFGS-B; the last coordinate is the bounded log of the logit scale.

    Args:
        value_and_gradient: Loss and gradient [D] at a point [D].
        start: Starting point [D].
        iterations: Most iterations; 0 evaluates the start only.
        progress: Called with the number of iterations and the best loss after each.
        visit: Called with the point [D] after each.

    Raises:
        TrainingError: If the loss or its gradient is not finite at the start.
    """
    best_value, best_params = np.inf, start

    def evaluate(params: FloatArray) -> tuple[float, FloatArray]:
        nonlocal best_value, best_params
        value, gradient = value_and_gradient(params)
        if value < best_value:
            best_value, best_params = value, params.copy()
        return value, gradient

    start = start.copy()
    start[-1] = np.clip(start[-1], *LOG_SCALE_BOUNDS)
    first, gradient = evaluate(start)
    if not np.isfinite(first) or not np.isfinite(gradient).all():
        raise TrainingError(f"refine: expected a finite loss and gradient at the start, found loss {first}")
    history = [first]
    if iterations == 0:
        return OptimizerResult(best_params, best_value, tuple(history))

    def note(intermediate_result: OptimizeResult) -> None:
        history.append(float(intermediate_result.fun))
        if progress is not None:
            progress(len(history) - 1, best_value)
        if visit is not None:
            visit(intermediate_result.x.copy())

    # The first point is known already; scipy asks for it again, and gets it without a second evaluation.
    known: list[tuple[float, FloatArray]] = [(first, gradient)]
    minimize(
        lambda params: known.pop() if known else evaluate(params),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] * (len(start) - 1) + [LOG_SCALE_BOUNDS],
        callback=note,
        options={"maxiter": iterations, "maxcor": 20},
    )
    return OptimizerResult(best_params, float(best_value), tuple(history))
