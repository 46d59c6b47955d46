"""The cooperative swarm: sub-swarms over a few weights each, swept along the circuit.

A swarm over all weights at once fails above some 30 dimensions. Cooperating sub-swarms keep all weights but
their own fixed (F. van den Bergh, A. P. Engelbrecht, IEEE Trans. Evol. Comput. 8, 225, 2004). Where an
evaluator knows the local environment of a block, every probability is linear in the block's matrix, and a
sub-swarm over weights that occur in this block alone costs one small matrix product a move. All other
weights (shared, or spread over several blocks) move in groups, by full evaluation. The logit scale belongs to
every sub-swarm: it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training.objective import Objective
from qkd_qiskit.training.optimizer import Advance, Box, OptimizerResult, Starts, weight_period
from qkd_qiskit.training.swarm import DEFAULT_COEFFICIENTS, ParticleSwarm, SwarmCoefficients, run_swarm
from qkd_qiskit.vqcnn import VQCNNSpec

_NEAR_SHARE = 0.7
_SMALLEST, _LARGEST = 0.02, 1.0


class Environment(Protocol):
    """One block with everything around it fixed."""

    @property
    def weights(self) -> tuple[int, ...]:
        """Weights that occur in this block and in no other."""

    def build(self, candidates: FloatArray) -> FloatArray:
        """Return the block's matrices [P, d, d] at full weight vectors [P, W]."""

    def probabilities(self, matrices: FloatArray) -> FloatArray:
        """Return outcome probabilities [P, N, 2^m] of matrices [P, d, d]."""


class Environments(Protocol):
    """Goes along the circuit block by block."""

    def __iter__(self) -> Iterator[Environment]:
        """Return the local environments in circuit order."""

    def accept(self, weights: FloatArray) -> None:
        """Go on with new values of the current block's own weights."""


@runtime_checkable
class EnvironmentEvaluator(Protocol):
    """An evaluator that knows the local environments of its blocks."""

    def environments(self, weights: FloatArray, inputs: FloatArray) -> Environments:
        """Return the local environments at weights [W]."""


@dataclass(frozen=True)
class CooperativeSwarm:
    """Sub-swarms that lower the loss of the best start block by block; it never rises.

    Attributes:
        sweeps: Most sweeps along the circuit.
        particles: Particles of each sub-swarm, at least 2.
        iterations: Moves of each sub-swarm.
        patience: Moves without a better best before a sub-swarm stops.
        tolerance: The search ends when a whole sweep lowers the loss by less than this share of it.
        coefficients: How particles move.
        stop: Called before each sub-swarm; True ends the search.
    """

    sweeps: int = 4
    particles: int = 20
    iterations: int = 30
    patience: int = 10
    tolerance: float = 1e-3
    coefficients: SwarmCoefficients = DEFAULT_COEFFICIENTS
    stop: Callable[[], bool] = field(default=lambda: False, repr=False)

    @classmethod
    def of_training(cls, settings: TrainingSettings) -> Self:
        """Return the search of a training."""
        return cls(
            settings.sweeps,
            settings.particles,
            settings.iterations,
            settings.patience,
            coefficients=SwarmCoefficients.of_training(settings),
        )

    def steps(self, spec: VQCNNSpec) -> int:
        """Return the most sub-swarms over blocks."""
        return self.sweeps * len(spec.blocks)

    def run(
        self,
        objective: Objective,
        starts: Starts,
        *,
        rng: np.random.Generator,
        advance: Advance | None = None,
    ) -> OptimizerResult:
        """Search from the best start; each sub-swarm gets a child of `rng`.

        Raises:
            TrainingError: If the start does not fit the circuit, or has no finite loss.
        """
        start = starts.best
        if start.shape != (objective.n_params,):
            raise TrainingError(
                f"cooperative swarm: expected a start of {objective.n_params} numbers, "
                f"found shape {start.shape}"
            )
        value = float(objective.values(start[None])[0])
        if not np.isfinite(value):
            raise TrainingError(f"cooperative swarm: expected a finite loss at the start, found {value}")
        search = _Search(objective, start.copy(), value, self, rng, advance or _ignore)
        sweeps = 0
        while sweeps < self.sweeps and not self.stop():
            before = search.value
            search.sweep()
            sweeps += 1
            if before - search.value < self.tolerance * before:
                break
        return OptimizerResult(search.params, search.value, tuple(search.history))


def _ignore(step: int, value: float) -> None:
    """Ignore the progress."""


