"""Kernels as choices: k genes, each one of 13 gates on one of two orientations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import IntArray
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.vqcnn import GATES, Gene, Kernel

GENES = 2 * len(GATES)
"""What a gene can be: a gate and an orientation."""
_IDENTITY = 2 * GATES.index("I")


@dataclass(frozen=True)
class KernelSpace:
    """All kernels of at most `n_genes` genes, within a bound on their native two-qubit gates.

    A kernel is given by numbers [k] from 0 to `GENES` - 1, after Zhang, Cai, Lin, *Chinese Journal of Quantum
    Electronics* 42(1):123, 2025, who move k integers over thirteen gates.

    Attributes:
        n_genes: Genes of a kernel, k, at least 2.
        max_two_qubit: Native two-qubit gates of a kernel, at most; 1 or more. Controlled rotations take two.
    """

    n_genes: int
    max_two_qubit: int

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises:
            TrainingError: If no trainable kernel fits.
        """
        if self.n_genes < 2 or self.max_two_qubit < 1:
            raise TrainingError(
                "structure search: expected at least 2 genes and 1 two-qubit gate a kernel, "
                f"found {self.n_genes} and {self.max_two_qubit}"
            )

    def decode(self, numbers: IntArray) -> Kernel | None:
        """Return the canonical kernel of some numbers.

        Two-qubit genes that would exceed the limit are read as I. Different numbers may mean one kernel.

        Args:
            numbers: [k], each from 0 to `GENES` - 1.

        Returns:
            The kernel, or None where nothing of it is trained, or nothing entangles.
        """
        genes, left = [], self.max_two_qubit
        for number in numbers.tolist():
            gene = Gene(number // 2 + 1, number % 2)
            cost = _gene_cost(gene)
            if cost > left:
                gene, cost = Gene(_IDENTITY // 2 + 1, gene.orientation), 0
            left -= cost
            genes.append(gene)
        kernel = Kernel(tuple(genes)).canonical()
        return kernel if kernel.n_two_qubit and kernel.n_parameters else None

    def encode(self, kernel: Kernel) -> IntArray:
        """Return numbers [k] that `decode` reads as the kernel's canonical form: its genes, then I.

        Raises:
            TrainingError: If the kernel does not fit into the space.
        """
        if not self.holds(kernel):
            raise TrainingError(
                f"structure search: expected at most {self.n_genes} genes and {self.max_two_qubit} native "
                f"two-qubit gates a kernel, found {len(kernel.genes)} and {native_cost(kernel)}"
            )
        genes = [2 * (gene.gate - 1) + gene.orientation for gene in kernel.genes]
        return np.array(genes + [_IDENTITY] * (self.n_genes - len(genes)), dtype=np.int64)

    def holds(self, kernel: Kernel) -> bool:
        """Return whether the kernel fits into the space."""
        return len(kernel.genes) <= self.n_genes and native_cost(kernel) <= self.max_two_qubit


def native_cost(kernel: Kernel) -> int:
    """Return native two-qubit gates of one block of a kernel, at most."""
    return sum(_gene_cost(gene) for gene in kernel.genes)


def _gene_cost(gene: Gene) -> int:
    return (2 if gene.is_parametrized else 1) if gene.is_two_qubit else 0
