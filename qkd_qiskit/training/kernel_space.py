"""Kernels as positions of particles: k genes, each a gate and an orientation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.training.optimizer import Box
from qkd_qiskit.vqcnn import GATES, PRESETS, Gene, Kernel

_IDENTITY = GATES.index("I") + 1


@dataclass(frozen=True)
class KernelSpace:
    """All kernels of at most `n_genes` genes, within bounds on their native two-qubit gates.

    A position [2 k] holds for each gene a gate in [0, 13) and an orientation in [0, 2), after Zhang, Cai,
    Lin, *Chinese Journal of Quantum Electronics* 42(1):123, 2025, who move k integers over thirteen gates.
    Both are periodic: no gate is at an end of the alphabet.

    Attributes:
        n_genes: Genes of a kernel, k, at least 2.
        max_two_qubit: Native two-qubit gates of a kernel, at most. Controlled rotations take two.
        min_two_qubit: Native two-qubit gates of a kernel, at least; 1 or more.
    """

    n_genes: int
    max_two_qubit: int
    min_two_qubit: int = 1

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises:
            TrainingError: If no trainable kernel fits.
        """
        if self.n_genes < 2 or not 1 <= self.min_two_qubit <= self.max_two_qubit:
            raise TrainingError(
                "structure search: expected at least 2 genes and 1 two-qubit gate a kernel, "
                f"found {self.n_genes} and {self.min_two_qubit} to {self.max_two_qubit}"
            )

    @classmethod
    def of_kernel(cls, kernel: Kernel) -> KernelSpace:
        """Grant as many genes and native gates as a kernel has."""
        return cls(n_genes=len(kernel.genes), max_two_qubit=native_cost(kernel))

    @property
    def box(self) -> Box:
        """Bounds of a position [2 k]; all coordinates are periodic."""
        upper = np.tile([float(len(GATES)), 2.0], self.n_genes)
        return Box(np.zeros_like(upper), upper, np.ones(len(upper), dtype=bool))

    def decode(self, position: FloatArray) -> Kernel | None:
        """Return the canonical kernel at a position.

        Two-qubit genes that would exceed the limit are read as I. Distinct positions may mean one kernel.

        Args:
            position: [2 k], within the bounds.

        Returns:
            The kernel, or None where nothing of it is trained, or it has too few two-qubit gates.
        """
        genes, left = [], self.max_two_qubit
        for gate, orientation in position.reshape(-1, 2):
            # A coordinate may be rounded up to its period.
            gene = Gene(min(int(gate), len(GATES) - 1) + 1, min(int(orientation), 1))
            cost = _gene_cost(gene)
            if cost > left:
                gene, cost = Gene(_IDENTITY, gene.orientation), 0
            left -= cost
            genes.append(gene)
        kernel = Kernel(tuple(genes)).canonical()
        fits = native_cost(kernel) >= self.min_two_qubit and kernel.n_parameters > 0
        return kernel if fits else None

    def encode(self, kernel: Kernel) -> FloatArray:
        """Return a position [2 k] that `decode` reads as the kernel's canonical form: its genes, then I.

        Raises:
            TrainingError: If the kernel does not fit into the space.
        """
        if not self.holds(kernel):
            raise TrainingError(
                f"structure search: expected at most {self.n_genes} genes and {self.max_two_qubit} native "
                f"two-qubit gates a kernel, found {len(kernel.genes)} and {native_cost(kernel)}"
            )
        genes = [*kernel.genes, *[Gene(_IDENTITY, 0)] * (self.n_genes - len(kernel.genes))]
        return np.array([[gene.gate - 0.5, gene.orientation + 0.5] for gene in genes]).ravel()

    def holds(self, kernel: Kernel) -> bool:
        """Return whether the kernel fits into the space."""
        return len(kernel.genes) <= self.n_genes and native_cost(kernel) <= self.max_two_qubit

    def starts(self, n: int, *, presets: bool, rng: np.random.Generator) -> FloatArray:
        """Return random positions [n, 2 k]; the presets that fit replace the first ones if wanted."""
        positions = rng.uniform(0.0, self.box.upper, (n, 2 * self.n_genes))
        fitting = [kernel for kernel in PRESETS.values() if self.holds(kernel)] if presets else []
        for row, kernel in enumerate(fitting[:n]):
            positions[row] = self.encode(kernel)
        return positions


def native_cost(kernel: Kernel) -> int:
    """Return native two-qubit gates of one block of a kernel, at most."""
    return sum(_gene_cost(gene) for gene in kernel.genes)


def _gene_cost(gene: Gene) -> int:
    return (2 if gene.is_parametrized else 1) if gene.is_two_qubit else 0
