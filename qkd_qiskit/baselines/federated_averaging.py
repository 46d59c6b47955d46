"""FedAvg (McMahan et al., arXiv:1602.05629): the server averages the clients' parameters by sample count.

Local training takes L-BFGS iterations on all samples in place of epochs of gradient descent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.baselines.base import BaselineData
from qkd_qiskit.baselines.federated import FederatedBaseline, FederatedMethod, PulledDescent
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.run.stages import FEDAVG
from qkd_qiskit.training import Objective


class Averaging(FederatedMethod):
    """Descends on each client's loss, and averages."""

    def __init__(self, iterations: int, proximal: float = 0.0) -> None:
        """Set the local training.

        Args:
            iterations: L-BFGS iterations of a client in a round.
            proximal: Price of the squared distance from the server's parameters.
        """
        self._descent = PulledDescent(iterations, proximal)

    def local(self, number: int, objective: Objective, params: FloatArray) -> tuple[FloatArray, float]:
        """Train a client from the server's parameters."""
        del number
        return self._descent.run(objective, params)


class FedAvg(FederatedBaseline):
    """Averages the global structure's parameters over the clients, from the public-only model on."""

    name = "fedavg"
    stage = FEDAVG

    def wanted(self, settings: ExperimentSettings) -> bool:
        """Return true: every run has it."""
        del settings
        return True

    def candidates(self, data: BaselineData) -> Sequence[Callable[[], FederatedMethod]]:
        """Return the settings' local steps, half of them and twice as many."""
        steps = data.run.settings.fedavg.local_steps
        return [partial(Averaging, n) for n in (steps, max(1, steps // 2), 2 * steps)]
