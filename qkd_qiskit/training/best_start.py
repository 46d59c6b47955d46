"""No search before L-BFGS or Adam: the best of the random starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.training.objective import Objective
from qkd_qiskit.training.optimizer import Advance, Box, OptimizerResult, Starts, weight_period
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True)
class BestStart:
    """Takes the best start as it is."""

    @classmethod
    def of_training(cls, settings: TrainingSettings) -> Self:
        """Return the one member; no setting concerns it."""
        del settings
        return cls()

    def steps(self, spec: VQCNNSpec) -> int:
        """Return none."""
        return 0

    def run(
        self,
        objective: Objective,
        starts: Starts,
        *,
        rng: np.random.Generator,
        advance: Advance | None = None,
    ) -> OptimizerResult:
        """Return the best start, in the box of weights; nothing is evaluated or drawn."""
        box = Box.of_params(objective.n_params - 1, weight_period(objective.evaluator.spec))
        value = float(starts.losses.min())
        return OptimizerResult(box.clip(starts.best), value, (value,))
