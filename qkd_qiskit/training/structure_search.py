"""Structure search: a particle swarm over kernels, judged by short trainings and priced in native gates."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training.candidates import CandidateEvaluation, CandidateFactory, SearchTask
from qkd_qiskit.training.kernel_space import KernelSpace
from qkd_qiskit.training.swarm import ParticleSwarm, SwarmCoefficients, run_swarm
from qkd_qiskit.training.tracking import Tracking
from qkd_qiskit.vqcnn import VQCNNSpec, resolve_kernel


@dataclass(frozen=True, eq=False)
class StructureSearch:
    """What a structure search has seen, and what it chose.

    Attributes:
        kernels: Gate strings of the kernels that were tried, in the order of their candidates.
        losses: Validation loss of each after its short training, [E].
        prices: What each pays for its native gates, [E]; the fitness is the sum of both.
        two_qubit: Native two-qubit gates of each one's circuit, [E].
        weights: Circuit weights of each, [E].
        trail: Which kernel each particle was at the start and after each move, [moves + 1, P]; -1 where it
            was none that can be trained.
        history: Best fitness at the start and after each move.
        finalists: Positions in `kernels` of those that were trained in full, the most preferred first, and
            last the base's own kernel if it would not be among them.
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
    factory: CandidateFactory,
    space: KernelSpace,
    task: SearchTask,
    settings: TrainingSettings,
    *,
    tracking: Tracking | None = None,
) -> StructureSearch:
    """Search the kernel that suits one client's data and device.

    A part of the samples is held back. Each new kernel gets a short training on a few of the others and is
    judged by its loss on the part held back, plus `price` times -log of its expected success probability.
    Kernels of one canonical form are trained once. The best ones are then trained in full, with the base's
    own kernel if `own` is set, and judged in the same way. Both times, kernels that the part held back cannot
    tell apart count as equal, and the cheapest of equals is preferred; at the end, the base's own one. See
    `CandidateEvaluation.preference`.

    Args:
        factory: Makes circuits of kernels.
        space: The kernels to choose from.
        task: Samples and seed.
        settings: Settings of the search (`settings.structure`) and of full trainings.
        tracking: Receives every kernel that was tried, and the full trainings.

    Raises:
        TrainingError: If there are too few samples to hold some back, or no start can be trained.
    """
    tracking = Tracking("structure") if tracking is None else tracking
    chosen = settings.structure
    train, held = _split(task, chosen.validation)
    candidates = CandidateEvaluation(factory, task, train, held, settings, tracking.answers)
    tracking.start(chosen.particles * (chosen.iterations + 1))
    trail: list[IntArray] = []

    def fitness(positions: FloatArray) -> FloatArray:
        found = np.array(
            [candidates.number(space.decode(position)) for position in positions], dtype=np.int64
        )
        trail.append(found)
        tracking.advance(len(positions))
        known = candidates.fitness()
        return np.array([np.inf if k < 0 else known[k] for k in found])

    rng = np.random.default_rng([task.seed, zlib.crc32(b"structure swarm")])
    swarm = ParticleSwarm(
        space.starts(chosen.particles, presets=chosen.presets, rng=rng),
        space.box,
        SwarmCoefficients.of_training(settings),
        rng=rng,
    )
    found = run_swarm(swarm, fitness, iterations=chosen.iterations, patience=chosen.patience)
    tracking.done()
    own = candidates.number(factory.base.kernels[0].canonical()) if chosen.own else None
    losses, left_out = np.array(candidates.losses), np.stack(candidates.left_out)
    order = candidates.preference(losses, left_out, range(len(losses)))[: chosen.finalists]
    if own is not None and own not in order:
        order.append(own)
    if len(order) > 1:
        full = [candidates.full(k, tracking.part(f"finalist {rank}")) for rank, k in enumerate(order, 1)]
        losses, left_out = np.array([loss for loss, _ in full]), np.stack([rest for _, rest in full])
    else:
        losses, left_out = losses[order], left_out[order]
    final = losses + np.array(candidates.prices)[order]
    visited = np.stack(trail)
    return StructureSearch(
        kernels=tuple(map(str, candidates.kernels)),
        losses=np.array(candidates.losses),
        prices=np.array(candidates.prices),
        two_qubit=np.array(candidates.two_qubit, dtype=np.int64),
        weights=np.array(candidates.weights, dtype=np.int64),
        trail=visited,
        history=found.history,
        finalists=tuple(order),
        final_fitness=tuple(map(float, final)),
        winner=str(candidates.kernels[order[candidates.preference(losses, left_out, order, own)[0]]]),
        reused=int((visited >= 0).sum()) - len(np.unique(visited[visited >= 0])),
        evaluations=candidates.evaluations,
    )


def _split(task: SearchTask, share: float) -> tuple[IntArray, IntArray]:
    """Return samples to train with, in random order, and samples held back; no group is on both sides."""
    n = task.targets.n_samples
    groups = np.arange(n) if task.groups is None else task.groups
    if groups.shape != (n,):
        raise TrainingError(f"structure search: expected {n} groups, found shape {groups.shape}")
    rng = np.random.default_rng([task.seed, zlib.crc32(b"structure split")])
    names = rng.permutation(np.unique(groups))
    n_held = max(1, round(share * len(names)))
    if len(names) <= n_held:
        raise TrainingError(f"structure search: expected at least 2 different samples, found {len(names)}")
    held = np.isin(groups, names[:n_held])
    # Originals stand before their copies, and a held-back part needs no copies.
    _, first = np.unique(groups, return_index=True)
    return rng.permutation(np.flatnonzero(~held)), np.intersect1d(np.flatnonzero(held), first)


def searched_spec(base: VQCNNSpec, search: StructureSearch) -> VQCNNSpec:
    """Return the base with the kernel that a search chose, in every layer."""
    kernel = resolve_kernel(search.winner)
    return VQCNNSpec(base.n_qubits, base.encoding, base.plan, kernel, base.sharing, base.n_outcomes)
