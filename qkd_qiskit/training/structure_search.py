"""Structure search: short trainings judge structures, and the best ones are trained in full."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import StructureSettings, TrainingSettings
from qkd_qiskit.errors import TrainingError, VQCNNError
from qkd_qiskit.simulation import one_blas_thread
from qkd_qiskit.training.candidates import CandidateEvaluation, CandidateFactory, SearchTask
from qkd_qiskit.training.structure_methods import SearchStart, StructureMethod, front, structure_method_named
from qkd_qiskit.training.structure_space import StructureSpace, chain_gates
from qkd_qiskit.training.tracking import Tracking
from qkd_qiskit.vqcnn import VQCNNSpec

# Batches without a new structure, as a multiple of the budget, after which a search ends.
_MOST_BATCHES = 4


@dataclass(frozen=True, eq=False)
class StructureSearch:
    """What a structure search has seen, and what it chose.

    Attributes:
        method: The way to search.
        structures: Model indices of the structures that were tried, as decimal text, in their order.
        losses: Validation loss of each after its short training, [E].
        prices: What each pays for its native gates, [E]; the fitness is the sum of both.
        two_qubit: Native two-qubit gates of each one's circuit, at most, [E].
        weights: Circuit weights of each, [E].
        trail: Which structure each genome of each batch was, [batches, P]; -1 where it was none that can be
            trained, or the budget was spent.
        history: Best fitness after each batch.
        finalists: Positions in `structures` of those that were trained in full, the most preferred first, and
            last the base itself if it would not be among them.
        final_fitness: Their validation losses after full training, plus price.
        winner: Model index of the chosen structure, as decimal text.
        evaluations: Parameter vectors evaluated in short trainings, with or without gradient.
    """

    method: str
    structures: tuple[str, ...]
    losses: FloatArray
    prices: FloatArray
    two_qubit: IntArray
    weights: IntArray
    trail: IntArray
    history: tuple[float, ...]
    finalists: tuple[int, ...]
    final_fitness: tuple[float, ...]
    winner: str
    evaluations: int

    @property
    def fitness(self) -> FloatArray:
        """Loss plus price of each structure, [E]."""
        return np.asarray(self.losses + self.prices)

    @property
    def front(self) -> IntArray:
        """Structures than which none has both a lower fitness and fewer gates, the fewest gates first."""
        found = front(np.stack([self.fitness, self.two_qubit.astype(np.float64)], axis=1))
        return found[np.argsort(self.two_qubit[found], kind="stable")]

    def spec(self, number: int) -> VQCNNSpec:
        """Return a structure that was tried."""
        return VQCNNSpec.from_index(int(self.structures[number]))


@one_blas_thread()
def search_structure(
    factory: CandidateFactory,
    space: StructureSpace,
    task: SearchTask,
    settings: TrainingSettings,
    *,
    tracking: Tracking | None = None,
) -> StructureSearch:
    """Search the structure that suits one client's data and device.

    A part of the samples is held back, or, with several folds, one part after the other. Each new structure
    gets a short training on a few of the others and is judged by its loss on the part held back, plus `price`
    times -log of its expected success probability. No structure is trained twice. The best ones are then
    trained in full, with the base if `own` is set, and judged in the same way. Both times, structures that
    the parts held back cannot tell apart count as equal, and the cheapest of equals is preferred; at the end,
    the base. See `CandidateEvaluation.preference`.

    Args:
        factory: Makes circuits of structures.
        space: The structures to choose from.
        task: Samples and seed.
        settings: Settings of the search (`settings.structure`) and of full trainings.
        tracking: Receives every structure that was tried, and the full trainings.

    Raises:
        TrainingError: If there are too few samples to hold some back, no structure can be trained, or there
            is no way to search of the name that the settings give.
    """
    tracking = Tracking("structure") if tracking is None else tracking
    chosen = settings.structure
    folds = _split(task, chosen.validation, chosen.folds)
    finals = _split(task, chosen.validation, chosen.final_folds, repeats=chosen.final_repeats)
    candidates = CandidateEvaluation(factory, task, folds, settings, tracking.answers, finals)
    known = _known(space, chosen)
    start = SearchStart(
        space.priors,
        _first(known, space, candidates, chosen),
        chosen.particles,
        np.random.default_rng([task.seed, zlib.crc32(b"structure swarm")]),
    )
    trail, history = _try_batches(
        structure_method_named(chosen.method)(start), space, candidates, chosen, tracking
    )
    own = candidates.number(factory.base) if chosen.own else None
    always = [space.decode(genome) for genome in space.starts()] if chosen.presets else []
    order = _finalists(candidates, chosen.finalists, own, always)
    if len(order) > 1:
        full = [candidates.full(k, tracking.part(f"finalist {rank}")) for rank, k in enumerate(order, 1)]
        losses, left_out = np.array([loss for loss, _ in full]), np.stack([rest for _, rest in full])
    else:
        losses, left_out = np.array(candidates.losses)[order], np.stack(candidates.left_out)[order]
    final = losses + np.array(candidates.prices)[order]
    names = tuple(str(spec.index) for spec in candidates.specs)
    return StructureSearch(
        method=chosen.method,
        structures=names,
        losses=np.array(candidates.losses),
        prices=np.array(candidates.prices),
        two_qubit=np.array(candidates.two_qubit, dtype=np.int64),
        weights=np.array(candidates.weights, dtype=np.int64),
        trail=trail,
        history=history,
        finalists=tuple(order),
        final_fitness=tuple(map(float, final)),
        winner=names[order[candidates.preference(losses, left_out, order, own)[0]]],
        evaluations=candidates.evaluations,
    )


def searched_spec(base: VQCNNSpec, search: StructureSearch) -> VQCNNSpec:
    """Return the structure that a search chose, with the base's number of outcomes.

    Where it leaves too few qubits for these, or takes more native two-qubit gates than the base, the base
    itself is returned.
    """
    found = VQCNNSpec.from_index(int(search.winner))
    if found.n_outcomes == base.n_outcomes:
        return found
    fields = (found.n_qubits, found.input_encoding, found.plan, found.kernels, found.sharing)
    try:
        wider = VQCNNSpec(*fields, base.n_outcomes)
    except VQCNNError:
        return base
    return wider if chain_gates(wider) <= chain_gates(base) else base


def _known(space: StructureSpace, chosen: StructureSettings) -> IntArray:
    """Return genomes of the structures that are tried first, where the settings want them."""
    known = space.starts(chosen.smaller) if chosen.presets else []
    return np.array(known, dtype=np.int64).reshape(len(known), len(space.priors))


def _first(
    known: IntArray, space: StructureSpace, candidates: CandidateEvaluation, chosen: StructureSettings
) -> IntArray:
    """Return the known genomes of the first batch; of more than it holds, half a batch of the best ones.

    All of them are tried for that, in half of the trainings at most.
    """
    most = chosen.particles * (chosen.iterations + 1) // 2
    if min(len(known), most) <= chosen.particles:
        return known
    known = known[:most]
    specs = [space.decode(genome) for genome in known]
    tried = [np.inf if spec is None else candidates.fitness_of(spec) for spec in specs]
    return known[np.argsort(tried, kind="stable")[: max(1, chosen.particles // 2)]]


def _finalists(
    candidates: CandidateEvaluation, count: int, own: int | None, always: Sequence[VQCNNSpec | None]
) -> list[int]:
    """Return the structures to train in full.

    One alone is the preferred one. Several are those of the front, from the lowest fitness down to fewer
    gates, and, where the front is short, the others by fitness; then those that always are, as far as they
    were tried: a short training says little of large ones. The base comes last.
    """
    losses, left_out = np.array(candidates.losses), np.stack(candidates.left_out)
    if count == 1:
        order = candidates.preference(losses, left_out, range(len(losses)))[:1]
    else:
        fitness, gates = candidates.fitness(), np.array(candidates.two_qubit, dtype=np.float64)
        ahead = front(np.stack([fitness, gates], axis=1))
        walk = [*ahead[np.lexsort((gates[ahead], fitness[ahead]))], *np.argsort(fitness, kind="stable")]
        order = list(dict.fromkeys(map(int, walk)))[:count]
        order += [candidates.number(spec) for spec in always if spec is not None and candidates.knows(spec)]
    order += [] if own is None else [own]
    return list(dict.fromkeys(order))


def _try_batches(
    method: StructureMethod,
    space: StructureSpace,
    candidates: CandidateEvaluation,
    chosen: StructureSettings,
    tracking: Tracking,
) -> tuple[IntArray, tuple[float, ...]]:
    """Let a way to search spend its budget of trainings; return the trail and the best fitness by batch."""
    budget, stale = chosen.particles * (chosen.iterations + 1), 0
    tracking.start(budget)
    trail: list[IntArray] = []
    history: list[float] = []

    def number(genome: IntArray) -> int:
        spec = space.decode(genome)
        if spec is None or (len(candidates.specs) >= budget and not candidates.knows(spec)):
            return -1
        return candidates.number(spec)

    while len(candidates.specs) < budget and stale < chosen.patience:
        if len(trail) >= _MOST_BATCHES * (chosen.iterations + 1):
            break
        genomes, before = method.ask(), len(candidates.specs)
        found = np.array([number(genome) for genome in genomes], dtype=np.int64)
        tracking.advance(len(candidates.specs) - before)
        if not candidates.specs:
            raise TrainingError("structure search: expected a structure within the gate budget, found none")
        fitness, gates = candidates.fitness(), np.array(candidates.two_qubit, dtype=np.float64)
        none = found < 0
        method.tell(genomes, np.where(none, np.inf, fitness[found]), np.where(none, np.inf, gates[found]))
        stale = 0 if not history or fitness.min() < history[-1] else stale + 1
        trail.append(found)
        history.append(float(fitness.min()))
    tracking.done()
    return np.stack(trail), tuple(history)


def _split(task: SearchTask, share: float, folds: int, repeats: int = 1) -> list[tuple[IntArray, IntArray]]:
    """Return for each fold samples to train with, in random order, and samples held back.

    No group is on both sides, and none is held back twice in one of `repeats` splits.
    """
    n = task.targets.n_samples
    groups = np.arange(n) if task.groups is None else task.groups
    if groups.shape != (n,):
        raise TrainingError(f"structure search: expected {n} groups, found shape {groups.shape}")
    rng = np.random.default_rng([task.seed, zlib.crc32(b"structure split")])
    # Originals stand before their copies, and a held-back part needs no copies.
    names, first = np.unique(groups, return_index=True)
    n_held = max(1, round(share * len(names)))
    if len(names) <= n_held:
        raise TrainingError(f"structure search: expected at least 2 different samples, found {len(names)}")
    found = []
    for _ in range(repeats):
        mixed = rng.permutation(names)
        for part in np.array_split(mixed, folds) if folds > 1 else [mixed[:n_held]]:
            held = np.isin(groups, part)
            rows = np.intersect1d(np.flatnonzero(held), first)
            found.append((rng.permutation(np.flatnonzero(~held)), rows))
    return [pair for pair in found if len(pair[1])]
