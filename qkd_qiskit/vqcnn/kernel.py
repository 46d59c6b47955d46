"""Kernels: the two-qubit blocks that layers slide over the chain, as strings of genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from qkd_qiskit.arguments import found, items
from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.vqcnn import canonical
from qkd_qiskit.vqcnn.genes import Gene

MAX_GENES: Final = 64
"""Genes that a kernel may have at most; part of what bounds the work on a foreign model index."""


@dataclass(frozen=True)
class Kernel:
    """A two-qubit block as a string of genes, in the order in which they act.

    Attributes:
        genes: At most `MAX_GENES` genes. No gene at all is the identity, which `canonical` may end at.
    """

    genes: tuple[Gene, ...]

    def __post_init__(self) -> None:
        """Check the genes.

        Raises:
            VQCNNError: If there are too many genes, or something else than genes.
        """
        object.__setattr__(self, "genes", items(VQCNNError, "kernel", self.genes, "genes"))
        if len(self.genes) > MAX_GENES:
            raise VQCNNError(f"kernel: expected at most {MAX_GENES} genes, found {len(self.genes)}")
        for gene in self.genes:
            if not isinstance(gene, Gene):
                raise VQCNNError(f"kernel: expected genes, found {found(gene)}")

    @classmethod
    def from_string(cls, text: str) -> Kernel:
        """Read genes separated by blanks, as in `RZ0 RY0 CX10 RY1`.

        Args:
            text: A gate string as `str(kernel)` writes it; an empty one is the identity.

        Raises:
            VQCNNError: If a word is no gene, or there are too many.
        """
        return cls(tuple(Gene.from_string(word) for word in text.split()))

    def __str__(self) -> str:
        return " ".join(map(str, self.genes))

    @property
    def n_parameters(self) -> int:
        """Number of angles, one for each parametrized gene."""
        return sum(gene.is_parametrized for gene in self.genes)

    @property
    def n_two_qubit(self) -> int:
        """Number of two-qubit genes, controlled rotations counted once."""
        return sum(gene.is_two_qubit for gene in self.genes)

    def canonical(self) -> Kernel:
        """Return the canonical kernel that this one stands for.

        I is dropped. Paulis vanish in rotations about their axis, equal rotations merge, equal
        parameter-free gates cancel, also across genes that commute with them, and parameter-free runs
        become their shortest equivalent. So far the kernel reaches the same unitaries, up to global phase.
        Last, if the kernel has a parameter and several two-qubit gates, those at its end are dropped that
        would cancel, or merge with, the first ones of a next equal block on the same pair.

        The gates cannot spell every shortest circuit (`CX01 CY01` takes one CX and a phase gate, which is no
        gene), so that a transpiler may still save gates: `is_tight` tells.

        Returns:
            A kernel no longer than this one, and its own canonical form.
        """
        return self._canonical

    @cached_property
    def _canonical(self) -> Kernel:
        return Kernel(canonical.open_boundary(canonical.reduce(self.genes)))
