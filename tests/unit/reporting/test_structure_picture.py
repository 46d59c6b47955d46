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


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_best_kernels_are_drawn(count):
    kernels = ("RY0 CX01", "RY1 CX01", "RX0 CZ01", "RX1 CX10", "RZ0 RY0 CX10")[:count]
    search = SimpleNamespace(
        kernels=kernels,
        fitness=np.linspace(1, 0.5, count),
        two_qubit=np.full(count, 5),
        weights=np.full(count, 9),
        winner=kernels[-1],
    )
    figure = plot_structure(search)
    titles = [axes.get_title() for sub in figure.subfigs for axes in sub.axes if axes.get_title()]
    assert len(titles) == min(3, count)
    assert "fitness 0.5" in titles[0] or count == 1
    assert titles[0].endswith("chosen")
    assert svg_source(figure).startswith("data:image/svg")
