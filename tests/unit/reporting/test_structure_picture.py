import numpy as np
import pytest
from matplotlib.patches import Rectangle

from qkd_qiskit.reporting.figures import new_figure, svg_source
from qkd_qiskit.reporting.structure_picture import (
    draw_kernel,
    draw_structure,
    kernel_letters,
    plot_structure,
    preset_of,
)
from qkd_qiskit.training import StructureSearch
from qkd_qiskit.vqcnn import PRESETS, Kernel, VQCNNSpec


@pytest.mark.parametrize("text", ["", "RY0", "CX01", "RY0 CRX10 I1 RZ1", str(PRESETS["su4"])])
def test_every_gene_gets_its_box(text):
    kernel = Kernel.from_string(text)
    axes = new_figure(3, 1).subplots()
    draw_kernel(axes, kernel)
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(boxes) == len(kernel.genes)
    places = [(box.get_x(), box.get_y()) for box in boxes]
    assert len(set(places)) == len(places)


def _search(kernels, winner):
    specs = [VQCNNSpec(4, plan="conv, edge, conv", kernels=kernel, sharing="site") for kernel in kernels]
    count = len(specs)
    names = tuple(str(spec.index) for spec in specs)
    return StructureSearch(
        method="front",
        structures=names,
        losses=np.linspace(1, 0.5, count),
        prices=np.zeros(count),
        two_qubit=np.arange(count) + 5,
        weights=np.full(count, 9),
        trail=np.arange(count)[None],
        history=(0.5,),
        finalists=tuple(range(count))[::-1][:2],
        final_fitness=(0.4, 0.3)[:count],
        winner=names[winner],
        evaluations=8,
    )


def _titles(figure):
    return [axes.get_title() for sub in figure.subfigs for axes in sub.axes if axes.get_title()]


OWN = ("RY0 CX01", "RY1 CX10", "RX0 CX01")


@pytest.mark.parametrize(
    ("kernels", "titles"),
    [
        (("su4",), 1),
        (("su4", "one_cx", ("RY0 CX01", "su4", "one_cx")), 2),
        (("su4", OWN), 3),
    ],
)
def test_the_chosen_structure_and_its_own_kernels_are_drawn(kernels, titles):
    figure = plot_structure(_search(kernels, -1))
    found = _titles(figure)
    assert len(found) == titles
    assert found[0].startswith("chosen: fitness")
    assert "0.400 trained in full" in found[0]
    assert found[0].endswith(f"{4 + len(kernels)} two-qubit gates, 9 weights")
    assert found[1:] == [f"kernel {letter}" for letter in "AB"[: titles - 1]]
    assert svg_source(figure).startswith("data:image/svg")


def test_presets_are_named_in_the_front():
    axes = plot_structure(_search(("su4", "one_cx", OWN), 0)).subfigs[0].axes[0]
    assert {text.get_text() for text in axes.texts} == {"su4", "one_cx"}


@pytest.mark.parametrize(
    ("n_qubits", "plan", "outcomes"), [(2, "conv", 2), (8, "2*conv, tree, conv, edge", 3), (32, "32*conv", 2)]
)
def test_every_block_gets_its_box_and_measured_qubits_their_mark(n_qubits, plan, outcomes):
    spec = VQCNNSpec(n_qubits, plan=plan, kernels="one_cx", n_outcomes=outcomes)
    axes = new_figure(3, 3).subplots()
    draw_structure(axes, spec)
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    # What is too deep to be read is left out.
    assert len(boxes) == len(spec.blocks) or n_qubits == 32
    assert 0 < len(boxes) <= len(spec.blocks)
    marks = [text for text in axes.texts if text.get_text() == "M"]
    assert sorted(-text.get_position()[1] for text in marks) == sorted(spec.measured_qubits)


def test_kernels_have_short_names():
    spec = VQCNNSpec(4, plan="conv, edge, conv", kernels=("RY0 CX01", "su4", "RY1 CX01"))
    assert list(kernel_letters(spec).values()) == ["A", "su4", "B"]
    assert preset_of(spec) is None
    assert preset_of(VQCNNSpec(4, kernels="two_cx")) == "two_cx"
