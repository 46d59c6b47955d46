from __future__ import annotations

import base64
import re
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from qiskit import QuantumCircuit

from qkd_qiskit.errors import ReportingError
from qkd_qiskit.reporting import (
    ReportExtras,
    TrainingCurve,
    check_results,
    overview_circuit,
    read_results,
    render_report,
    write_report,
    write_results,
)
from qkd_qiskit.reporting.curves import plot_training
from qkd_qiskit.training import StructureSearch
from qkd_qiskit.versions import TESTED
from qkd_qiskit.vqcnn import Gene, Kernel, VQCNNSpec, build_circuit

Document = dict[str, Any]
SPEC = VQCNNSpec(4, n_outcomes=2)
SMALL = VQCNNSpec(2, kernels="one_cx", n_outcomes=2)


@pytest.fixture
def extras() -> ReportExtras:
    return ReportExtras(
        classes=("0", "1", "2", "3"),
        class_counts={
            "north": [200, 200, 200, 0],
            "east": [0, 100, 80, 70],
            "south": [200, 0, 0, 200],
            "west": [0, 0, 120, 0],
        },
        confusion=np.array([[190, 1, 5, 4], [0, 196, 2, 2], [6, 3, 180, 11], [3, 2, 15, 180]]),
        specs={"north": SPEC, "east": SPEC, "south": SMALL},
        circuits={"south": build_circuit(SMALL)},
        histories={"north": TrainingCurve([1.4, 0.9, 0.6], [0.6, 0.2]), "global": TrainingCurve([], [0.5])},
    )


