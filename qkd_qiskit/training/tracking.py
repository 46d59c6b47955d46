"""Where a training reports its progress, and where it keeps finished work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.store.answers import AnswerLog


@dataclass(frozen=True)
class Tracking:
    """One training's progress and answers; by default nothing is reported or kept.

    Attributes:
        label: Name of the training in `progress`.
        progress: Receives every step.
        answers: Keeps all finished work. Run again with equal seeds and the log of an interrupted
            training, a training ends as an uninterrupted one does, bit for bit.
        visit: Called with the parameters [W + 1] after each iteration of L-BFGS; None calls nothing.
    """

    label: str = "training"
    progress: Progress = field(default_factory=NullProgress)
    answers: AnswerLog = field(default_factory=AnswerLog)
    visit: Callable[[FloatArray], None] | None = None

    def start(self, steps: int) -> None:
        """Announce the training and its steps."""
        self.progress.start(self.label, steps)

    def advance(self, n: int = 1) -> None:
        """Report finished steps."""
        self.progress.advance(self.label, n)

    def done(self) -> None:
        """Report the end."""
        self.progress.done(self.label)

    def part(self, name: str) -> Tracking:
        """Return the tracking of one part of this training."""
        return replace(self, label=f"{self.label}, {name}")
