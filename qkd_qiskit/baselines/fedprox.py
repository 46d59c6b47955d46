"""FedProx (Li et al., arXiv:1812.06127): FedAvg with a proximal term in the clients' loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from qkd_qiskit.baselines.base import BaselineData
from qkd_qiskit.baselines.federated import FederatedBaseline, FederatedMethod
from qkd_qiskit.baselines.federated_averaging import Averaging
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.run.stages import FEDPROX

PROXIMAL = (0.1, 0.01, 1.0)
"""Weights of the proximal term to choose from, among those of the paper."""


class FedProx(FederatedBaseline):
    """Averages parameters of clients that are held near the server's."""

    name = "fedprox"
    stage = FEDPROX

    def wanted(self, settings: ExperimentSettings) -> bool:
        """Return whether a run names it, or gives the proximal term a weight."""
        return settings.fedavg.proximal > 0 or super().wanted(settings)

    def candidates(self, data: BaselineData) -> Sequence[Callable[[], FederatedMethod]]:
        """Return the weight of the settings alone, or those to choose from where they name none."""
        given, steps = data.run.settings.fedavg.proximal, data.run.settings.fedavg.local_steps
        return [partial(Averaging, steps, mu) for mu in ((given,) if given > 0 else PROXIMAL)]
