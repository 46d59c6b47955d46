"""Particle swarms on pyswarms: the only module that imports it.

pyswarms has no seed, draws from NumPy's global state, reconfigures logging and opens `report.log` whenever
one of its reporters is made, and its `optimize()` resets personal bests. So the ask/tell loop here is our
own, around its `Swarm`, operators and topologies; the global state is fed from a generator and put back;
and logging is left alone.
"""

from __future__ import annotations

import logging.config
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training.optimizer import Advance, Box, OptimizerResult

_IMPORT_LOCK = threading.Lock()


@contextmanager
def _logging_untouched() -> Iterator[None]:
    """Make `logging.config.dictConfig` idle: each pyswarms reporter calls it, which opens `report.log`."""
    with _IMPORT_LOCK:
        original = logging.config.dictConfig
        logging.config.dictConfig = lambda config: None
        try:
            yield
        finally:
            logging.config.dictConfig = original


@contextmanager
def _global_state_from(rng: np.random.Generator) -> Iterator[None]:
    """Seed NumPy's global state from `rng`, and put the old state back."""
    saved = np.random.get_state()  # noqa: NPY002 - pyswarms draws from nowhere else
    np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(saved)  # noqa: NPY002


@dataclass(frozen=True)
class SwarmCoefficients:
    """How particles move.

    Attributes:
        inertia: Share of its velocity that a particle keeps.
        cognitive: Pull towards a particle's own best.
        social: Pull towards the best of its neighbours.
        topology: `star` (all particles are neighbours) or `ring` (the three nearest).
    """

    inertia: float = 0.73
    cognitive: float = 1.5
    social: float = 1.5
    topology: Literal["star", "ring"] = "star"

    @classmethod
    def of_training(cls, settings: TrainingSettings) -> Self:
        """Return the coefficients that a training's settings hold."""
        return cls(settings.inertia, settings.cognitive, settings.social)


DEFAULT_COEFFICIENTS = SwarmCoefficients()


