"""The optimizers that `training.method` names: adding one is its module and a line here."""

from __future__ import annotations

from collections.abc import Callable

from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.errors import TrainingError, did_you_mean
from qkd_qiskit.training.best_start import BestStart
from qkd_qiskit.training.cooperative import CooperativeSwarm
from qkd_qiskit.training.global_swarm import GlobalSwarm
from qkd_qiskit.training.optimizer import Optimizer

OPTIMIZERS: dict[str, Callable[[TrainingSettings], Optimizer]] = {
    "starts": BestStart.of_training,
    "global": GlobalSwarm.of_training,
    "cooperative": CooperativeSwarm.of_training,
}


def make_optimizer(settings: TrainingSettings) -> Optimizer:
    """Return the optimizer that the settings name.

    Raises:
        TrainingError: If there is none of this name.
    """
    if settings.method not in OPTIMIZERS:
        raise TrainingError(
            f"training.method: expected {' or '.join(OPTIMIZERS)}, found {settings.method!r}"
            f"{did_you_mean(settings.method, OPTIMIZERS)}"
        )
    return OPTIMIZERS[settings.method](settings)
