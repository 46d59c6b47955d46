"""What a notebook shows of a spec."""

from xml.etree import ElementTree

import pytest

from qkd_qiskit.vqcnn import VQCNNSpec
from qkd_qiskit.vqcnn.drawing import MOST_BLOCKS, spec_svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    "spec",
    [
        VQCNNSpec(2),
        VQCNNSpec(8, n_outcomes=4),
        VQCNNSpec(7, plan="conv, tree, conv", kernels="one_cx", n_outcomes=3),
    ],
)
def test_a_drawing_has_a_box_a_block_and_none_hides_another(spec):
    root = ElementTree.fromstring(spec_svg(spec))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert sum(text in ("conv", "edge", "tree") for text in texts) == len(spec.blocks)
    assert sum(text == "x" for text in texts) == spec.n_qubits
    assert sum(text.startswith("m") for text in texts) == spec.n_measured
    boxes = [
        [float(box.get(key)) for key in ("x", "y", "width", "height")] for box in root.iter(f"{SVG}rect")
    ]
    for number, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[:number]:
            apart = x >= other_x + other_width or other_x >= x + width
            assert apart or y >= other_y + other_height or other_y >= y + height
    assert spec.describe() in spec._repr_html_()


def test_a_structure_of_hundreds_of_blocks_is_told_in_words():
    large = VQCNNSpec(32, plan=["conv"] * 32)
    assert len(large.blocks) > MOST_BLOCKS
    assert spec_svg(large) is None
    assert "Too large to draw" in large._repr_html_()
    assert len(large._repr_html_()) < 2000