class _Search:
    """The context vector of a cooperative search, and how sub-swarms change it."""

    def __init__(
        self,
        objective: Objective,
        params: FloatArray,
        value: float,
        settings: CooperativeSwarm,
        rng: np.random.Generator,
        progress: Advance,
    ) -> None:
        self.objective, self.params, self.value = objective, params, value
        self.history = [value]
        self._settings, self._rng, self._progress = settings, rng, progress
        self._period = weight_period(objective.evaluator.spec)
        self._half = self._period / 2

    def sweep(self) -> None:
        """Once along the circuit, then the weights that live in no single block."""
        evaluator, local = self.objective.evaluator, set[int]()
        if isinstance(evaluator, EnvironmentEvaluator):
            # The context's weights must lie where the sub-swarms' bounds are.
            self.params[:-1] = self._wrapped(self.params[:-1])
            sweep = evaluator.environments(self.params[:-1], self.objective.inputs)
            for environment in sweep:
                if self._settings.stop():
                    return
                local |= set(environment.weights)
                if environment.weights:
                    self._in_environment(environment)
                    sweep.accept(self.params[:-1].copy())
        for group in self._groups(local):
            if self._settings.stop():
                return
            self._improve(group, self.objective.values, logged=True)

    def _groups(self, local: set[int]) -> list[list[int]]:
        """Return weights outside of `local`, those of one spec block together."""
        groups = {block.weights for block in self.objective.evaluator.spec.blocks}
        rest = [sorted(set(group) - local) for group in sorted(groups)]
        return [group for group in rest if group]

    def _in_environment(self, environment: Environment) -> None:
        """Run a sub-swarm in a block's local environment; its whole outcome is one logged answer."""
        columns = list(environment.weights)

        def values(candidates: FloatArray) -> FloatArray:
            probabilities = environment.probabilities(environment.build(candidates[:, :-1]))
            return self.objective.price(probabilities, candidates[:, -1])

        self._improve(columns, values, logged=False)

    def _improve(
        self, columns: list[int], values: Callable[[FloatArray], FloatArray], *, logged: bool
    ) -> None:
        """Let a sub-swarm move some weights and the logit scale; keep what it found if it is better.

        Args:
            columns: Its weights.
            values: Losses [P] of full parameter vectors [P, W + 1].
            logged: Whether `values` writes its own answers down; otherwise the outcome is written.
        """
        rng = self._rng.spawn(1)[0]
        moving = [*columns, len(self.params) - 1]

        def outcome() -> tuple[FloatArray, ...]:
            before = self.objective.evaluations
            found = self._swarm(moving, values, rng)
            return (*found, np.asarray(float(self.objective.evaluations - before)))

        if logged:
            best, value, _ = outcome()
        else:
            counted = self.objective.evaluations
            best, value, spent = self.objective.answers.answer(self.params, outcome)
            self.objective.evaluations = counted + int(spent)
        if value < self.value:
            self.params = self.params.copy()
            self.params[moving] = best
            self.value = float(value)
        self.history.append(self.value)
        self._progress(len(self.history) - 1, self.value)

    def _swarm(
        self, moving: list[int], values: Callable[[FloatArray], FloatArray], rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        settings = self._settings
        box = Box.of_params(len(moving) - 1, self._period)
        swarm = ParticleSwarm(box.clip(self._starts(moving, rng)), box, settings.coefficients, rng=rng)

        def full(part: FloatArray) -> FloatArray:
            candidates = np.repeat(self.params[None], len(part), axis=0)
            candidates[:, moving] = part
            return values(candidates)

        found = run_swarm(swarm, full, iterations=settings.iterations, patience=settings.patience)
        return found.params, np.asarray(found.value)

    def _starts(self, moving: list[int], rng: np.random.Generator) -> FloatArray:
        """Return the context itself, points around it at many distances, and some anywhere."""
        n, dims = self._settings.particles, len(moving)
        near = max(1, round(_NEAR_SHARE * n))
        width = np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST), (n, 1)))
        starts = np.repeat(self.params[None, moving], n, axis=0)
        starts[1:near] += width[1:near] * rng.standard_normal((near - 1, dims))
        starts[near:, :-1] = rng.uniform(-self._half, self._half, (n - near, dims - 1))
        starts[near:, -1] += 0.3 * rng.standard_normal(n - near)
        starts[:, :-1] = self._wrapped(starts[:, :-1])
        return starts

    def _wrapped(self, weights: FloatArray) -> FloatArray:
        return np.asarray((weights + self._half) % (2 * self._half) - self._half)
