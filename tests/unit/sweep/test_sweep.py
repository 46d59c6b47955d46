"""Sweeps: what cells they have, what is kept, how records become a table, files and a picture."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import joblib
import numpy as np
import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.errors import ConfigError, ReportingError, StoreError, SweepError
from qkd_qiskit.store import Database, folder_lock
from qkd_qiskit.store.sealing import seal_text
from qkd_qiskit.sweep import (
    Cell,
    CellRecord,
    Measurement,
    SweepOptions,
    SweepResult,
    SweepSettings,
    load_sweep,
    run_sweep,
    shipped_sweeps,
)
from qkd_qiskit.sweep import run as sweep_run
from qkd_qiskit.sweep.cell import cell_difference, pack, pooled_accuracy, pooled_difference, unpack
from qkd_qiskit.sweep.measurements import MEASUREMENTS
from qkd_qiskit.sweep.measurements.federations import client_fingerprint
from qkd_qiskit.sweep.plot import save_picture
from qkd_qiskit.sweep.run import sweep_cells


class Coin(Measurement):
    """A stand-in that is right more often the larger its size is, and counts its runs in a file."""

    size: int = 1
    refuse: bool = False

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        if folder is not None:
            with (folder / "runs.txt").open("a") as file:
                file.write(f"{cell.name}\n")
        if self.refuse:
            return CellRecord(refused="too small")
        hits = np.arange(10) < self.size + cell.seed
        return CellRecord(
            right={"coin": pack(hits), "half": "1" * 5 + "0" * 5},
            ideal={"coin": pack(hits)},
            values={"size": (self.size, self.size + 2.0), "seed": (cell.seed,)},
            notes={"kind": (f"seed {cell.seed}",)},
        )


@pytest.fixture(autouse=True)
def coin(monkeypatch):
    monkeypatch.setitem(MEASUREMENTS, "coin", Coin)


def sweep_of(**changes):
    table = {
        "name": "coins",
        "seeds": {"first": 1, "count": 2},
        "measurement": {"kind": "coin"},
        "grid": {"measurement.size": [2, 4]},
    }
    return SweepSettings.model_validate(table | changes)


@pytest.mark.parametrize("right", [[], [True], [True, False, False]])
def test_answers_survive_packing(right):
    np.testing.assert_array_equal(unpack(pack(np.array(right, dtype=bool))), right)


def test_other_text_is_no_answer():
    with pytest.raises(SweepError, match="ones and zeros, found '012'"):
        unpack("012")


def test_records_are_pooled_image_by_image():
    answers = [{"a": "1100", "b": "1000"}, {"a": "11", "b": "11"}]
    assert pooled_accuracy(answers, "a").value == pytest.approx(4 / 6)
    difference = pooled_difference(answers, "a", answers, "b")
    assert difference.value == pytest.approx(1 / 6)
    assert difference.low <= difference.value <= difference.high
    with pytest.raises(SweepError, match="expected answers of 'c', found those of a, b"):
        pooled_accuracy(answers, "c")


def test_over_cells_each_cell_counts_alike():
    answers = [{"a": "1100", "b": "1000"}, {"a": "11", "b": "11"}]
    difference = cell_difference(answers, "a", answers, "b")
    assert difference.value == pytest.approx((1 / 4 + 0) / 2)
    # Of two cells, the same one is drawn twice in a quarter of all cases each.
    assert (difference.low, difference.high, difference.samples) == (0.0, 1 / 4, 2)


def test_a_grid_is_every_combination_with_every_seed():
    sweep = sweep_of(grid={"measurement.size": [2, 4], "measurement.refuse": [True, False]})
    cells = sweep_cells(sweep, SweepOptions())
    assert [(c.measurement.size, c.measurement.refuse, c.seed) for c in cells] == [
        (size, refuse, seed) for size in (2, 4) for refuse in (True, False) for seed in (1, 2)
    ]
    assert len({cell.fingerprint for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": [{"name": "a"}]}, "variants or a grid, found both"),
        ({"grid": {}, "variants": [{"name": "a"}, {"name": "a"}]}, "found 'a' twice"),
        ({"differences": [{"model": "coin", "variant": "b"}]}, "expected one of size 2, size 4, found 'b'"),
        ({"panels": [{"kind": "line"}]}, "needs x"),
    ],
)
def test_sweeps_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        sweep_of(**changes)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"measurement": {"kind": "dice"}}, {}, "measurement.kind: expected one of experiment.*found 'dice'"),
        ({"measurement": {"kind": "coin", "weight": 1}}, {}, "sweep coins, size 2: unknown key weight"),
        ({}, {"overrides": ("data.test=3",)}, "expected keys of measurement, .* found 'data.test=3'"),
        ({}, {"variants": ("size 3",)}, "variant: expected one of size 2, size 4, found 'size 3'"),
    ],
)
def test_wrong_settings_of_cells_are_refused(changes, options, message):
    with pytest.raises(ConfigError, match=message):
        sweep_cells(sweep_of(**changes), SweepOptions(**options))


def test_a_measurement_may_need_an_experiment(tmp_path):
    with pytest.raises(SweepError, match="DistillationMeasurement: needs an experiment"):
        run_sweep(sweep_of(measurement={"kind": "distillation"}, grid={}))


def test_finished_cells_are_not_measured_again(tmp_path):
    first = run_sweep(sweep_of(), SweepOptions(folder=tmp_path))
    again = run_sweep(sweep_of(), SweepOptions(folder=tmp_path))
    assert first.rows() == again.rows()
    assert len((tmp_path / "runs.txt").read_text().splitlines()) == 4
    run_sweep(sweep_of(), SweepOptions(folder=tmp_path, overrides=("measurement.refuse=true",)))
    assert len((tmp_path / "runs.txt").read_text().splitlines()) == 8


def test_a_second_sweep_in_a_folder_is_refused(tmp_path):
    with folder_lock(tmp_path), pytest.raises(StoreError, match="another run or command is working there"):
        run_sweep(sweep_of(), SweepOptions(folder=tmp_path))


def test_a_damaged_record_is_named_and_made_anew(tmp_path, caplog):
    before = run_sweep(sweep_of(), SweepOptions(folder=tmp_path))
    with Database(tmp_path) as database:
        database.execute("UPDATE record SET value = ?", '{"right": 3}')
    assert run_sweep(sweep_of(), SweepOptions(folder=tmp_path)).rows() == before.rows()
    assert "record of coins, size 2, seed 1 in" in caplog.text
    assert "it is made anew" in caplog.text


def test_a_record_of_something_else_is_named(tmp_path):
    run_sweep(sweep_of(), SweepOptions(folder=tmp_path))
    with Database(tmp_path) as database:
        database.execute("UPDATE record SET value = ?", seal_text('{"right": 3}'))
    with pytest.raises(StoreError, match="sweep coins: the record of size 2, seed 1 is damaged"):
        run_sweep(sweep_of(), SweepOptions(folder=tmp_path))


def test_only_some_variants_run_beside_the_one_that_is_subtracted(tmp_path):
    sweep = sweep_of(
        grid={"measurement.size": [2, 3, 4]}, differences=[{"model": "coin", "variant": "size 2"}]
    )
    found = run_sweep(sweep, SweepOptions(variants=("size 4",)))
    assert [row["size"] for row in found.rows()] == ["2", "4"]


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_processes_find_the_same(backend, tmp_path, monkeypatch):
    sweep = load_sweep("gradients", {"grid": {"measurement.qubits": [2, 3]}, "set": ["measurement.draws=3"]})
    alone = run_sweep(sweep)
    with joblib.parallel_config(backend, n_jobs=2):
        assert run_sweep(sweep, SweepOptions(folder=tmp_path)).rows() == alone.rows()


def test_a_worker_that_is_ended_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_run, "_measure_all", lambda *_: os._exit(3))
    with pytest.raises(SweepError, match="sweep coins: a worker process was ended from outside"):
        run_sweep(sweep_of(), SweepOptions(folder=tmp_path, jobs=2))


def test_a_dask_cluster_finds_the_same(tmp_path):
    distributed = pytest.importorskip("distributed")
    sweep = load_sweep("gradients", {"grid": {"measurement.qubits": [2, 3]}, "set": ["measurement.draws=3"]})
    alone = run_sweep(sweep)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        assert run_sweep(sweep, SweepOptions(folder=tmp_path)).rows() == alone.rows()


def test_the_table_of_variants():
    sweep = sweep_of(
        models=["coin"],
        differences=[{"model": "coin", "minus": "half"}, {"model": "coin", "variant": "size 2"}],
        values=[
            {"name": "size", "digits": 1, "heading": "mass"},
            {"name": "size", "show": "lowest", "digits": 0},
            {"name": "size", "show": "highest", "digits": 0},
            {"name": "seed", "show": "each", "heading": "seeds", "digits": 0},
            {"name": "seed", "show": "spread", "digits": 2},
            {"name": "size", "show": "scatter", "digits": 2},
        ],
        notes=["kind"],
        total={"over": ["size"]},
    )
    rows = run_sweep(sweep).rows()
    assert [row["size"] for row in rows] == ["2", "4", "mean"]
    small, large, both = rows
    # Seeds 1 and 2 with 2 + seed and 4 + seed right answers of ten.
    assert small["coin"].startswith("35.0 (")
    assert large["coin"].startswith("55.0 (")
    assert both["coin"].startswith("45.0 (")
    assert large["coin minus half"].startswith("5.0 (")
    assert large["coin minus size 2"].startswith("20.0 (")
    assert small["coin minus size 2"] == "0.0 (0.0 to 0.0)"
    assert "coin minus size 2" not in both
    assert small["mass"] == "3.0"
    assert both["mass"] == "4.0"
    assert small["size, lowest"] == "2"
    assert small["size, highest"] == "4"
    assert large["seeds"] == "1, 2"
    assert large["seed, spread"] == f"{np.std([1, 2], ddof=1):.2f}"
    assert large["size, scatter"] == f"{np.std([4, 6, 4, 6], ddof=1):.2f}"
    assert both["kind"] == "seed 1, seed 2"


def test_the_table_of_models():
    sweep = sweep_of(grid={}, rows="models", differences=[{"model": "coin"}, {"minus": "half"}])
    rows = run_sweep(sweep).rows()
    assert [row["model"] for row in rows] == ["coin", "half", "minutes"]
    assert rows[0]["each seed"] == "20.0, 30.0"
    assert rows[0]["without noise"] == "25.0"
    assert "without noise" not in rows[1]
    assert rows[1]["coin minus this"].startswith("-25.0 (")
    assert rows[0]["this minus half"].startswith("-25.0 (")
    over = sweep_of(grid={}, rows="models", differences=[{"minus": "half", "over": "cells"}])
    # Twenty and thirty right answers of a hundred, less fifty.
    assert run_sweep(over).rows()[0]["this minus half, over cells"] == "-25.0 (-30.0 to -20.0)"


def test_a_row_without_figures_tells_why(tmp_path):
    sweep = sweep_of(
        grid={"measurement.refuse": [True, False]},
        differences=[{"model": "coin", "variant": "refuse True"}],
        panels=[{"kind": "bars"}],
    )
    found = run_sweep(sweep)
    refused, able = found.rows()
    assert refused == {"refuse": "True", "refused": "too small"}
    assert "coin" in able
    assert not any("minus" in key for key in able)
    save_picture(found, tmp_path / "bars.png")
    models = run_sweep(sweep_of(grid={"measurement.refuse": [True]}, rows="models"))
    assert models.rows() == [{"refuse": "True", "refused": "too small"}]


def test_files_hold_the_table_and_the_cells(tmp_path):
    found = run_sweep(sweep_of())
    found.save(json=tmp_path / "deep" / "coins.json", csv=tmp_path / "coins.csv")
    written = json.loads((tmp_path / "deep" / "coins.json").read_text("utf-8"))
    assert written["rows"] == found.rows()
    assert [(cell["size"], cell["seed"]) for cell in written["cells"]] == [
        ("2", 1), ("2", 2), ("4", 1), ("4", 2),
    ]  # fmt: skip
    assert written["cells"][3]["accuracy"] == {"coin": 0.6, "half": 0.5}
    assert written["cells"][0]["values"] == {"size": [2.0, 4.0], "seed": 1.0}
    read = list(csv.DictReader(io.StringIO((tmp_path / "coins.csv").read_text("utf-8"))))
    assert read == found.rows()
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportingError, match="cannot write .*table.csv"):
        found.save(csv=tmp_path / "file" / "table.csv")


PANELS = [
    {"kind": "line", "x": "size", "x_falls": True, "x_log": True},
    {"kind": "line", "x": "size", "names": ["seed"]},
    {"kind": "columns", "names": ["coin"]},
    {"kind": "bars", "x": "size"},
    {"kind": "bars"},
    {"kind": "differences"},
]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["kind"])
def test_every_kind_of_panel_is_drawn(panel, tmp_path):
    sweep = sweep_of(panels=[panel], differences=[{"model": "coin", "minus": "half"}])
    found = run_sweep(sweep)
    save_picture(found, tmp_path / "a.png")
    save_picture(found, tmp_path / "b.png")
    picture = (tmp_path / "a.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert picture == (tmp_path / "b.png").read_bytes()


def test_pictures_that_cannot_be_drawn_or_written_are_named(tmp_path):
    with pytest.raises(ReportingError, match="sweep coins: has no picture"):
        save_picture(run_sweep(sweep_of()), tmp_path / "coins.png")
    with pytest.raises(SweepError, match="draws no picture of its own"):
        save_picture(run_sweep(sweep_of(panels=[{"kind": "own"}])), tmp_path / "coins.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportingError, match="cannot write .*coins.png"):
        save_picture(run_sweep(sweep_of(panels=[{"kind": "bars"}])), tmp_path / "file" / "coins.png")


@pytest.mark.parametrize("name", shipped_sweeps())
def test_every_shipped_sweep_has_valid_cells(name):
    sweep = load_sweep(name, {"seeds": {"first": 5, "count": 2}})
    cells = sweep_cells(sweep, SweepOptions())
    assert len(cells) == 2 * len(sweep.all_variants())
    for cell in cells:
        assert cell.seed in (5, 6)
        assert cell.settings is None or cell.settings.seed == cell.seed
    if name == "ablation":
        by_name = {cell.variant.name: cell.experiment for cell in cells}
        assert by_name["student by its gate budget"].distillation.student_blocks is None
        assert by_name["MSE"].distillation.soft_loss == "mse"


def test_unknown_sweeps_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="unknown sweep 'weather': expected one of ablation"):
        load_sweep("weather")
    (tmp_path / "mine.toml").write_text('name = "mine"\nseeds = { count = 0 }\n')
    with pytest.raises(ConfigError, match="mine.toml: seeds.count"):
        load_sweep(str(tmp_path / "mine.toml"))


def test_variants_share_clients_only_if_these_learn_the_same():
    cells = sweep_cells(load_sweep("ablation", {"seeds": {"first": 5, "count": 2}}), SweepOptions())
    digest = {(cell.variant.name, cell.seed): client_fingerprint(cell.experiment) for cell in cells}
    shipped = digest["as shipped", 5]
    for variant in ("no mixup", "hard labels only", "plain mean", "8-bit outputs", "two rounds"):
        assert digest[variant, 5] == shipped
    for variant in ("no unlabelled images", "no copies for the student", "no copies at all"):
        assert digest[variant, 5] != shipped
    assert digest["as shipped", 6] != shipped


SWEEP = """
name = "mine"
title = "Derivatives"
seeds = { count = 1 }
measurement = { kind = "gradients", draws = 3 }
values = [{ name = "ideal" }]
[grid]
"measurement.qubits" = [2, 3]
[[panels]]
x = "qubits"
names = ["ideal"]
"""


def test_a_sweep_from_the_command_line(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(SWEEP)
    files = [tmp_path / name for name in ("out.json", "out.csv", "out.png")]
    arguments = ["sweep", str(tmp_path / "mine.toml"), "--seeds", "2", "--first-seed", "3"]
    arguments += ["--output", str(tmp_path / "cells"), "--json", str(files[0]), "--csv", str(files[1])]
    assert main([*arguments, "--plot", str(files[2])]) == 0
    assert "Derivatives" in capsys.readouterr().out
    assert all(path.stat().st_size > 20 for path in files)
    written = files[0].read_text("utf-8")
    assert [cell["seed"] for cell in json.loads(written)["cells"]] == [3, 4, 3, 4]
    assert main(arguments) == 0
    assert (tmp_path / "cells" / "mine.png").exists()
    assert files[0].read_text("utf-8") == written


def test_unknown_sweeps_at_the_command_line(capsys):
    assert main(["sweep", "weather"]) == 2
    assert "unknown sweep 'weather'" in capsys.readouterr().err


def test_a_result_without_cells_has_no_rows():
    assert SweepResult(sweep_of(), (), ()).rows() == []


@pytest.mark.parametrize(
    "text",
    [
        "seeds = { count = 1000000000 }",
        "seeds = { count = 1 }\n[grid]\n" + "".join(f'"a{k}" = {list(range(40))}\n' for k in range(9)),
        "seeds = { count = 5 }\n[grid]\n" + "".join(f'"a{k}" = {list(range(200))}\n' for k in range(2)),
    ],
)
def test_sweeps_of_too_many_cells_are_refused(text, tmp_path):
    (tmp_path / "wide.toml").write_text(f'name = "wide"\n{text}\n')
    with pytest.raises(ConfigError, match="expected at most 100000 cells, combinations times seeds, found"):
        load_sweep(str(tmp_path / "wide.toml"))