class _Page(HTMLParser):
    """Collects tags with attributes, and text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def images(self) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == "img"]


_RENDERED: list[str] = []


@pytest.fixture
def source(results: Document, extras: ReportExtras) -> str:
    """The page, rendered once for all tests that only read it."""
    if not _RENDERED:
        _RENDERED.append(render_report(check_results(results), extras))
    return _RENDERED[0]


def test_the_page_loads_nothing_from_outside(source: str) -> None:
    page = _Page(source)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    for _, attrs in page.tags:
        for key in ("src", "href", "data", "srcset"):
            assert (attrs.get(key) or "data:").startswith("data:")
    for image in page.images():
        kind, _, content = str(image["src"]).partition(";base64,")
        data = base64.b64decode(content)
        assert kind in ("data:image/svg+xml", "data:image/png")
        # Addresses in an SVG are names of its formats; anything else would be loaded.
        references = re.findall(rb'(?:xlink:)?href="([^"]*)"', data)
        assert all(reference.startswith((b"#", b"data:")) for reference in references)


def test_every_picture_has_one_caption_and_a_text_in_its_stead(source: str) -> None:
    page = _Page(source)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", source, re.DOTALL)
    # Six plots, two different structures for three clients, one circuit gate by gate.
    assert len(page.images()) == len(captions) == 9
    for caption in captions:
        sentence = re.sub(r"<b>.*?</b>", "", caption).strip()
        assert sentence.endswith(".")
        assert sentence.count(". ") == 0
    assert all(image["alt"] for image in page.images())


def test_numbers_seeds_versions_and_limits_are_on_the_page(source: str, results: Document) -> None:
    words = " ".join(_Page(source).words.split())
    for piece in (
        "92.1 %", "90.2 to 93.9", "Seed 7", "qiskit 2.3.0", "ibm_sherbrooke",
        results["clients"][0]["model_index"],
        "No quantum advantage is claimed", "a best case for the real machine", "can be simulated classically",
        "global minus teacher ensemble", "undecided", "north (ibm_torino), east (ibm_sherbrooke)",
    ):  # fmt: skip
        assert piece in words


def test_equal_input_gives_an_equal_page_and_leaves_matplotlib_as_it_was(
    source: str, results: Document, extras: ReportExtras
) -> None:
    before = dict(mpl.rcParams)
    assert render_report(check_results(results), extras) == source
    assert dict(mpl.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_names_cannot_break_out_of_the_page(results: Document, bare: ReportExtras) -> None:
    results["experiment"] = "<script>alert(1)</script>"
    results["clients"][0]["name"] = '"><img src=x>'
    source = render_report(check_results(results), bare)
    assert "<script>" not in source
    assert "<img src=x>" not in source


@pytest.fixture
def bare() -> ReportExtras:
    return ReportExtras(
        classes=("7",), class_counts={"north": [0]}, confusion=np.zeros((1, 1), dtype=np.int64)
    )


def test_one_client_one_class_and_no_pictures_to_spare(results: Document, bare: ReportExtras) -> None:
    results["clients"] = results["clients"][:1]
    results["comparisons"] = {}
    page = _Page(render_report(check_results(results), bare))
    assert len(page.images()) == 5
    assert "1 client;" in " ".join(page.words.split())
    assert "paired difference" not in page.words


def test_eleven_classes_fit(results: Document) -> None:
    names = tuple(f"class {n}" for n in range(11))
    extras = ReportExtras(
        classes=names, class_counts={"north": list(range(11))}, confusion=np.eye(11, dtype=np.int64)
    )
    assert len(_Page(render_report(check_results(results), extras)).images()) == 5


def test_unknown_values_are_shown_as_dashes(results: Document, bare: ReportExtras) -> None:
    for part in ("estimated", "transpiled", "relative_error"):
        results["clients"][0]["gates"][part] = dict.fromkeys(
            ("two_qubit", "one_qubit", "two_qubit_depth", "esp")
        )
    results["models"]["global"]["accuracy_ideal"] = None
    assert "without noise. The best" not in render_report(check_results(results), bare)


def test_a_search_is_shown_for_each_client_that_searched(results: Document, bare: ReportExtras) -> None:
    structures = tuple(str(VQCNNSpec(4, kernels=kernel).index) for kernel in ("RY0 CX01", "RY1 CX10"))
    search = StructureSearch(
        method="front",
        structures=structures,
        losses=np.array([0.5, 0.4]),
        prices=np.array([0.01, 0.02]),
        two_qubit=np.array([3, 6]),
        weights=np.array([4, 5]),
        trail=np.array([[0, 1]]),
        history=(0.42,),
        finalists=(1, 0),
        final_fitness=(0.3, 0.35),
        winner=structures[1],
        evaluations=8,
    )
    assert "Structure search" not in render_report(check_results(results), bare)
    source = render_report(check_results(results), replace(bare, searches={"north": search, "east": search}))
    page = _Page(source)
    assert len(page.images()) == 5 + 2
    words = " ".join(page.words.split())
    assert "Structure search" in words
    for piece in ("north (ibm_torino). Each point is one structure", "east (ibm_sherbrooke). Each point is"):
        assert piece in words


def test_other_versions_than_the_tested_ones_are_marked(results: Document, bare: ReportExtras) -> None:
    results["versions"] = dict(TESTED)
    assert "this release is tested with" not in render_report(check_results(results), bare)
    results["versions"]["qiskit"] = "0.1"
    words = " ".join(_Page(render_report(check_results(results), bare)).words.split())
    mark = f"Other versions than this release is tested with (in brackets): qiskit 0.1 ({TESTED['qiskit']})."
    assert mark in words


def test_labels_that_were_asked_for_are_reported(results: Document, bare: ReportExtras) -> None:
    assert "asked for the labels" not in render_report(check_results(results), bare)
    assert "that had judged" not in render_report(check_results(results), bare)
    queried = results | {"asked": {"labels": 120, "teacher_right": 0.655}, "refit": {"labels": 140}}
    source = render_report(check_results(queried), bare)
    assert "asked for the labels of 120 public samples" in source
    assert "The 140 public labels that had judged were learnt at the end" in source
    assert "right on 65.5" in source


def test_fidelities_of_prepared_states_are_reported(results: Document, bare: ReportExtras) -> None:
    assert "mean fidelity" not in render_report(check_results(results), bare)
    found = {"mean": 0.914, "worst": 0.772, "samples": 200}
    told = check_results(results | {"data": results["data"] | {"fidelity": found}})
    words = " ".join(_Page(render_report(told, bare)).words.split())
    assert "with a mean fidelity of 91.4 % (worst 77.2 %, 200 public samples" in words


def test_write_report_writes_the_page(results: Document, bare: ReportExtras, tmp_path: Path) -> None:
    path = write_report(check_results(results), bare, tmp_path / "deep" / "report.html")
    assert path.read_text("utf-8") == render_report(check_results(results), bare)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_an_unwritable_place_is_named(results: Document, bare: ReportExtras, tmp_path: Path) -> None:
    with pytest.raises(ReportingError, match="cannot write .*: "):
        write_report(check_results(results), bare, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_extras_must_fit_the_classes() -> None:
    with pytest.raises(ReportingError, match="class_counts of 'a': expected 2 numbers, one a class, found 3"):
        ReportExtras(("0", "1"), {"a": [1, 2, 3]}, np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(ReportingError, match=r"confusion: expected shape \(2, 2\), found \(2, 3\)"):
        ReportExtras(("0", "1"), {"a": [1, 2]}, np.zeros((2, 3), dtype=np.int64))


@pytest.mark.parametrize(
    "spec",
    [
        SMALL,
        SPEC,
        VQCNNSpec(5, plan="conv, edge, conv", kernels=("su4", "two_cx", "one_cx"), n_outcomes=4),
        VQCNNSpec(4, "amplitude", plan="tree, conv", n_outcomes=3),
    ],
)
def test_an_overview_has_one_box_a_block(spec: VQCNNSpec) -> None:
    boxes = overview_circuit(spec)
    counts = boxes.count_ops()
    convolutions = sum(block.kind == "conv" for block in spec.blocks)
    assert counts.get("conv", 0) == convolutions
    assert counts.get("pool", 0) == len(spec.blocks) - convolutions
    assert counts["data"] == (spec.n_qubits if spec.encoding == "angle" else 1)
    assert counts["measure"] == spec.n_measured


EVIL = "\ud800\x1b[31m\u202e\n$\\frac{$ <script>" + 40 * "long "


def test_a_report_is_written_whatever_texts_it_holds(results: Document, tmp_path: Path) -> None:
    for client in results["clients"]:
        client["name"] += EVIL
        client["backend"] += EVIL
    results["data"]["classes"] = [f"{label}{EVIL}" for label in range(4)]
    results["experiment"] += EVIL
    results["versions"][f"package{EVIL}"] = EVIL
    results["participation"] = [{"client": EVIL, "standing": "refused", "reason": EVIL}]
    checked = check_results(results)
    names = [client["name"] for client in results["clients"]]
    extras = ReportExtras(
        classes=tuple(results["data"]["classes"]),
        class_counts={name: [1, 2, 3, 4] for name in names},
        confusion=np.eye(4, dtype=np.int64),
        specs=dict.fromkeys(names, SMALL),
        histories={name: TrainingCurve([1.0, 0.5], [0.5]) for name in names},
    )
    text = write_report(checked, extras, tmp_path / "report.html").read_text("utf-8")
    assert not {"\x1b", "\u202e", "\ud800"} & set(text)
    assert "<script>" not in text
    written = write_results(checked, tmp_path / "results.json")
    assert read_results(written) == checked
    assert all(client.name.isprintable() for client in checked.clients)


@pytest.mark.parametrize(("noiseless", "end"), [((3, 0), 3), ((3, 2), 4), ((0, 0), None)])
def test_the_part_of_a_training_without_noise_is_shaded(noiseless: tuple[int, int], end: int | None) -> None:
    curve = TrainingCurve([1.0, 0.8, 0.6], [0.6, 0.4, 0.5], noiseless)
    figure = plot_training(ReportExtras(("0", "1"), {}, None, histories={"north": curve}))
    axes = figure.axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert ("without noise" in labels) == (end is not None)
    if end is not None:
        (shade,) = [patch for patch in axes.patches if patch.get_label() == "without noise"]
        assert shade.get_x() + shade.get_width() == end - 0.5


def test_structures_that_are_too_large_or_too_many_are_told_in_numbers(results: Document) -> None:
    """The largest that a model index holds: 992 blocks of 64 gates with a weight each."""
    kernel = Kernel(tuple(Gene(5 + position % 3, position % 2) for position in range(64)))
    largest = VQCNNSpec(32, plan=["conv"] * 32, kernels=kernel, sharing="site")
    many = {f"client {k}": VQCNNSpec(2, kernels="one_cx", plan=["conv"] * k) for k in range(1, 30)}
    extras = ReportExtras(("0", "1", "2", "3"), {}, None, specs={"large": largest, **many})
    start = time.process_time()
    text = render_report(check_results(results), extras)
    assert time.process_time() - start < 30
    assert "Too large to draw: 32 qubits, 32 layers, 992 blocks, 63488 weights, 0 two-qubit gates." in text
    assert "Not drawn, as there are many: 2 qubits, 29 layers, 29 blocks" in text
    assert text.count("blue boxes are convolution blocks") == 2 * 23


def test_a_circuit_of_thousands_of_gates_is_told_in_numbers(results: Document) -> None:
    circuit = QuantumCircuit(1)
    for _ in range(2001):
        circuit.x(0)
    extras = ReportExtras(("0", "1", "2", "3"), {}, None, circuits={"deep": circuit})
    text = render_report(check_results(results), extras)
    assert "The circuit of deep is too large to draw: 1 qubits, 2001 gates, 0 parameters." in text
