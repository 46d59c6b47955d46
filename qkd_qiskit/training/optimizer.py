"""What all optimizers of a training loss have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qkd_qiskit.arrays import BoolArray, FloatArray
from qkd_qiskit.training.objective import Objective
from qkd_qiskit.vqcnn import VQCNNSpec

# exp(-3) to exp(5): outside, the logits are flat or saturated and the gradient tells nothing.
LOG_SCALE_BOUNDS = (-3.0, 5.0)
# Gates CRX, CRY, CRZ: only they tell an angle from the angle plus 2 pi.
_FIRST_CONTROLLED_ROTATION = 11

Advance = Callable[[int, float], None]
"""Called with the number of finished steps and the best loss after each."""


@dataclass(frozen=True, eq=False)
class Starts:
    """Where an optimizer begins.

    Attributes:
        params: Parameter vectors [P, D].
        losses: Their losses [P].
    """

    params: FloatArray
    losses: FloatArray

    @property
    def best(self) -> FloatArray:
        """The vector [D] with the lowest loss."""
        return np.asarray(self.params[self.losses.argmin()])


@dataclass(frozen=True, eq=False)
class OptimizerResult:
    """What an optimizer found.

    Attributes:
        params: Best parameter vector [D]; after steps on batches, the last one.
        value: Its loss; after steps on batches, the mean loss of the last ones.
        history: Loss at the start and after each step, or mean losses of stretches of steps on batches.
    """

    params: FloatArray
    value: float
    history: tuple[float, ...]


class Optimizer(Protocol):
    """Minimizes a training loss; its own settings are its attributes."""

    def steps(self, spec: VQCNNSpec) -> int:
        """Return the most steps that `run` takes on a structure, for the progress."""

    def run(
        self,
        objective: Objective,
        starts: Starts,
        *,
        rng: np.random.Generator,
        advance: Advance | None = None,
    ) -> OptimizerResult:
        """Minimize the loss.

        Args:
            objective: The loss.
            starts: Where to begin.
            rng: Source of all randomness.
            advance: Called after each step.

        Raises:
            TrainingError: If a start does not fit the circuit, or none has a finite loss.
        """


@dataclass(frozen=True, eq=False)
class Box:
    """Where parameters may lie.

    Attributes:
        lower: Lower bounds [D].
        upper: Upper bounds [D].
        periodic: Which coordinates [D] are periodic, with period `upper - lower`.
    """

    lower: FloatArray
    upper: FloatArray
    periodic: BoolArray

    @classmethod
    def of_params(cls, n_weights: int, period: float) -> Box:
        """Return the box of periodic weights, followed by the log of the logit scale."""
        upper = np.append(np.full(n_weights, period / 2), LOG_SCALE_BOUNDS[1])
        lower = np.append(np.full(n_weights, -period / 2), LOG_SCALE_BOUNDS[0])
        return cls(lower, upper, np.arange(n_weights + 1) < n_weights)

    def clip(self, params: FloatArray) -> FloatArray:
        """Return the nearest points of the box."""
        return np.asarray(np.clip(params, self.lower, self.upper))


def weight_period(spec: VQCNNSpec) -> float:
    """Return the common period of all weights in radians: 4 pi with controlled rotations, otherwise 2 pi."""
    gates = [gene.gate for kernel in spec.kernels for gene in kernel.genes]
    return 4 * np.pi if max(gates, default=0) >= _FIRST_CONTROLLED_ROTATION else 2 * np.pi
