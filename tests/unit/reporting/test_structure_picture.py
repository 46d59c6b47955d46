from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from qkd_qiskit.reporting.figures import new_figure, svg_source
from qkd_qiskit.reporting.structure_picture import draw_kernel, plot_structure
from qkd_qiskit.vqcnn import PRESETS, Kernel


@pytest.mark.parametrize("text", ["", "RY0", "CX01", "RY0 CRX10 I1 RZ1", str(PRESETS["su4"])])
def test_every_gene_gets_its_box(text):
    kernel = Kernel.from_string(text)
    axes = new_figure(3, 1).subplots()
    draw_kernel(axes, kernel)
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(boxes) == len(kernel.genes)
    places = [(box.get_x(), box.get_y()) for box in boxes]
    assert len(set(places)) == len(places)


def _search(count, winner):
    kernels = ("RY0 CX01", "RY1 CX01", "RX0 CZ01", "RX1 CX10", "RZ0 RY0 CX10")[:count]
    return SimpleNamespace(
        kernels=kernels,
        fitness=np.linspace(1, 0.5, count),
        two_qubit=np.full(count, 5),
        weights=np.full(count, 9),
        finalists=tuple(range(count))[::-1][:4],
        final_fitness=(0.4, 0.3, 0.2, 0.1)[:count],
        winner=kernels[winner],
    )


def _titles(figure):
    return [axes.get_title() for sub in figure.subfigs for axes in sub.axes if axes.get_title()]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_best_kernels_are_drawn(count):
    figure = plot_structure(_search(count, -1))
    titles = _titles(figure)
    assert len(titles) == min(3, count)
    assert "fitness 0.5" in titles[0] or count == 1
    assert "0.400 trained in full" in titles[0]
    assert titles[0].endswith("chosen")
    assert svg_source(figure).startswith("data:image/svg")


@pytest.mark.parametrize("winner", [0, 1, 3])
def test_the_chosen_kernel_is_always_drawn(winner):
    titles = _titles(plot_structure(_search(5, winner)))
    assert len(titles) == 3
    assert [title.endswith("chosen") for title in titles] == [False, winner == 3, winner != 3]
    # The first kernel of five was not trained in full.
    assert ("trained in full" in titles[2]) == (winner != 0)
