"""What the stages of a run share: settings, data, stored stages, random numbers and progress."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import PreparedData
from qkd_qiskit.progress import Progress
from qkd_qiskit.run.parts import RunParts
from qkd_qiskit.run.stages import Stage
from qkd_qiskit.store import AnswerLog, StageStore

Record = TypeVar("Record")


@dataclass
class RunContext:
    """Shared by all stages of one run.

    Attributes:
        settings: The experiment.
        data: Its samples.
        store: Finished stages.
        progress: Shows every stage.
        resume: Whether finished stages are taken from the store.
        timings: Seconds by kind of work.
        parts: Tells what is left of the whole run; None tells nothing.
    """

    settings: ExperimentSettings
    data: PreparedData
    store: StageStore
    progress: Progress
    resume: bool = False
    timings: dict[str, float] = field(default_factory=dict)
    parts: RunParts | None = None

    def given(self, *arrays: NDArray[Any]) -> RunContext:
        """Return the same run for stages that depend on these arrays too, whatever the settings."""
        return replace(self, store=self.store.given(*arrays))

    def rng(self, stage: Stage) -> np.random.Generator:
        """Return the generator of one stage: the same whatever ran before it."""
        return np.random.default_rng([self.settings.seed, zlib.crc32(stage.seed.encode())])

    def stage(self, stage: Stage, kind: type[Record], work: Callable[[], Record]) -> Record:
        """Take the result of a stage from the store when resuming; otherwise make and store it."""
        found = self.store.load(stage.key, kind) if self.resume else None
        if found is not None:
            self.progress.start(stage.label, 1)
            self.progress.done(stage.label)
            return found
        made = work()
        self.store.save(stage.key, made)
        return made

    def answered(self, stage: Stage, kind: type[Record], work: Callable[[AnswerLog], Record]) -> Record:
        """Run a stage that also goes on within itself: its answers are kept until its result is stored."""
        with self.store.answers(stage.key, resume=self.resume) as answers:
            made = self.stage(stage, kind, lambda: work(answers))
            answers.remove()
        return made

    def part_done(self, kind: str, *, worked: bool = True) -> None:
        """Tell that a part of the whole run is done, now or in an earlier run."""
        if self.parts is not None:
            (self.parts.finish if worked else self.parts.leave_out)(kind)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time that a block takes to the timings."""
        start = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start
