"""What the stages of a run share: settings, data, circuits on devices, checkpoints, progress."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
from qiskit_aer.noise import NoiseModel

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import PreparedData, Samples
from qkd_qiskit.estimator import GateBudget, estimate_gate_budget
from qkd_qiskit.hardware import TranspiledVQCNN, load_backend, transpile_verified
from qkd_qiskit.progress import Progress
from qkd_qiskit.simulation import CompactCircuit, PauliEvaluator
from qkd_qiskit.store import AnswerLog, StageStore
from qkd_qiskit.vqcnn import VQCNNSpec

Record = TypeVar("Record")


@dataclass(frozen=True)
class CompiledModel:
    """A structure on a device.

    Attributes:
        transpiled: Its ISA circuit, with predicted and counted gates.
        compact: The same circuit, cut to the qubits that it uses.
        noise: The experiment's noise on these qubits; None for none.
        noisy: Evaluator with the experiment's noise.
        ideal: Evaluator without noise, on the logical circuit.
    """

    transpiled: TranspiledVQCNN
    compact: CompactCircuit
    noise: NoiseModel | None
    noisy: PauliEvaluator
    ideal: PauliEvaluator

    @cached_property
    def fast(self) -> PauliEvaluator:
        """`noisy` in single precision: noise of small batches is far above its errors."""
        return PauliEvaluator(self.compact, self.noise, dtype=np.float32)

    @property
    def spec(self) -> VQCNNSpec:
        """The structure."""
        return self.transpiled.spec

    @property
    def two_qubit_gates(self) -> int:
        """Native two-qubit gates, counted."""
        return self.transpiled.report.counted.two_qubit


@dataclass
class RunContext:
    """Shared by all stages of one run.

    Attributes:
        settings: The experiment.
        data: Its samples.
        store: Finished stages.
        progress: Told of every stage.
        resume: Whether finished stages are taken from the store.
        timings: Seconds by kind of work.
    """

    settings: ExperimentSettings
    data: PreparedData
    store: StageStore
    progress: Progress
    resume: bool = False
    timings: dict[str, float] = field(default_factory=dict)
    _machines: dict[tuple[int, str], CompiledModel] = field(default_factory=dict)

    def rng(self, label: str) -> np.random.Generator:
        """The generator of one stage: the same whatever ran before it."""
        return np.random.default_rng([self.settings.seed, zlib.crc32(label.encode())])

    def machine(self, spec: VQCNNSpec, backend: str) -> CompiledModel:
        """The structure on the device, transpiled and compiled once."""
        key = (spec.index, backend)
        if key not in self._machines:
            device = load_backend(backend)
            transpiled = transpile_verified(spec, device, seed=self.settings.seed)
            # PERF: the noise model of a whole device takes seconds.
            compact = CompactCircuit(transpiled)
            enabled = self.settings.noise.enabled
            noise = device.noise_model_for(compact.active_qubits) if enabled else None
            self._machines[key] = CompiledModel(
                transpiled, compact, noise, PauliEvaluator(compact, noise), PauliEvaluator(spec)
            )
        return self._machines[key]

    def budget(self, samples: Samples, backend: str, n_outcomes: int) -> GateBudget:
        """The gate budget of samples on a device, for the experiment's kind of model."""
        model = self.settings.model
        return estimate_gate_budget(
            samples.inputs,
            samples.labels,
            backend=backend,
            n_qubits=model.n_qubits,
            encoding=model.encoding,
            kernel=model.kernel,
            sharing=model.sharing,
            n_outcomes=n_outcomes,
        )

    def stage(self, label: str, kind: type[Record], work: Callable[[], Record]) -> Record:
        """The result of a stage: from the store when resuming, otherwise made and stored."""
        found = self.store.load(label, kind) if self.resume else None
        if found is not None:
            self.progress.start(label, 1)
            self.progress.done(label)
            return found
        made = work()
        self.store.save(label, made)
        return made

    def journaled(self, label: str, kind: type[Record], work: Callable[[AnswerLog], Record]) -> Record:
        """A stage that also goes on within itself: its journal lives until its result is stored."""
        with self.store.answers(label, resume=self.resume) as journal:
            made = self.stage(label, kind, lambda: work(journal))
            journal.remove()
        return made

    @contextmanager
    def timed(self, label: str) -> Iterator[None]:
        """Add the time that a block takes to the timings."""
        start = time.perf_counter()
        yield
        self.timings[label] = self.timings.get(label, 0.0) + time.perf_counter() - start
