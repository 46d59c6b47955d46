"""A structure search as a picture: how its fitness fell, and the circuits of its best particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import MaxNLocator

from qkd_qiskit.reporting.figures import BLUE, INK, ORANGE, new_figure
from qkd_qiskit.vqcnn import Gene, Kernel

if TYPE_CHECKING:
    from qkd_qiskit.training import StructureSearch

_SHOWN = 3
_TICKS = 6
_PARAMETRIZED = "#dbe9f6"


def plot_structure(search: StructureSearch) -> Figure:
    """Fitness of every kernel that was tried, the best so far, and the best kernels gate by gate."""
    shown = _shown(search)
    figure = new_figure(9.6, 1.4 + 0.9 * len(shown))
    left, right = np.ravel(np.asarray(figure.subfigures(1, 2, width_ratios=(1, 1.25))))
    _plot_convergence(left, search)
    panels = right.subplots(len(shown), 1, squeeze=False)[:, 0]
    for panel, number in zip(panels, shown, strict=True):
        draw_kernel(panel, Kernel.from_string(search.kernels[number]))
        panel.set_title(_title(search, number), fontsize=8)
    return figure


def _shown(search: StructureSearch) -> list[int]:
    """Choose the kernels to draw: the best by short training, the chosen one always among them."""
    order = [int(number) for number in np.argsort(search.fitness, kind="stable")]
    chosen = search.kernels.index(search.winner)
    shown = order[:_SHOWN]
    return shown if chosen in shown else [*shown[:-1], chosen]


def _title(search: StructureSearch, number: int) -> str:
    in_full = dict(zip(search.finalists, search.final_fitness, strict=True))
    after = f", {in_full[number]:.3f} trained in full" if number in in_full else ""
    chosen = "; chosen" if search.kernels[number] == search.winner else ""
    return (
        f"fitness {search.fitness[number]:.3f}{after}; {search.two_qubit[number]} two-qubit gates, "
        f"{search.weights[number]} weights{chosen}"
    )


def _plot_convergence(figure: SubFigure, search: StructureSearch) -> None:
    fitness, gates = search.fitness, search.two_qubit
    axes = figure.subplots()
    tries = np.arange(1, len(fitness) + 1)
    axes.step(tries, np.minimum.accumulate(fitness), color=ORANGE, where="post", label="best so far")
    points = axes.scatter(tries, fitness, c=gates, cmap="viridis_r", s=18, zorder=2)
    chosen = search.kernels.index(search.winner)
    axes.plot(
        chosen + 1, fitness[chosen], "o", ms=9, mfc="none", mec=INK, ls="none", label="chosen", zorder=3
    )
    axes.set_xlabel("kernels tried")
    axes.set_ylabel("validation loss plus price")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    bar = figure.colorbar(points, ax=axes, label="native two-qubit gates")
    if len(np.unique(gates)) <= _TICKS:
        bar.set_ticks(np.unique(gates).tolist())


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
