"""Early stopping: parameters along a training's last phase, of which somebody else's labels choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.training import TrainedModel

POINTS = 10
"""Most points along a phase that are compared."""

Choose = Callable[[Sequence[FloatArray]], int]
"""Chooses between parameters [W + 1] in the order in which they were passed; the last are the end."""


@dataclass(frozen=True)
class Path:
    """Parameters that a phase passed.

    Attributes:
        choose: Chooses one of them; None takes the end.
        points: All that were passed so far, one an iteration or step.
    """

    choose: Choose | None
    points: list[FloatArray] = field(default_factory=list)

    @property
    def visit(self) -> Callable[[FloatArray], None] | None:
        """Notes parameters; None where nobody chooses."""
        return None if self.choose is None else self.points.append

    def chosen(self, model: TrainedModel) -> TrainedModel:
        """Return the model at the chosen point.

        At most `POINTS` are compared, at equal distances; the model's own parameters are the last of them.

        Args:
            model: The model at the end of the phase.
        """
        if self.choose is None or not self.points:
            return model
        steps = len(self.points)
        ends = np.unique(np.linspace(0, steps, POINTS + 1).astype(int))[1:]
        found = [self.points[end - 1] for end in ends[:-1]] + [model.params]
        number = self.choose(found)
        return replace(model, params=found[number], stopped_at=float(ends[number]) / steps)
