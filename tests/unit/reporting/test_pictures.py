"""What the report's further pictures draw: devices, rounds, confusion, reliability, seconds, settings."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from qkd_qiskit.config import load_experiment
from qkd_qiskit.errors import ReportingError
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.hardware.descriptor import Descriptor
from qkd_qiskit.hardware.registry import device_from_descriptor
from qkd_qiskit.reporting import ReportExtras, TrainingCurve, check_results, render_report
from qkd_qiskit.reporting.confusions import plot_client_confusions, plot_confusion, recalls
from qkd_qiskit.reporting.curves import MOST_PANELS, drawn_curves, plot_rounds, plot_training
from qkd_qiskit.reporting.device_picture import MOST_QUBITS, draw_device, draw_placement
from qkd_qiskit.reporting.extras import Answers, Placement, RoundsCurve
from qkd_qiskit.reporting.figures import log_scale, new_figure, readable_on, report_style
from qkd_qiskit.reporting.pictures import PICTURES, draw_picture
from qkd_qiskit.reporting.plots import plot_class_mix, plot_gates, plot_quantum_seconds
from qkd_qiskit.reporting.reliability_plot import plot_reliability
from qkd_qiskit.reporting.settings_rows import setting_rows

BARE = ReportExtras(("0", "1"), {}, None)
CLASSES = ("0", "1", "2", "3")
LINE = load_backend("noisy_line")
RNG = np.random.default_rng(0)
ANSWERS = Answers(RNG.uniform(0.5, 1.0, 80), RNG.uniform(size=80) < 0.8)


def test_recalls_are_those_of_scikit_learn() -> None:
    true, predicted = RNG.integers(0, 3, 90), RNG.integers(0, 3, 90)
    confusion = np.zeros((4, 4), dtype=np.int64)
    np.add.at(confusion, (true, predicted), 1)
    found = recalls(confusion)
    np.testing.assert_allclose(found[:3], recall_score(true, predicted, average=None))
    assert np.isnan(found[3])


def test_the_gap_is_that_between_sure_and_right() -> None:
    # Ninety per cent sure, and right on four of five; half sure, and right on half.
    sure = np.array([0.9] * 5 + [0.55] * 4)
    right = np.array([True] * 4 + [False] + [True, False] * 2)
    assert Answers(sure, right).gap == pytest.approx((5 * 0.1 + 4 * 0.05) / 9)
    assert Answers(np.empty(0), np.empty(0, dtype=np.bool_)).gap == 0


def test_a_rounds_picture_marks_the_round_that_was_kept() -> None:
    extras = replace(BARE, rounds={"fedavg": RoundsCurve([0.9, 0.5, 0.4, 0.4], [0.8, 0.6, 0.5, 0.7], 2)})
    axes = plot_rounds(extras).axes[0]
    assert axes.get_title() == "FedAvg"
    clients, server, kept = axes.lines
    np.testing.assert_array_equal(clients.get_ydata(), [0.9, 0.5, 0.4, 0.4])
    np.testing.assert_array_equal(server.get_ydata(), [0.8, 0.6, 0.5, 0.7])
    assert set(kept.get_xdata()) == {2}


def test_confusions_have_a_panel_a_client_and_a_bar_a_class() -> None:
    confusion = np.array([[9, 1], [4, 6]])
    whole = replace(BARE, confusion=confusion)
    bars = plot_confusion(whole).axes[1].patches
    np.testing.assert_allclose([bar.get_width() for bar in bars], [90, 60])
    extras = replace(BARE, class_counts={"a": [3, 0]}, client_confusions={"a": confusion, "b": confusion.T})
    first, second = (axes.get_title() for axes in plot_client_confusions(extras).axes[:2])
    assert first == "a\nrecall own 90 %, others 60 %"
    assert second.startswith("b\nrecall own ")
    with pytest.raises(ReportingError, match=r"a: expected shape \(2, 2\), found \(3, 3\)"):
        replace(BARE, client_confusions={"a": np.eye(3, dtype=np.int64)})


@pytest.mark.parametrize("name", ["noisy_line", "ibm_guadalupe", "ion_trap"])
def test_a_placement_shows_the_chosen_qubits_and_what_they_cost(name: str) -> None:
    device = load_backend(name)
    chain = (2, 1, 0) if name == "noisy_line" else (0, 1, 2)
    links = tuple(tuple(sorted(pair)) for pair in pairwise(chain))
    figure = draw_placement(Placement(device, chain, links))
    own, costs = figure.axes[0], figure.axes[-1]
    assert len(own.lines[0].get_xdata()) == 3
    labels = [text.get_text() for text in costs.get_yticklabels()]
    assert sorted(labels) == sorted([f"{a}-{b}" for a, b in links] + [f"qubit {q}" for q in chain])
    medians = [text.get_text() for text in costs.figure.legends[0].get_texts()]
    assert medians[0].startswith(f"median {device.two_qubit_gate}, ")


def test_qubits_that_are_no_chain_are_marked_one_by_one() -> None:
    figure = draw_placement(Placement(LINE, (0, 2, 5), ((0, 2),)))
    labels = {artist.get_label() for artist in figure.axes[0].get_children()}
    assert "chosen qubits" in labels


def test_of_a_huge_device_the_part_around_the_circuit_is_drawn() -> None:
    huge = device_from_descriptor(
        Descriptor.model_validate(
            {
                "name": "huge",
                "source": "custom",
                "topology": {"kind": "line", "n_qubits": 700},
                "qubits": {"t1": 1e-4, "t2": 1e-4, "readout_error": 0.01, "readout_duration": 1e-6},
                "gates": {name: {"error": 1e-3, "duration": 1e-8} for name in ("rz", "sx", "x", "cz")},
            }
        )
    )
    start = time.process_time()
    figure = draw_placement(Placement(huge, (400, 401), ((400, 401),)))
    assert time.process_time() - start < 15
    axes = figure.axes[0]
    assert f"{MOST_QUBITS} of 700 qubits" in axes.get_title()
    assert {"400", "401"} == {text.get_text() for text in axes.texts}
    assert f"{MOST_QUBITS} of 700" in draw_device(huge).axes[0].get_title()


def test_pictures_of_many_clients_stay_small(results: dict[str, Any]) -> None:
    names = [f"client {k}" for k in range(60)]
    extras = ReportExtras(
        CLASSES,
        {name: RNG.integers(0, 90, 4).tolist() for name in names},
        np.eye(4, dtype=np.int64),
        histories={name: TrainingCurve(np.linspace(1, 0, 5000)) for name in (*names, "global", "fedavg")},
        client_confusions=dict.fromkeys(names, np.eye(4, dtype=np.int64)),
        quantum_seconds=dict.fromkeys(names, 7.0),
    )
    shown = drawn_curves(extras.histories)
    assert len(shown) == MOST_PANELS
    assert list(shown)[:2] == ["global", "fedavg"]
    results["clients"] = [results["clients"][0] | {"name": name} for name in names]
    checked = check_results(results)
    for figure in (
        plot_class_mix(checked, extras),
        plot_gates(checked),
        plot_training(extras),
        plot_client_confusions(extras),
        plot_quantum_seconds(extras),
    ):
        width, height = figure.get_size_inches()
        assert width < 12
        assert height < 24
        assert all(len(line.get_xdata()) <= 500 for axes in figure.axes for line in axes.lines)


def test_a_hundred_classes_have_neither_names_nor_numbers_in_a_matrix() -> None:
    names = tuple(f"class {k}" for k in range(100))
    extras = ReportExtras(names, {}, np.eye(100, dtype=np.int64))
    figure = plot_confusion(extras)
    assert not figure.axes[0].texts
    assert max(figure.get_size_inches()) < 14


def test_every_picture_has_its_caption_on_the_page(results: dict[str, Any]) -> None:
    extras = ReportExtras(
        CLASSES,
        {"north": [3, 0, 0, 2]},
        np.eye(4, dtype=np.int64) + 1,
        histories={"global": TrainingCurve([1.0], [0.5])},
        client_confusions={"north": np.eye(4, dtype=np.int64)},
        rounds={"fedavg": RoundsCurve([1.0, 0.5])},
        placements={
            "north": Placement(LINE, (0, 1), ((0, 1),)),
            "global": Placement(LINE, (1, 0), ((0, 1),)),
        },
        reliability={"each client (temperature)": (ANSWERS, ANSWERS)},
        quantum_seconds={"north, 9 public samples": 1234.0},
        title="Digits <3",
        settings=setting_rows(load_experiment("quickstart")),
    )
    page = render_report(check_results(results), extras)
    for piece in (
        "RBF SVM is highest with 97.0 %", "no client holds more than 2 of the 4 classes",
        "has the lowest, 40.0 %", "rows that are hatched", "(FedAvg after round 0)",
        "on the dotted line they are right", "1\u2009234 s in all",
        "Circuits of north, global use the orange qubits of noisy_line",
        "of 4 clients were predicted exactly",
        "<h1>Digits &lt;3</h1>", "noisy_line for north, global", "<h2>Settings</h2>",
        "<code>clients.<wbr>0.<wbr>backend</code>", "@media print",
    ):  # fmt: skip
        assert piece in page, piece
    # Equal places share a picture.
    assert page.count("use the orange qubits") == 2  # as a caption, and in the picture's stead
    checked = check_results(results)
    for name in PICTURES:
        assert draw_picture(name, checked, extras).axes
    for name in ("rounds", "client_confusions", "reliability", "quantum_seconds"):
        with pytest.raises(ReportingError, match=f"picture {name}: a loaded result lacks what it shows"):
            draw_picture(name, checked, BARE)


def test_reliability_counts_answers_by_bin() -> None:
    extras = replace(BARE, reliability={"each client": (ANSWERS, ANSWERS)})
    axes = plot_reliability(extras).axes[0]
    before = axes.lines[1]
    expected = [
        ANSWERS.right[(ANSWERS.sure >= low) & (ANSWERS.sure < low + 0.1)].mean()
        for low in (0.5, 0.6, 0.7, 0.8, 0.9)
    ]
    np.testing.assert_allclose(before.get_ydata(), expected)
    # What calibration has not changed is one curve.
    assert len(axes.lines) == 2
    assert "the same before" in axes.get_title()
    surer = Answers(np.sqrt(ANSWERS.sure), ANSWERS.right)
    assert len(plot_reliability(replace(BARE, reliability={"a": (ANSWERS, surer)})).axes[0].lines) == 3


def test_settings_tell_what_was_chosen_and_no_secret() -> None:
    settings = load_experiment("quickstart", overrides=["secret=hush", "descent.steps=7"])
    rows = {row.key: row for row in setting_rows(settings)}
    assert rows["descent.steps"].value == "7"
    assert rows["descent.steps"].changed
    assert rows["descent.steps"].description == "steps of a model; 0 leaves the phase out"
    assert not rows["descent.rate"].changed
    assert rows["clients.0.backend"].value == '"ibm_torino"'
    assert "hush" not in "".join(row.value for row in rows.values())
    many = settings.model_copy(
        update={"clients": tuple(settings.clients[0].model_copy(update={"name": str(k)}) for k in range(999))}
    )
    assert len(setting_rows(many)) < 500


@pytest.mark.parametrize(
    ("colour", "ink"), [("#FFFFFF", "#202124"), ("#000000", "white"), ("#0072B2", "white")]
)
def test_numbers_are_readable_on_their_colour(colour: str, ink: str) -> None:
    assert readable_on(colour) == ink


@settings(max_examples=12, deadline=None)
@given(low=st.floats(-6, 6), decades=st.floats(1e-3, 12))
def test_labels_of_a_logarithmic_axis_do_not_touch(low: float, decades: float) -> None:
    with report_style():
        figure = new_figure(5, 4)
        axes = figure.subplots()
        axes.plot([10**low, 10 ** (low + decades)], [0, 1])
        log_scale(axes, "x")
        figure.canvas.draw()
    labels = [label for label in axes.get_xticklabels() if label.get_text()]
    assert 2 <= len(labels) <= 8
    assert [float(label.get_text()) for label in labels] == pytest.approx(list(axes.get_xticks()))
    boxes = [label.get_window_extent() for label in labels]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
