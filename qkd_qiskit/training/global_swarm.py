"""A swarm over whole parameter vectors: weak above some 30 dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.training.objective import Objective
from qkd_qiskit.training.optimizer import Advance, Box, OptimizerResult, Starts, weight_period
from qkd_qiskit.training.swarm import DEFAULT_COEFFICIENTS, ParticleSwarm, SwarmCoefficients, run_swarm
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True)
class GlobalSwarm:
    """A swarm with one particle a start.

    Attributes:
        iterations: Most moves.
        patience: Moves without a better best before it stops.
        coefficients: How its particles move.
    """

    iterations: int
    patience: int
    coefficients: SwarmCoefficients = DEFAULT_COEFFICIENTS

    @classmethod
    def of_training(cls, settings: TrainingSettings) -> Self:
        """Return the swarm of a training."""
        return cls(settings.iterations, settings.patience, SwarmCoefficients.of_training(settings))

    def steps(self, spec: VQCNNSpec) -> int:
        """Return the most moves."""
        return self.iterations

    def run(
        self,
        objective: Objective,
        starts: Starts,
        *,
        rng: np.random.Generator,
        advance: Advance | None = None,
    ) -> OptimizerResult:
        """Move the swarm; with an evaluator that draws shots, bests are evaluated again at every move.

        Raises:
            TrainingError: If a start does not fit the circuit, or none has a finite loss.
        """
        box = Box.of_params(objective.n_params - 1, weight_period(objective.evaluator.spec))
        swarm = ParticleSwarm(box.clip(starts.params), box, self.coefficients, rng=rng)
        swarm.ask()
        swarm.tell(starts.losses)
        return run_swarm(
            swarm,
            objective.values,
            iterations=self.iterations,
            patience=self.patience,
            reevaluate=getattr(objective.evaluator, "shots", None) is not None,
            progress=advance,
        )
