"""A structure search as a picture: how its fitness fell, and the circuits of its best particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from qkd_qiskit.reporting.figures import BLUE, INK, ORANGE, new_figure
from qkd_qiskit.vqcnn import Gene, Kernel

if TYPE_CHECKING:
    from qkd_qiskit.training import StructureSearch

_SHOWN = 3
_PARAMETRIZED = "#dbe9f6"


def plot_structure(search: StructureSearch) -> Figure:
    """Fitness of every kernel that was tried, the best so far, and the best kernels gate by gate."""
    fitness = search.fitness
    order = np.argsort(fitness, kind="stable")[:_SHOWN]
    figure = new_figure(9, 3.4)
    left, right = np.ravel(np.asarray(figure.subfigures(1, 2, width_ratios=(1, 1.15))))
    axes = left.subplots()
    tries = np.arange(1, len(fitness) + 1)
    points = axes.scatter(tries, fitness, c=search.two_qubit, cmap="viridis", s=18)
    axes.step(tries, np.minimum.accumulate(fitness), color=ORANGE, where="post", label="best so far")
    axes.set_xlabel("kernels tried")
    axes.set_ylabel("validation loss plus price")
    axes.grid(axis="y")
    axes.legend()
    left.colorbar(points, ax=axes, label="native two-qubit gates")
    panels = right.subplots(len(order), 1, squeeze=False)[:, 0]
    for rank, (panel, number) in enumerate(zip(panels, order, strict=True), 1):
        kernel = Kernel.from_string(search.kernels[number])
        draw_kernel(panel, kernel)
        chosen = ", chosen" if search.kernels[number] == search.winner else ""
        panel.set_title(
            f"{rank}: fitness {fitness[number]:.3f}, {search.two_qubit[number]} native two-qubit gates, "
            f"{search.weights[number]} weights{chosen}",
            fontsize=8,
        )
    return figure


def draw_kernel(axes: Axes, kernel: Kernel) -> None:
    """Draw a kernel on two wires; gates with an angle are shaded, the first qubit is on top."""
    columns = _columns(kernel)
    width = max(columns, default=0) + 1
    for wire in (0, 1):
        axes.plot((-0.7, width - 0.3), (-wire, -wire), color=INK, lw=0.8, zorder=0)
    for gene, column in zip(kernel.genes, columns, strict=True):
        if gene.is_two_qubit:
            axes.plot((column, column), (0, -1), color=BLUE, lw=1.4, zorder=1)
            axes.add_patch(Circle((column, -gene.qubits[0]), 0.1, color=BLUE, zorder=2))
            _box(axes, column, gene.qubits[1], gene.name[1:], gene)
        else:
            _box(axes, column, gene.qubits[0], gene.name, gene)
    axes.set_xlim(-0.9, max(width, 6))
    axes.set_ylim(-1.5, 0.5)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _columns(kernel: Kernel) -> list[int]:
    """Column of each gene: as far left as the genes before it allow."""
    free = [0, 0]
    columns = []
    for gene in kernel.genes:
        column = max(free[qubit] for qubit in gene.qubits)
        for qubit in gene.qubits:
            free[qubit] = column + 1
        columns.append(column)
    return columns


def _box(axes: Axes, column: int, wire: int, name: str, gene: Gene) -> None:
    face = _PARAMETRIZED if gene.is_parametrized else "white"
    axes.add_patch(
        Rectangle((column - 0.38, -wire - 0.32), 0.76, 0.64, facecolor=face, edgecolor=BLUE, zorder=2)
    )
    axes.text(column, -wire, name, ha="center", va="center", fontsize=7, color=INK, zorder=3)
