"""SCAFFOLD (Karimireddy et al., arXiv:1910.06378): control variates take out the drift of unequal clients.

Local steps are plain gradient steps on batches, as in the paper: its correction is a step's, and L-BFGS would
follow a loss with a linear term without bound. A client's control variate is what its steps add up to
(option II), and travels with the parameters, so that both ways carry two vectors. Means over clients are
weighted by their samples, as in the other baselines; the server's step is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.baselines.base import BaselineData
from qkd_qiskit.baselines.federated import FederatedBaseline, FederatedMethod
from qkd_qiskit.run import RunContext
from qkd_qiskit.run.stages import SCAFFOLD
from qkd_qiskit.training import LOG_SCALE_BOUNDS, Objective

RATES = (0.3, 0.1, 1.0)
"""Sizes of a local step to choose from; the gradient of a circuit's loss in radians is small."""
BATCHES = 4
"""Batches of a client's samples: so many gradient steps cost as much as one on all samples."""


class ControlledDescent(FederatedMethod):
    """Gradient steps, corrected by the difference of the server's and the client's control variate."""

    vectors = 2

    def __init__(self, sweeps: int, rate: float, rng: np.random.Generator) -> None:
        """Set the local training.

        Args:
            sweeps: How often a client goes through its samples in a round.
            rate: Size of a step.
            rng: Orders the samples.
        """
        self._sweeps, self._rate, self._rng = sweeps, rate, rng
        self._server: FloatArray | None = None
        self._own: dict[int, FloatArray] = {}
        self._next: dict[int, FloatArray] = {}

    def local(self, number: int, objective: Objective, params: FloatArray) -> tuple[FloatArray, float]:
        """Take a client's steps, and make its next control variate of them."""
        server = np.zeros_like(params) if self._server is None else self._server
        own = self._own.get(number, np.zeros_like(params))
        moved, losses, n = params.copy(), [], objective.targets.n_samples
        for _ in range(self._sweeps):
            for rows in np.array_split(self._rng.permutation(n), min(BATCHES, n)):
                batch = Objective(
                    objective.evaluator, objective.inputs[rows], objective.targets.rows(rows), l2=objective.l2
                )
                loss, gradient = batch.value_and_gradient(moved)
                losses.append(loss)
                moved -= self._rate * (gradient - own + server)
                moved[-1] = np.clip(moved[-1], *LOG_SCALE_BOUNDS)
        objective.evaluations += len(losses)
        self._next[number] = own - server + (params - moved) / (len(losses) * self._rate)
        return moved, float(losses[0])

    def combined(self, local: FloatArray, share: FloatArray, params: FloatArray) -> FloatArray:
        """Average the parameters, and the changes of the control variates."""
        nothing = np.zeros_like(params)
        server = nothing if self._server is None else self._server
        changes = [self._next[k] - self._own.get(k, nothing) for k in range(len(local))]
        self._server = server + share @ np.stack(changes)
        self._own = dict(self._next)
        return super().combined(local, share, params)


class Scaffold(FederatedBaseline):
    """Averages parameters of clients whose drift is corrected."""

    name = "scaffold"
    stage = SCAFFOLD

    def candidates(self, data: BaselineData) -> Sequence[Callable[[], FederatedMethod]]:
        """Return the sizes of a step to choose from."""
        sweeps, run = data.run.settings.fedavg.local_steps, data.training_run
        return [partial(_method, sweeps, rate, run) for rate in RATES]


def _method(sweeps: int, rate: float, run: RunContext) -> FederatedMethod:
    return ControlledDescent(sweeps, rate, run.rng(SCAFFOLD))
