"""Structures as choices within a gate budget: layers, kernels, sharing, encoding, measured qubits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.training.kernel_space import GENES, KernelSpace
from qkd_qiskit.training.tidy_structure import StructureDraft, cheaper, tidied
from qkd_qiskit.vqcnn import PRESETS, Kernel, VQCNNSpec, native_two_qubit

_DEPTH = 3
_SLOTS = KernelSpace(8, 3)
_POOLINGS = ("edge", "tree", "stop")
_WINDOWS = 3
_SAME_INPUTS = ("angle", "reupload(fresh=0)")


def chain_gates(spec: VQCNNSpec) -> int:
    """Return native two-qubit gates of a structure's blocks and encoding on a chain, at most."""
    return native_two_qubit(spec) + len(spec.encoding_pairs)


@dataclass(frozen=True)
class StructureSpace:
    """All structures of one width and number of outcomes whose native two-qubit gates stay within a budget.

    A structure is given by a genome [D] of choices, `sizes` many each: the encoding; the sharing; which of
    the surviving qubits are measured; on each ring of the chain the kernel of each of three convolutions, or
    none, then how the ring is pooled and by which kernel; and the genes of `own_kernels` gate strings, of
    which layers may make use as of the presets. What exceeds the budget is made cheaper, the costliest layers
    first.

    Attributes:
        base: Width, encoding and outcomes; its own structure and gate budget are where the search starts.
        two_qubit: Native two-qubit gates of a structure that the device routes; on a chain `chain_gates`
            tells.
        known: Structures that the search begins with, besides the base; those within the budget count.
        smaller: Smaller ones of the same kind, the smallest first, of which some are tried at the beginning.
        own_kernels: Gate strings that the search makes up.
        other_encodings: Whether the encoding is chosen too, among those that take the base's inputs.
        max_two_qubit: Native two-qubit gates, at most; those of the base when negative.
    """

    base: VQCNNSpec
    two_qubit: Callable[[VQCNNSpec], int] = chain_gates
    known: tuple[VQCNNSpec, ...] = ()
    smaller: tuple[VQCNNSpec, ...] = ()
    own_kernels: int = 2
    other_encodings: bool = True
    max_two_qubit: int = -1

    def __post_init__(self) -> None:
        """Take the budget of the base where none is given."""
        if self.max_two_qubit < 0:
            object.__setattr__(self, "max_two_qubit", self.gates(self.base))

    def gates(self, spec: VQCNNSpec) -> int:
        """Return native two-qubit gates of a structure, at most."""
        return chain_gates(spec) if spec.is_chain_native else self.two_qubit(spec)

    @property
    def sizes(self) -> IntArray:
        """Number of choices of each place of a genome, [D]."""
        return np.array([len(prior) for prior in self.priors], dtype=np.int64)

    @cached_property
    def priors(self) -> tuple[FloatArray, ...]:
        """Probabilities of the choices of each place where nothing is known yet: D arrays.

        Half of the convolutions are left out: a random structure is neither far above the budget nor far
        below it.
        """
        layers = len(PRESETS) + self.own_kernels
        conv = np.array([0.5, *[0.5 / layers] * layers])
        kernel, pooling = np.full(layers, 1 / layers), np.array([0.7, 0.15, 0.15])
        head = [np.full(len(self.encodings), 1 / len(self.encodings)), np.array([0.75, 0.25])]
        ring = [*[conv] * _DEPTH, pooling, kernel]
        genes = [np.full(GENES, 1 / GENES)] * (_SLOTS.n_genes * self.own_kernels)
        return (*head, np.full(_WINDOWS, 1 / _WINDOWS), *ring * self._n_rings, *genes)

    @property
    def encodings(self) -> tuple[str, ...]:
        """Encodings that take the same inputs as that of the base, itself first."""
        own = self.base.encoding
        others: list[str] = []
        if self.other_encodings and own in _SAME_INPUTS:
            others = [name for name in _SAME_INPUTS if name != own]
        return (own, *others)

    def draw(self, n: int, rng: np.random.Generator) -> IntArray:
        """Return random genomes [n, D] from the priors."""
        columns = [rng.choice(len(prior), size=n, p=prior) for prior in self.priors]
        return np.stack(columns, axis=1).astype(np.int64)

    def decode(self, genome: IntArray) -> VQCNNSpec | None:
        """Return the canonical structure of a genome, within the budget; None where there is none."""
        draft: StructureDraft | None = self._draft(genome)
        while draft is not None and draft.layers:
            spec = tidied(self.base, draft)
            if spec is None:
                return None
            if self.gates(spec) <= self.max_two_qubit:
                return spec
            draft = cheaper(draft, spec)
        return None

    def encode(self, spec: VQCNNSpec) -> IntArray | None:
        """Return a genome of a structure; None for one that the space does not hold."""
        genome = np.zeros(len(self.priors), dtype=np.int64)
        own: list[Kernel] = []
        try:
            genome[0] = self.encodings.index(spec.encoding)
            genome[1] = ("site", "layer").index(spec.sharing)
            for at, choice in self._layer_choices(spec, own):
                genome[at] = choice
        except (ValueError, IndexError):
            return None
        start = 3 + self._n_rings * (_DEPTH + 2)
        for number, kernel in enumerate(own):
            first = start + number * _SLOTS.n_genes
            genome[first : first + _SLOTS.n_genes] = _SLOTS.encode(kernel)
        return next((found for found in self._windows(genome) if self.decode(found) == spec), None)

    def starts(self, smaller: int = 0) -> list[IntArray]:
        """Return genomes of the base and of the known structures, of those that the space holds.

        Args:
            smaller: How many of the smaller ones come after them, evenly spaced.
        """
        first = self._genomes((self.base, *self.known))
        more = self._genomes(spec for spec in self.smaller if spec not in self.known) if smaller else []
        chosen = np.unique(np.linspace(0, len(more) - 1, min(smaller, len(more))).round().astype(int))
        return first + [more[number] for number in chosen]

    def _genomes(self, specs: Iterable[VQCNNSpec]) -> list[IntArray]:
        genomes = [self.encode(spec) for spec in dict.fromkeys(specs)]
        return [genome for genome in genomes if genome is not None]

    @property
    def _n_rings(self) -> int:
        return (self.base.n_qubits + 1) // 2

    def _draft(self, genome: IntArray) -> StructureDraft:
        values = iter(genome.tolist())
        encoding, sharing = self.encodings[next(values)], ("site", "layer")[next(values)]
        window = next(values)
        rings = [[next(values) for _ in range(_DEPTH + 2)] for _ in range(self._n_rings)]
        genes = np.fromiter(values, dtype=np.int64).reshape(self.own_kernels, _SLOTS.n_genes)
        # What cannot be trained is the cheapest preset.
        own = [_SLOTS.decode(row) or PRESETS["one_cx"] for row in genes]
        kernels = [*PRESETS.values(), *own]
        layers: list[tuple[str, Kernel]] = []
        for *convs, pooling, kernel in rings:
            layers += [("conv", kernels[choice - 1]) for choice in convs if choice]
            if _POOLINGS[pooling] == "stop":
                break
            layers.append((_POOLINGS[pooling], kernels[kernel]))
        return StructureDraft(encoding, sharing, window, tuple(layers))

    def _layer_choices(self, spec: VQCNNSpec, own: list[Kernel]) -> Iterator[tuple[int, int]]:
        """Give places and choices of a structure's layers; `own` takes kernels that are no presets.

        Raises:
            IndexError: If there are more convolutions, rings or kernels than the space holds.
        """
        presets, ring, conv = list(PRESETS.values()), 0, 0
        width = _DEPTH + 2
        for kind, kernel in zip(spec.plan, spec.kernels, strict=True):
            if kernel not in presets and kernel not in own:
                own.append(kernel)
                if len(own) > self.own_kernels or not _SLOTS.holds(kernel):
                    raise IndexError(f"kernel {kernel}")
            number = presets.index(kernel) if kernel in presets else len(presets) + own.index(kernel)
            if ring >= self._n_rings or (kind == "conv" and conv >= _DEPTH):
                raise IndexError(f"layer {kind}")
            if kind == "conv":
                yield 3 + ring * width + conv, number + 1
                conv += 1
            else:
                yield 3 + ring * width + _DEPTH, _POOLINGS.index(kind)
                yield 3 + ring * width + _DEPTH + 1, number
                ring, conv = ring + 1, 0
        if ring < self._n_rings:
            yield 3 + ring * width + _DEPTH, _POOLINGS.index("stop")

    def _windows(self, genome: IntArray) -> Iterator[IntArray]:
        for window in range(_WINDOWS):
            changed = genome.copy()
            changed[2] = window
            yield changed
