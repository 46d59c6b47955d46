"""Structure search: a particle swarm over kernels, judged by short trainings and priced in native gates."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.progress import NullProgress, Progress
from qkd_qiskit.training.journal import Journal
from qkd_qiskit.training.losses import FloatArray, IntArray
from qkd_qiskit.training.objective import Objective, Targets
from qkd_qiskit.training.refine import refine
from qkd_qiskit.training.space import KernelSpace
from qkd_qiskit.training.swarm import ParticleSwarm, run_swarm
from qkd_qiskit.training.trainer import global_swarm, random_params, train_model
from qkd_qiskit.vqcnn import Kernel, VQCNNSpec

if TYPE_CHECKING:
    from qkd_qiskit.simulation import Evaluator


@dataclass(frozen=True)
class Workshop:
    """How kernels become circuits, and what these cost.

    Attributes:
        base: The structure whose kernel is searched; all its layers get the same one.
        evaluator: Makes the evaluator of a structure, under the noise to train with.
        log_success: The log of a structure's expected success probability, at most 0; 0 without noise.
        two_qubit: Native two-qubit gates of a structure.
    """

    base: VQCNNSpec
    evaluator: Callable[[VQCNNSpec], Evaluator]
    log_success: Callable[[VQCNNSpec], float]
    two_qubit: Callable[[VQCNNSpec], int]

    def spec(self, kernel: Kernel) -> VQCNNSpec:
        """The base with another kernel in every layer."""
        base = self.base
        return VQCNNSpec(base.n_qubits, base.encoding, base.plan, kernel, base.sharing, base.n_outcomes)


@dataclass(frozen=True, eq=False)
class StructureSearch:
    """What a structure search has seen, and what it chose.

    Attributes:
        kernels: Gate strings of the kernels that were tried, in the order of their trials.
        losses: Validation loss of each after its short training, [E].
        prices: What each pays for its native gates, [E]; the fitness is the sum of both.
        two_qubit: Native two-qubit gates of each one's circuit, [E].
        weights: Circuit weights of each, [E].
        trail: Which kernel each particle was at the start and after each move, [moves + 1, P]; -1 where it
            was none that can be trained.
        history: Best fitness at the start and after each move.
        finalists: Positions in `kernels` of those that were trained in full, best short training first.
        final_fitness: Their validation losses after full training, plus price.
        winner: Gate string of the chosen kernel.
        reused: Particles whose kernel was known already and was not trained again.
        evaluations: Parameter vectors evaluated in short trainings, with or without gradient.
    """

    kernels: tuple[str, ...]
    losses: FloatArray
    prices: FloatArray
    two_qubit: IntArray
    weights: IntArray
    trail: IntArray
    history: tuple[float, ...]
    finalists: tuple[int, ...]
    final_fitness: tuple[float, ...]
    winner: str
    reused: int
    evaluations: int

    @property
    def fitness(self) -> FloatArray:
        """Loss plus price of each kernel, [E]."""
        return np.asarray(self.losses + self.prices)


def search_structure(
    workshop: Workshop,
    space: KernelSpace,
    inputs: FloatArray,
    targets: Targets,
    settings: TrainingSettings,
    *,
    groups: IntArray | None = None,
    seed: int,
    journal: Journal | None = None,
    progress: Progress | None = None,
    label: str = "structure",
) -> StructureSearch:
    """Search the kernel that suits one client's data and device.

    A part of the samples is held back. Each new kernel gets a short training on a few of the others and is
    judged by its loss on the part held back, plus `price` times -log of its expected success probability.
    Kernels of one canonical form are trained once. The best ones are then trained in full, and judged in the
    same way.

    Args:
        workshop: Makes circuits of kernels.
        space: The kernels to choose from.
        inputs: Encoded inputs [N, F].
        targets: What to answer on them.
        settings: Settings of the search (`settings.structure`) and of full trainings.
        groups: Which original each sample comes from, [N]; copies of one original are held back together.
            None: every sample is an original.
        seed: Seeds the split, the swarm and every training.
        journal: Takes down all finished work.
        progress: Told of every kernel that was tried, and of the full trainings.
        label: Name of this search in `progress`.

    Raises:
        TrainingError: If there are too few samples to hold some back, or no start can be trained.
    """
    progress = NullProgress() if progress is None else progress
    journal = Journal() if journal is None else journal
    chosen = settings.structure
    train, held = _split(targets.n_samples, groups, chosen.validation, seed)
    trials = _Trials(workshop, inputs, targets, train, held, settings, seed, journal)
    progress.start(label, chosen.particles * (chosen.iterations + 1))
    trail: list[IntArray] = []

    def fitness(positions: FloatArray) -> FloatArray:
        found = np.array([trials.number(space.decode(position)) for position in positions], dtype=np.int64)
        trail.append(found)
        progress.advance(label, len(positions))
        known = trials.fitness()
        return np.array([np.inf if k < 0 else known[k] for k in found])

    rng = np.random.default_rng([seed, zlib.crc32(b"structure swarm")])
    upper = space.upper
    swarm = ParticleSwarm(
        space.starts(chosen.particles, presets=chosen.presets, rng=rng),
        np.zeros_like(upper),
        upper,
        periodic=np.ones(len(upper), dtype=bool),
        inertia=settings.inertia,
        cognitive=settings.cognitive,
        social=settings.social,
        rng=rng,
    )
    found = run_swarm(swarm, fitness, iterations=chosen.iterations, patience=chosen.patience)
    progress.done(label)
    order = np.argsort(trials.fitness(), kind="stable")[: chosen.finalists]
    if len(order) > 1:
        final = [
            trials.full(int(k), progress, f"{label}, finalist {rank}") for rank, k in enumerate(order, 1)
        ]
    else:
        final = [float(trials.fitness()[k]) for k in order]
    visited = np.stack(trail)
    return StructureSearch(
        kernels=tuple(map(str, trials.kernels)),
        losses=np.array(trials.losses),
        prices=np.array(trials.prices),
        two_qubit=np.array(trials.two_qubit, dtype=np.int64),
        weights=np.array(trials.weights, dtype=np.int64),
        trail=visited,
        history=found.history,
        finalists=tuple(int(k) for k in order),
        final_fitness=tuple(final),
        winner=str(trials.kernels[int(order[int(np.argmin(final))])]),
        reused=int((visited >= 0).sum()) - len(trials.kernels),
        evaluations=trials.evaluations,
    )


class _Trials:
    """Short trainings of kernels, each canonical form once."""

    def __init__(
        self,
        workshop: Workshop,
        inputs: FloatArray,
        targets: Targets,
        train: IntArray,
        held: IntArray,
        settings: TrainingSettings,
        seed: int,
        journal: Journal,
    ) -> None:
        self.kernels: list[Kernel] = []
        self.losses: list[float] = []
        self.prices: list[float] = []
        self.two_qubit: list[int] = []
        self.weights: list[int] = []
        self.evaluations = 0
        self._numbers: dict[Kernel, int] = {}
        self._workshop, self._settings, self._seed, self._journal = workshop, settings, seed, journal
        few = train[: settings.structure.samples]
        self._short = (inputs[few], targets.rows(few))
        self._train = (inputs[train], targets.rows(train))
        self._held = (inputs[held], targets.rows(held))

    def fitness(self) -> FloatArray:
        """Fitness of all kernels so far, [E]."""
        return np.asarray(np.array(self.losses) + np.array(self.prices), dtype=np.float64)

    def number(self, kernel: Kernel | None) -> int:
        """Number of a kernel, which is trained if it is new; -1 for none."""
        if kernel is None:
            return -1
        if kernel not in self._numbers:
            self._try(kernel)
            self._numbers[kernel] = len(self.kernels)
            self.kernels.append(kernel)
        return self._numbers[kernel]

    def full(self, number: int, progress: Progress, label: str) -> float:
        """Fitness of a kernel after a full training."""
        kernel, steps = self.kernels[number], self._settings.structure.full_steps
        evaluator = self._workshop.evaluator(self._workshop.spec(kernel))
        model = train_model(
            evaluator,
            *self._train,
            self._settings if steps is None else self._settings.model_copy(update={"refine": steps}),
            rng=self._rng(f"full {kernel}"),
            journal=self._journal,
            progress=progress,
            label=label,
        )
        judge = Objective(evaluator, *self._held, journal=self._journal)
        return float(judge.values(model.params[None])[0]) + self.prices[number]

    def _try(self, kernel: Kernel) -> None:
        spec = self._workshop.spec(kernel)
        name = np.frombuffer(str(kernel).encode(), dtype=np.uint8).astype(np.float64)
        loss, spent = self._journal.answer(name, lambda: self._short_training(kernel, spec))
        self.evaluations += int(spent)
        self.losses.append(float(loss))
        self.prices.append(-self._settings.structure.price * self._workshop.log_success(spec))
        self.two_qubit.append(self._workshop.two_qubit(spec))
        self.weights.append(spec.n_weights)

    def _short_training(self, kernel: Kernel, spec: VQCNNSpec) -> tuple[FloatArray, FloatArray]:
        chosen = self._settings.structure
        evaluator = self._workshop.evaluator(spec)
        objective = Objective(evaluator, *self._short, l2=self._settings.l2)
        starts = random_params(chosen.starts, spec.n_weights, rng=self._rng(str(kernel)))
        losses = objective.values(starts)
        best = starts[losses.argmin()]
        if chosen.moves:
            moved = self._settings.model_copy(update={"iterations": chosen.moves})
            best = global_swarm(objective, starts, losses, moved, self._rng(f"swarm {kernel}")).params
        if chosen.steps:
            best = refine(objective.value_and_gradient, best, iterations=chosen.steps).params
        loss = Objective(evaluator, *self._held).values(best[None])[0]
        return np.asarray(loss), np.asarray(float(objective.evaluations))

    def _rng(self, name: str) -> np.random.Generator:
        """A kernel's own generator: its fitness does not depend on when it is tried."""
        return np.random.default_rng([self._seed, zlib.crc32(name.encode())])


def _split(n: int, groups: IntArray | None, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Samples to train with, in random order, and samples held back; no group is on both sides."""
    groups = np.arange(n) if groups is None else groups
    if groups.shape != (n,):
        raise TrainingError(f"structure search: expected {n} groups, found shape {groups.shape}")
    rng = np.random.default_rng([seed, zlib.crc32(b"structure split")])
    names = rng.permutation(np.unique(groups))
    n_held = max(1, round(share * len(names)))
    if len(names) <= n_held:
        raise TrainingError(f"structure search: expected at least 2 different samples, found {len(names)}")
    held = np.isin(groups, names[:n_held])
    # Originals stand before their copies, and a held-back part needs no copies.
    _, first = np.unique(groups, return_index=True)
    return rng.permutation(np.flatnonzero(~held)), np.intersect1d(np.flatnonzero(held), first)
