"""Adam on small batches: the way to learn from many augmented copies.

A step costs the same whatever the number of copies, and its noise keeps large models from fitting a few
hundred samples to the letter (Kingma and Ba, arXiv:1412.6980; the rate falls as a cosine, Loshchilov and
Hutter, arXiv:1608.03983).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import AdamSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.simulation import Evaluator
from qkd_qiskit.training.objective import Objective
from qkd_qiskit.training.optimizer import LOG_SCALE_BOUNDS, Advance, OptimizerResult, Starts
from qkd_qiskit.vqcnn import VQCNNSpec

_MOMENTUM = (0.9, 0.99)
_EPSILON = 1e-8
_WINDOWS = 20


@dataclass(frozen=True)
class Beginning:
    """First steps that another evaluator gives, for example one without noise.

    Attributes:
        evaluator: Runs the same spec.
        steps: How many steps it gives.
    """

    evaluator: Evaluator
    steps: int


@dataclass(frozen=True)
class Adam:
    """Steps from the best start along gradients of batches; every sample comes once before any comes again.

    Attributes:
        settings: Steps, batch and rate.
        alpha_end: Share of the cross-entropy at the last step, linear from that of the targets; None keeps
            it.
        beginning: First steps that are taken elsewhere, in the same fall of the rate; None for none.
        visit: Called with the parameters [W + 1] after each step; None calls nothing.
    """

    settings: AdamSettings
    alpha_end: float | None = None
    beginning: Beginning | None = None
    visit: Callable[[FloatArray], None] | None = None

    def steps(self, spec: VQCNNSpec) -> int:
        """Return the number of steps."""
        return self.settings.steps

    def run(
        self,
        objective: Objective,
        starts: Starts,
        *,
        rng: np.random.Generator,
        advance: Advance | None = None,
    ) -> OptimizerResult:
        """Take all steps; `rng` orders the samples.

        Args:
            objective: The loss of all samples; an evaluator in single precision suffices.
            starts: Where to begin.
            rng: Orders the samples.
            advance: Called after each step with the loss of its batch.

        Returns:
            Where the steps ended, and mean losses over the batches of each of at most 20 equal stretches; one
            more where the evaluator changes within one.

        Raises:
            TrainingError: If the start does not fit the circuit, or the evaluator gives no gradients.
        """
        start, settings, targets = starts.best, self.settings, objective.targets
        if start.shape != (objective.n_params,):
            raise TrainingError(
                f"adam: expected {objective.n_params} starting parameters, found {start.shape}"
            )
        params, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
        batches = _Batches(targets.n_samples, settings.batch, rng)
        losses = np.empty(settings.steps)
        for step in range(settings.steps):
            done = step / settings.steps
            rows = batches.next()
            chosen = replace(targets.rows(rows), alpha=_between(targets.alpha, self.alpha_end, done))
            evaluator = objective.evaluator
            if self.beginning is not None and step < self.beginning.steps:
                evaluator = self.beginning.evaluator
            batch = Objective(evaluator, objective.inputs[rows], chosen, l2=objective.l2)
            losses[step], gradient = batch.value_and_gradient(params)
            first = _MOMENTUM[0] * first + (1 - _MOMENTUM[0]) * gradient
            second = _MOMENTUM[1] * second + (1 - _MOMENTUM[1]) * gradient**2
            slope = first / (1 - _MOMENTUM[0] ** (step + 1))
            width = np.sqrt(second / (1 - _MOMENTUM[1] ** (step + 1)))
            rate = settings.rate * (1 + np.cos(np.pi * done)) / 2
            params = params - rate * slope / (width + _EPSILON)
            params[-1] = np.clip(params[-1], *LOG_SCALE_BOUNDS)
            if self.visit is not None:
                self.visit(params)
            if advance is not None:
                advance(step + 1, losses[step])
        history = tuple(float(losses[part].mean()) for part in self._stretches())
        return OptimizerResult(params, history[-1] if history else float(starts.losses.min()), history)

    @property
    def begun(self) -> int:
        """Entries of the result's history that belong to `beginning`."""
        return len([part for part in self._stretches() if part[-1] < self._switch])

    @property
    def _switch(self) -> int:
        return 0 if self.beginning is None else min(self.beginning.steps, self.settings.steps)

    def _stretches(self) -> list[IntArray]:
        """Return steps in at most 20 equal stretches; none goes across the change of the evaluator."""
        steps, switch = np.arange(self.settings.steps), self._switch
        stretches = np.array_split(steps, min(_WINDOWS, max(len(steps), 1)))
        cut = [part for whole in stretches for part in (whole[whole < switch], whole[whole >= switch])]
        return [part for part in cut if len(part)]


def _between(start: float, end: float | None, done: float) -> float:
    return start if end is None else start + (end - start) * done


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