class ParticleSwarm:
    """A swarm to ask for positions and to tell their costs.

    Periodic coordinates live on a circle: a particle that leaves the box enters it on the other side, and is
    drawn towards a best position the short way round. Other coordinates are clipped to the box.

    Attributes:
        best_position: The best position [D] so far.
        best_cost: Its cost; infinite before the first finite cost.
    """

    def __init__(
        self,
        start: FloatArray,
        box: Box,
        coefficients: SwarmCoefficients = DEFAULT_COEFFICIENTS,
        *,
        rng: np.random.Generator,
    ) -> None:
        """Return place the particles.

        Args:
            start: Starting positions [P, D], inside the box; P at least 2.
            box: Where they move.
            coefficients: How they move.
            rng: Source of all randomness.

        Raises:
            TrainingError: If there are fewer than two particles, or a start lies outside the box.
        """
        if start.ndim != 2 or len(start) < 2:
            raise TrainingError(f"swarm: expected at least 2 particles [P, D], found shape {start.shape}")
        lower, upper, star = box.lower, box.upper, coefficients.topology == "star"
        if not (lower < upper).all() or not ((start >= lower) & (start <= upper)).all():
            raise TrainingError("swarm: expected starts inside bounds with lower < upper")
        with _logging_untouched():
            from pyswarms.backend.operators import compute_pbest
            from pyswarms.backend.swarms import Swarm
            from pyswarms.backend.topology import Ring, Star

            self._topology = Star() if star else Ring(static=False)
        self._neighbours = {} if star else {"p": 2, "k": min(3, len(start))}
        self._compute_pbest = compute_pbest
        self._rng = rng
        self._lower, self._upper, self._periodic = lower, upper, box.periodic
        self._span = upper - lower
        # A quarter of the box: faster particles on a circle hop at random.
        self._clamp = (-0.25 * self._span, 0.25 * self._span)
        self._swarm = Swarm(
            position=start.copy(),
            velocity=rng.uniform(-0.1, 0.1, start.shape) * self._span,
            options={"w": coefficients.inertia, "c1": coefficients.cognitive, "c2": coefficients.social},
            pbest_cost=np.full(len(start), np.inf),
        )
        self._asked = False
        self._n_costs = np.ones(len(start), dtype=np.int64)

    @property
    def best_position(self) -> FloatArray:
        """The best position [D] so far."""
        return np.array(self._swarm.pbest_pos[np.argmin(self._swarm.pbest_cost)])

    @property
    def best_cost(self) -> float:
        """Cost of the best position; infinite before the first finite cost."""
        return float(self._swarm.pbest_cost.min())

    def ask(self) -> FloatArray:
        """Return the positions [P, D] whose costs are wanted next."""
        if self._swarm.current_cost.size:
            self._move()
        self._asked = True
        return np.array(self._swarm.position)

    def tell(self, costs: FloatArray) -> None:
        """Take the costs [P] of the positions that `ask` returned; NaN counts as infinite.

        Raises:
            TrainingError: If `ask` was not called before, or the number of costs is wrong.
        """
        if not self._asked or costs.shape != (self._swarm.n_particles,):
            raise TrainingError(
                f"swarm: expected {self._swarm.n_particles} costs after ask(), found shape {costs.shape}"
            )
        self._asked = False
        swarm = self._swarm
        swarm.current_cost = np.where(np.isnan(costs), np.inf, costs)
        # A new best has one cost so far.
        self._n_costs = np.where(swarm.current_cost < swarm.pbest_cost, 1, self._n_costs)
        swarm.pbest_pos, swarm.pbest_cost = self._compute_pbest(swarm)
        swarm.best_pos, best_cost = self._topology.compute_gbest(swarm, **self._neighbours)
        swarm.best_cost = float(best_cost)

    def tell_bests(self, costs: FloatArray) -> None:
        """Take new costs [P] of the personal bests, where costs scatter: a lucky one must not live for ever.

        Each best's cost becomes the mean of all that it got.

        Raises:
            TrainingError: If the number of costs is wrong.
        """
        swarm = self._swarm
        if costs.shape != (swarm.n_particles,):
            raise TrainingError(
                f"swarm: expected {swarm.n_particles} costs of the bests, found shape {costs.shape}"
            )
        self._n_costs += 1
        swarm.pbest_cost = (
            swarm.pbest_cost + (np.where(np.isnan(costs), np.inf, costs) - swarm.pbest_cost) / self._n_costs
        )

    def place(self, positions: FloatArray) -> None:
        """Put the particles at other positions [P, D] than the moves led them to, inside the box."""
        self._swarm.position = positions.copy()

    def follow(self, bests: FloatArray, leaders: FloatArray) -> None:
        """Take what each particle is drawn to next, in place of `tell`: where costs do not decide it alone.

        Args:
            bests: Each particle's own best position [P, D].
            leaders: The position that each one follows, [P, D].
        """
        self._swarm.current_cost = np.zeros(len(bests))
        self._swarm.pbest_pos, self._swarm.best_pos, self._swarm.best_cost = bests.copy(), leaders.copy(), 0.0

    @property
    def personal_bests(self) -> FloatArray:
        """Best position of each particle, [P, D]."""
        return np.array(self._swarm.pbest_pos)

    def _move(self) -> None:
        swarm, personal, best = self._swarm, self._swarm.pbest_pos, self._swarm.best_pos
        if np.isinf(swarm.best_cost):
            best = swarm.position
        # The operator subtracts positions, so it gets the image of each best that lies nearest on the circle.
        swarm.pbest_pos, swarm.best_pos = self._nearest_image(personal), self._nearest_image(best)
        with _global_state_from(self._rng):
            swarm.velocity = self._topology.compute_velocity(swarm, clamp=self._clamp)
        swarm.pbest_pos, swarm.best_pos = personal, best
        position = self._topology.compute_position(swarm, bounds=None)
        wrapped = self._lower + np.mod(position - self._lower, self._span)
        swarm.position = np.where(self._periodic, wrapped, np.clip(position, self._lower, self._upper))

    def _nearest_image(self, target: FloatArray) -> FloatArray:
        offset = target - self._swarm.position
        around = offset - self._span * np.round(offset / self._span)
        return np.asarray(self._swarm.position + np.where(self._periodic, around, offset))


def run_swarm(
    swarm: ParticleSwarm,
    values: Callable[[FloatArray], FloatArray],
    *,
    iterations: int,
    patience: int,
    reevaluate: bool = False,
    stop: Callable[[], bool] | None = None,
    progress: Advance | None = None,
) -> OptimizerResult:
    """Move a swarm until it stops getting better.

    Args:
        swarm: The swarm; it is evaluated where it stands, unless it has costs already.
        values: Costs [P] of positions [P, D].
        iterations: Most moves; 0 evaluates the starts only.
        patience: Moves without a better best before it stops.
        reevaluate: Whether every move also evaluates the personal bests again, for values that scatter from
            call to call; the best cost may then rise.
        stop: Called before each move; True ends the search.
        progress: Called with the number of moves and the best cost after each.

    Raises:
        TrainingError: If no particle has a finite cost at the start.
    """
    if not np.isfinite(swarm.best_cost):
        swarm.tell(values(swarm.ask()))
    if not np.isfinite(swarm.best_cost):
        raise TrainingError("swarm: expected a finite loss at some starting point, found none")
    history, stale = [swarm.best_cost], 0
    while len(history) <= iterations and stale < patience and not (stop and stop()):
        if reevaluate:
            swarm.tell_bests(values(swarm.personal_bests))
        swarm.tell(values(swarm.ask()))
        stale = 0 if swarm.best_cost < min(history) else stale + 1
        history.append(swarm.best_cost)
        if progress is not None:
            progress(len(history) - 1, swarm.best_cost)
    return OptimizerResult(swarm.best_position, swarm.best_cost, tuple(history))
