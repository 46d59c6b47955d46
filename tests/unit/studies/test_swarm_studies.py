import json
import time
from types import SimpleNamespace

import numpy as np
import pytest

from qkd_qiskit.config import AugmentSettings
from qkd_qiskit.errors import DataError, TrainingError
from qkd_qiskit.studies import (
    swarm_main,
    swarm_methods,
    swarm_pairs,
    swarm_plots,
    swarm_price,
    swarm_structure,
)
from qkd_qiskit.studies.swarm_data import Cell, classical_accuracies, draw, run_cells


@pytest.mark.parametrize(("samples", "copies"), [(2, 0), (41, 0), (40, 2)])
def test_draws_are_disjoint_seeded_and_balanced(samples, copies):
    augment = AugmentSettings(copies=copies)
    data = draw((3, 5), samples=samples, augment=augment, seed=1, tests=30)
    assert data.inputs.shape == (samples * (copies + 1), 16)
    assert data.test_inputs.shape == (30, 16)
    assert abs(np.bincount(data.labels[:samples])[0] - samples / 2) <= 0.5
    np.testing.assert_array_equal(data.labels, data.labels[:samples][data.groups])
    seen = {row.tobytes() for row in data.inputs}
    assert not any(row.tobytes() in seen for row in data.test_inputs)
    again = draw((3, 5), samples=samples, augment=augment, seed=1, tests=30)
    np.testing.assert_array_equal(again.inputs, data.inputs)
    assert (draw((3, 5), samples=samples, seed=2).inputs != data.inputs[:samples]).any()


def test_too_many_samples_are_an_error():
    with pytest.raises(DataError, match="more than 500 images of class 3, found 500"):
        draw((3, 5), samples=1000, seed=0)


def test_classical_models_learn_an_easy_pair():
    data = draw((0, 1), samples=60, augment=AugmentSettings(copies=1), seed=0, tests=100)
    found = classical_accuracies(data, seed=0)
    assert set(found) == {"logistic_regression", "rbf_svm"}
    assert min(found.values()) > 0.95


def test_finished_cells_are_not_run_again(tmp_path):
    runs = []

    def cells(size):
        return [
            Cell(f"number {n}", {"size": size}, lambda n=n: runs.append(n) or {"square": n * n})
            for n in range(3)
        ]

    first = run_cells("squares", cells(1), tmp_path)
    again = run_cells("squares", cells(1), tmp_path)
    assert runs == [0, 1, 2]
    assert first == again
    assert [record["square"] for record in again] == [0, 1, 4]
    run_cells("squares", cells(2), tmp_path)
    assert runs == [0, 1, 2, 0, 1, 2]


def test_a_damaged_record_is_named(tmp_path):
    cell = Cell("a", {}, lambda: {"x": 1})
    run_cells("s", [cell], tmp_path)
    next(tmp_path.iterdir()).write_text("{")
    with pytest.raises(TrainingError, match="study s: cannot read .*s-a-"):
        run_cells("s", [cell], tmp_path)


def _pair_record(pair, seed, noise, accuracy):
    other = {"training_accuracy": 1.0, "logistic_regression": 0.9, "rbf_svm": 0.95}
    return {"pair": list(pair), "seed": seed, "noise": noise, "accuracy": accuracy, **other}


def test_pairs_are_averaged_over_seeds_then_pairs():
    records = [
        _pair_record(pair, seed, None, accuracy)
        for pair, row in {(3, 5): (0.9, 1.0), (4, 9): (0.8, 0.9)}.items()
        for seed, accuracy in enumerate(row)
    ]
    rows = {row["pair"]: row for row in swarm_pairs.summarize_pairs(records)}
    assert rows["3/5"]["accuracy"] == pytest.approx(0.95)
    assert rows["3/5"]["accuracy_spread"] == pytest.approx(np.std([0.9, 1.0], ddof=1), abs=1e-4)
    assert rows["mean"]["accuracy"] == pytest.approx(0.9)
    assert rows["mean"]["accuracy_spread"] == pytest.approx(np.std([0.85, 0.95], ddof=1), abs=1e-4)
    swarm_plots.plot_hard_pairs(list(rows.values()))
    swarm_plots.plot_all_pairs(list(rows.values()))


