"""A structure search as a picture: the front of fitness and gates, and the chosen structure as a circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import MaxNLocator

from qkd_qiskit.reporting.figures import BLUE, HALO, INK, ORANGE, new_figure
from qkd_qiskit.vqcnn import PRESETS, Gene, Kernel, VQCNNSpec

if TYPE_CHECKING:
    from qkd_qiskit.training import StructureSearch

_PARAMETRIZED = "#dbe9f6"
_MOST_COLUMNS = 40
_KERNELS_SHOWN = 2


def plot_structure(search: StructureSearch) -> Figure:
    """Fitness against gates of every structure tried, and the chosen one block by block."""
    chosen = search.spec(search.structures.index(search.winner))
    names = kernel_letters(chosen)
    own = [kernel for kernel in names if kernel not in PRESETS.values()][:_KERNELS_SHOWN]
    figure = new_figure(9.6, 3.4 + 0.9 * len(own))
    left, right = np.ravel(np.asarray(figure.subfigures(1, 2, width_ratios=(1, 1.25))))
    _plot_front(left, search)
    panels = right.subplots(
        1 + len(own), 1, squeeze=False, gridspec_kw={"height_ratios": [3.0, *[1.0] * len(own)]}
    )[:, 0]
    draw_structure(panels[0], chosen)
    panels[0].set_title(_title(search), fontsize=8)
    for panel, kernel in zip(panels[1:], own, strict=True):
        draw_kernel(panel, kernel)
        panel.set_title(f"kernel {names[kernel]}", fontsize=8)
    return figure


def kernel_letters(spec: VQCNNSpec) -> dict[Kernel, str]:
    """Return short names of a structure's kernels: a preset's own, letters for gate strings."""
    presets = {kernel: name for name, kernel in PRESETS.items()}
    names: dict[Kernel, str] = {}
    for kernel in spec.kernels:
        own = sum(known not in presets for known in names)
        names.setdefault(kernel, presets.get(kernel, chr(ord("A") + own % 26)))
    return names


def preset_of(spec: VQCNNSpec) -> str | None:
    """Return the name of the preset that is a structure's only kernel; None for any other structure."""
    names = {name for name, kernel in PRESETS.items() if set(spec.kernels) == {kernel}}
    return next(iter(names), None)


def _title(search: StructureSearch) -> str:
    number = search.structures.index(search.winner)
    in_full = dict(zip(search.finalists, search.final_fitness, strict=True))
    after = f", {in_full[number]:.3f} trained in full" if number in in_full else ""
    return (
        f"chosen: fitness {search.fitness[number]:.3f}{after}; "
        f"at most {search.two_qubit[number]} two-qubit gates, {search.weights[number]} weights"
    )


def _plot_front(figure: SubFigure, search: StructureSearch) -> None:
    fitness, gates = search.fitness, search.two_qubit
    axes = figure.subplots()
    axes.plot(gates, fitness, "o", ms=4, color=BLUE, alpha=0.45, ls="none", label="tried")
    front = search.front
    axes.step(gates[front], fitness[front], color=ORANGE, where="post", marker="o", ms=4, label="front")
    names = {number: preset_of(search.spec(number)) for number in range(len(search.structures))}
    # The name of a point that lies close above another one goes below it.
    for place, number in enumerate(sorted((n for n in names if names[n]), key=lambda n: fitness[n])):
        axes.annotate(
            str(names[number]),
            (gates[number], fitness[number]),
            xytext=(0, 7 if place % 2 else -7),
            textcoords="offset points",
            ha="center",
            va="bottom" if place % 2 else "top",
            fontsize=7,
            color=INK,
            path_effects=[HALO],
        )
    chosen = search.structures.index(search.winner)
    axes.plot(gates[chosen], fitness[chosen], "o", ms=9, mfc="none", mec=INK, ls="none", label="chosen")
    axes.set_xlabel("native two-qubit gates, at most")
    axes.set_ylabel("validation loss plus price")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)


def draw_structure(axes: Axes, spec: VQCNNSpec) -> None:
    """Draw a structure block by block, the first qubit on top; poolings are orange, measured qubits marked.

    Blocks beyond the fortieth column are left out.
    """
    names, free, dropped = kernel_letters(spec), [0] * spec.n_qubits, {}
    places = []
    for block in spec.blocks:
        low, high = sorted(block.qubits)
        column = max(free[low : high + 1])
        free[low : high + 1] = [column + 1] * (high + 1 - low)
        if block.kind != "conv":
            dropped[block.qubits[0]] = column
        if column < _MOST_COLUMNS:
            places.append((block, column))
    width = min(max(free), _MOST_COLUMNS)
    for qubit in range(spec.n_qubits):
        axes.plot((-0.7, dropped.get(qubit, width - 0.2)), (-qubit, -qubit), color=INK, lw=0.7, zorder=0)
    for block, column in places:
        low, high = sorted(block.qubits)
        colour = BLUE if block.kind == "conv" else ORANGE
        axes.add_patch(
            Rectangle((column - 0.36, -high - 0.3), 0.72, high - low + 0.6, fc="white", ec=colour, zorder=2)
        )
        label = names[spec.kernels[block.layer]]
        axes.text(
            column, -(low + high) / 2, label, ha="center", va="center", fontsize=5, rotation=90, zorder=3
        )
    for qubit in spec.measured_qubits:
        axes.text(width - 0.1, -qubit, "M", ha="left", va="center", fontsize=7, color=INK)
    axes.set_xlim(-0.9, max(width, 6) + 0.6)
    axes.set_ylim(-spec.n_qubits + 0.4, 0.6)
    axes.set_axis_off()


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
