"""The benchmark, small: settings that fit a data set, and average ranks by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import load_dataset, prepare_data
from qkd_qiskit.errors import SweepError
from qkd_qiskit.sweep import load_sweep
from qkd_qiskit.sweep.cell import Cell, CellRecord
from qkd_qiskit.sweep.measurements import MEASUREMENTS
from qkd_qiskit.sweep.plot import draw_sweep
from qkd_qiskit.sweep.result import SweepResult
from qkd_qiskit.sweep.settings import SweepSettings, Variant

BASE = load_experiment("small")


def _settings(dataset, base=BASE):
    return MEASUREMENTS["benchmark"](dataset=dataset).settings(base)


@pytest.mark.parametrize("dataset", ["digits", "iris", "wine", "breast_cancer", "mnist5000"])
@pytest.mark.parametrize("partition", ["homo", "noniid-#label2", "noniid-labeldir", "iid-diff-quantity"])
def test_every_data_set_can_be_dealt_by_every_partition(dataset, partition):
    base = BASE.model_copy(update={"data": BASE.data.model_copy(update={"partition": partition})})
    settings = _settings(dataset, base)
    data = prepare_data(settings)
    assert len(data.clients) == 4
    assert len(data.classes) <= 2 ** (settings.model.n_qubits - 1)
    assert data.name == load_dataset(dataset).name
    assert min(data.sizes) >= 2


def test_too_small_a_data_set_is_refused(tmp_path):
    path = tmp_path / "few.csv"
    rows = [f"{3 * k % 11},{k % 7},{'abc'[k % 3]}" for k in range(20)]
    path.write_text("\n".join(["u,v,label", *rows]) + "\n")
    data = BASE.data.model_copy(update={"path": str(path), "labels": "label"})
    with pytest.raises(SweepError, match="expected enough samples for 3 classes in each part, found 20"):
        _settings("few", BASE.model_copy(update={"data": data}))


def _result(records):
    settings = SweepSettings(name="r", seeds={"count": 1}, rows="ranks")
    cells = [Cell(Variant(name=f"v{k}"), 0, MEASUREMENTS["benchmark"](), None) for k in range(len(records))]
    return SweepResult(settings, tuple(cells), tuple(records))


def test_ranks_and_differences_by_hand():
    rights = [
        {"global": "1110", "a": "1111", "b": "1000"},
        {"global": "1110", "a": "1110", "b": "0000"},
    ]
    records = [CellRecord(right=right, values={"bytes_a": (2000.0,)}) for right in rights]
    first, second, third, last = _result(records).rows()
    assert (first["model"], first["average rank"], first["accuracy"]) == ("a", "1.25", "87.5")
    assert first["global minus this"] == "-12.5 (-25.0 to +0.0)"
    assert first["kilobytes"] == "2.0"
    assert (second["model"], second["average rank"]) == ("global", "1.75")
    assert "global minus this" not in second
    assert (third["model"], third["average rank"]) == ("b", "3.00")
    assert third["global minus this"] == "+62.5 (+50.0 to +75.0)"
    assert last["model"] == "2 variants, 0 runs refused"


def _drawn(records):
    result = _result(records)
    panels = load_sweep("benchmark").panels
    return draw_sweep(replace(result, settings=result.settings.model_copy(update={"panels": panels}))).axes[0]


def test_ranks_are_drawn_as_the_table_has_them():
    rights = [
        {"global": "1110", "a": "1111", "b": "1000"},
        {"global": "1110", "a": "1110", "b": "0000"},
    ]
    axes = _drawn([CellRecord(right=right) for right in rights])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a (1.2)", "global (1.8)", "b (3.0)"]
    assert axes.lines[0].get_xdata() == pytest.approx([-12.5, 0.0, 62.5])
    segments = axes.collections[0].get_segments()
    assert [tuple(segment[:, 0]) for segment in segments] == [(-25.0, 0.0), (0.0, 0.0), (50.0, 75.0)]
    # The best is on top; far differences do not squeeze near ones.
    assert axes.yaxis_inverted()
    assert axes.get_xscale() == "symlog"


def test_near_differences_are_drawn_on_a_linear_axis():
    axes = _drawn([CellRecord(right={"global": "1" * 99 + "0", "a": "1" * 97 + "000"})])
    assert axes.get_xscale() == "linear"
    assert axes.lines[0].get_xdata() == pytest.approx([0.0, 2.0])


@pytest.mark.parametrize("record", [CellRecord(refused="none"), CellRecord(right={"a": "10", "b": "11"})])
def test_ranks_without_a_global_model_draw_no_difference(record):
    assert len(_drawn([record]).lines[0].get_xdata()) == 0


def test_what_was_refused_and_models_that_only_some_have_do_not_count():
    records = [
        CellRecord(right={"global": "11", "a": "10"}),
        CellRecord(right={"global": "11"}),
        CellRecord(refused="no gate budget"),
    ]
    rows = _result(records).rows()
    assert [row["model"] for row in rows] == ["global", "2 variants, 1 runs refused"]
    assert _result([CellRecord(refused="none")]).rows() == [{"refused": "none"}]


def test_a_refused_seed_leaves_the_others_of_its_variant():
    measurement, variant = MEASUREMENTS["benchmark"](), Variant(name="v")
    cells = tuple(Cell(variant, seed, measurement, None) for seed in (1, 2))
    records = (CellRecord(right={"global": "11", "a": "10"}), CellRecord(refused="no gate budget"))
    rows = SweepResult(_result([]).settings, cells, records).rows()
    assert [row.get("accuracy") for row in rows] == ["100.0", "50.0", None]
    assert rows[-1]["model"] == "1 variants, 1 runs refused"


def test_a_client_without_a_budget_ends_no_sweep():
    """Here by a floor of the ESP that no structure reaches."""
    estimator = BASE.estimator.model_copy(update={"esp_floor": 0.999})
    strict = BASE.model_copy(update={"estimator": estimator})
    measurement = MEASUREMENTS["benchmark"](dataset="iris")
    found = measurement.measure(Cell(Variant(name="v"), 1, measurement, strict), None)
    assert "no gate budget" in found.refused


@pytest.mark.parametrize("name", ["benchmark", "confirmation"])
def test_shipped_sweeps_name_data_sets_that_are_here(name):
    sweep = load_sweep(name)
    assert sweep.seeds.count == 5
    for dataset in sweep.grid["measurement.dataset"]:
        assert len(load_dataset(dataset).classes) >= 2


def test_data_sets_of_development_and_confirmation_are_different():
    first, second = (set(load_sweep(k).grid["measurement.dataset"]) for k in ("benchmark", "confirmation"))
    assert not first & second


def test_tables_are_scaled_to_their_ranges():
    for name, shape, classes in (
        ("iris", (150, 4), 3),
        ("wine", (178, 13), 3),
        ("breast_cancer", (569, 30), 2),
    ):
        found = load_dataset(name)
        assert found.features.shape == shape
        assert len(found.classes) == classes
        np.testing.assert_allclose(found.features.min(axis=0), 0)
        np.testing.assert_allclose(found.features.max(axis=0), 1)