def test_equal_kernels_differ_by_nothing():
    hits = [1, 0, 1, 1]
    record = {"pair": [3, 5], "seed": 0, "kernel": "RY0 CX01", "two_qubit_gates": 22, "weights": 22}
    rows = swarm_structure.summarize_against_presets([{**record, "searched_hits": hits, "preset_hits": hits}])
    assert [row["pair"] for row in rows] == ["3/5", "all"]
    assert rows[-1]["difference"] == 0
    assert rows[-1]["interval"] == [0, 0]
    swarm_plots.plot_against_presets(rows)


@pytest.mark.parametrize("kind", ["evaluations", "time"])
def test_limits_end_a_search(kind):
    objective = SimpleNamespace(evaluations=5)
    if kind == "evaluations":
        assert not swarm_methods.Limit(9, None, spent=3).reached(objective)
        assert swarm_methods.Limit(9, None, spent=4).reached(objective)
    else:
        limit = swarm_methods.Limit(None, 0.02)
        assert not limit.reached(objective)
        time.sleep(0.03)
        assert not limit.reached(objective)
        while limit.elapsed < 0.02:
            pass
        assert limit.reached(objective)


@pytest.fixture
def small(monkeypatch):
    """Studies of a second."""
    monkeypatch.setattr(swarm_methods, "SAMPLES", 24)
    monkeypatch.setattr(swarm_methods, "EVALUATIONS", 120)
    monkeypatch.setattr(swarm_methods, "SECONDS", 0.1)
    monkeypatch.setattr(swarm_methods, "REFINE", 1)
    monkeypatch.setattr(swarm_price, "SAMPLES", 40)
    monkeypatch.setattr(swarm_price, "DEVICES", ("ibm_guadalupe",))
    monkeypatch.setattr(swarm_price, "SHOTS", (8, 64))
    short = swarm_price.TRAINING.model_copy(update={"particles": 2, "iterations": 0, "refine": 8})
    monkeypatch.setattr(swarm_price, "TRAINING", short)
    tiny = swarm_methods.STRUCTURE.structure.model_copy(
        update={"particles": 2, "iterations": 0, "starts": 1, "steps": 1}
    )
    monkeypatch.setattr(
        swarm_methods, "STRUCTURE", swarm_methods.STRUCTURE.model_copy(update={"structure": tiny})
    )
    swarm_only = tiny.model_copy(update={"starts": 2, "moves": 1, "steps": 0})
    monkeypatch.setattr(
        swarm_methods, "STRUCTURE_SWARM", swarm_methods.STRUCTURE.model_copy(update={"structure": swarm_only})
    )


def test_a_study_from_the_command_line(small, tmp_path, capsys):
    path = tmp_path / "out.json"
    arguments = ["methods", "--seeds", "1", "--folder", str(tmp_path / "cells"), "--json", str(path)]
    assert swarm_main.main(arguments) == 0
    written = json.loads(path.read_text())
    assert [row["method"] for row in written["rows"]] == 2 * list(swarm_methods.METHODS)
    for record in written["records"]:
        assert record["loss_refined"] <= record["loss"]
        assert record["limit"] == "time" or record["evaluations"] >= 120
    assert "cooperative" in capsys.readouterr().out
    assert swarm_main.main(arguments) == 0
    assert json.loads(path.read_text()) == written


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_a_price_is_the_slope_through_the_loss_without_noise(slope):
    success = [0.0, 0.3, 0.9]
    rises = [[0.2 + slope * x * (1 + k) for k in range(1 + len(swarm_price.SHOTS))] for x in success]
    rows = swarm_price.summarize_price([{"minus_log_success": success, "losses": rises}])
    assert [row["shots"] for row in rows] == ["exact", *swarm_price.SHOTS]
    assert [row["price"] for row in rows] == pytest.approx([slope * (1 + k) for k in range(len(rows))])


def test_few_shots_cost_more_than_many(small):
    record = swarm_price._damped((0, 1), "one_cx", 0)
    assert record["minus_log_success"] == sorted(record["minus_log_success"])
    for exact, *sampled in record["losses"]:
        assert sampled == sorted(sampled, reverse=True)
        assert sampled[-1] > exact


def test_a_study_needs_a_seed(capsys):
    with pytest.raises(SystemExit, match="2"):
        swarm_main.main(["methods", "--seeds", "0"])
    assert "expected 1 or more, found 0" in capsys.readouterr().err
