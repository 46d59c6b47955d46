"""The calibration: a shortened sweep for real, and fits of records whose truth is known."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.errors import ConfigError, DataError, EstimatorError, ReportingError
from qkd_qiskit.estimator import DataStatistics, budget_terms, calibration, grant, load_coefficients
from qkd_qiskit.estimator.calibration import assessment, curves, fit
from qkd_qiskit.estimator.calibration import records as sweep
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan, CalibrationTask, load_plan
from qkd_qiskit.estimator.calibration.records import (
    RungRecord,
    UnitRecord,
    draw_task,
    read_records,
    run_sweep,
)
from qkd_qiskit.reporting.calibration_plot import write_calibration

SHORT = CalibrationPlan.model_validate(
    {
        "n_qubits": 4,
        "seeds": 2,
        "fit_seeds": 1,
        "rungs": [3, 6, 10],
        "public": 40,
        "evaluation": 60,
        "training": {"particles": 2, "iterations": 0, "refine": 10},
        "tasks": [
            {"name": "0 1", "use": "fit", "classes": [0, 1], "samples": 40},
            {"name": "3 5", "use": "fit", "classes": [3, 5], "samples": 60, "kernel": "two_cx"},
            {"name": "4 9", "use": "fit", "classes": [4, 9], "samples": 60},
            {"name": "0 1 2", "use": "fit", "dataset": "digits", "classes": [0, 1, 2], "samples": 60},
            {"name": "2 7", "use": "fit", "classes": [2, 7], "samples": 16, "few": True},
            {"name": "7 9", "use": "validation", "classes": [7, 9], "samples": 60},
            {
                "name": "1 8, noisy",
                "use": "validation",
                "classes": [1, 8],
                "samples": 60,
                "backend": "noisy_line",
            },
        ],
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished short calibration."""
    folder = tmp_path_factory.mktemp("calibration")
    write_calibration(calibration.calibrate(SHORT, folder), folder)
    return folder


def test_a_short_calibration_trains_everything_and_judges_every_task(folder):
    records = read_records(folder / "records.jsonl", SHORT)
    assert set(records) == {(task.name, seed) for task, seed in SHORT.units()}
    assert len(records) == 5 * 1 + 2 * 2
    for record in records.values():
        sizes = [rung.blocks for rung in record.rungs]
        # Each size of the plan means the next rung, and families of other kernels have other rungs.
        assert sizes[0] == 3
        assert len(sizes) == 3
        assert all(size >= wanted for size, wanted in zip(sizes, SHORT.rungs, strict=True))
        # Two or three digits are no puzzle, even for ten steps of training.
        assert max(rung.accuracy for rung in record.rungs) > 0.7
    found = json.loads((folder / "calibration.json").read_text("utf-8"))
    assert [task["task"] for task in found["tasks"]] == [task.name for task in SHORT.tasks]
    shipped_form = load_coefficients(folder / "coefficients.json")
    assert shipped_form.provisional == (not found["validation"]["is_met"])
    assert "2 tasks left out" in shipped_form.method
    assert (folder / "calibration.png").stat().st_size > 10_000


def test_an_interrupted_sweep_goes_on(folder, tmp_path, monkeypatch):
    lines = (folder / "records.jsonl").read_text("utf-8").splitlines(keepends=True)
    path = tmp_path / "records.jsonl"
    path.write_text("".join(lines[:6]) + lines[6][:100], "utf-8")
    trained = []
    honest = sweep.train_unit

    def counted(plan, task, seed, **named):
        trained.append((task.name, seed))
        return honest(plan, task, seed, **named)

    monkeypatch.setattr(sweep, "train_unit", counted)
    records = run_sweep(SHORT, path)
    assert len(trained) == 3
    wanted = [json.loads(line) for line in lines]
    again = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for one in (*wanted, *again):
        del one["seconds"]
    assert again == wanted
    assert [(r.task, r.seed) for r in records] == [(task.name, seed) for task, seed in SHORT.units()]


@pytest.mark.long
def test_two_processes_find_the_same(folder, tmp_path):
    some = SHORT.model_copy(update={"tasks": SHORT.tasks[:2]})
    parallel = {(r.task, r.seed): r for r in run_sweep(some, tmp_path / "records.jsonl", jobs=2)}
    for key, record in read_records(folder / "records.jsonl", some).items():
        assert parallel[key].rungs == record.rungs


def test_records_of_other_settings_are_not_used(folder):
    other = SHORT.model_copy(update={"evaluation": 61})
    assert read_records(folder / "records.jsonl", other) == {}
    renamed = SHORT.tasks[0].model_copy(update={"use": "validation"})
    assert SHORT.fingerprint(renamed) == SHORT.fingerprint(SHORT.tasks[0])
    larger = SHORT.tasks[0].model_copy(update={"samples": 44})
    assert SHORT.fingerprint(larger) != SHORT.fingerprint(SHORT.tasks[0])


def test_damaged_records_are_named_and_others_kept(folder, tmp_path, caplog):
    path = tmp_path / "records.jsonl"
    lines = (folder / "records.jsonl").read_bytes().splitlines(keepends=True)
    path.write_bytes(b'{"task": 1}\n' + lines[0] + b"\xff\n" + b"[" * 5000 + b"\n" + lines[1] + b'{"ta')
    whole = read_records(folder / "records.jsonl", SHORT)
    kept = read_records(path, SHORT)
    assert len(kept) == 2
    assert all(whole[unit] == record for unit, record in kept.items())
    for number in (1, 3, 4):
        assert f"line {number} is damaged and left out" in caplog.text
    with pytest.raises(EstimatorError, match="cannot read calibration records .*: Is a directory"):
        read_records(tmp_path, SHORT)


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EstimatorError, match="cannot write calibration records"):
        run_sweep(SHORT.model_copy(update={"tasks": SHORT.tasks[:1]}), tmp_path / "file" / "records.jsonl")


def test_draws_are_disjoint_balanced_and_seeded():
    task = SHORT.tasks[3]
    data, again, other = draw_task(SHORT, task, 0), draw_task(SHORT, task, 0), draw_task(SHORT, task, 1)
    assert np.bincount(data.labels).tolist() == [20, 20, 20]
    assert len(data.evaluation_labels) == 60
    np.testing.assert_array_equal(data.inputs, again.inputs)
    assert not np.array_equal(data.inputs, other.inputs)
    rows = {row.tobytes() for row in data.inputs}
    assert not any(row.tobytes() in rows for row in data.evaluation_inputs)


def test_too_few_samples_are_named():
    task = CalibrationTask(name="all", use="fit", dataset="digits", classes=(0, 1), samples=400)
    with pytest.raises(DataError, match="task all: expected more than 220 samples of class 0, found 178"):
        draw_task(SHORT, task, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rungs = [1", "not valid TOML"),
        ("rungs = [3, 6]\ntasks = []", "tasks: "),
        ("rungs = [3, 6]\nsed = 3\ntasks = []", "sed"),
        (
            "rungs = [3, 6]\n" + 2 * '[[tasks]]\nname = "a"\nuse = "fit"\nclasses = [0, 1]\nsamples = 9\n',
            "task names must differ, found 'a' twice",
        ),
    ],
)
def test_wrong_plans_are_refused(text, message, tmp_path):
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_plan(tmp_path / "plan.toml")


def test_missing_plans_are_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot read calibration plan .*none.toml"):
        load_plan(tmp_path / "none.toml")


def synthetic(scale=2.0, diversity=0.8, overlap=10.0, noise=0.0, seed=0):
    """A plan whose tasks saturate exactly where a known rule says, and its records."""
    rng = np.random.default_rng(seed)
    rungs = (3, 6, 9, 12, 15, 18, 21, 24, 27)
    tasks, records = [], []
    for number in range(40):
        classes = tuple(range(2 + number % 3))
        use = "fit" if number < 30 else "validation"
        task = CalibrationTask(
            name=str(number), use=use, classes=classes, samples=300, few=number in (27, 28, 29)
        )
        plan = CalibrationPlan(n_qubits=4, rungs=rungs, tasks=(task,))
        lost = float(rng.uniform(0, 0.4))
        need = scale * len(classes) ** diversity * (1 + overlap * lost)
        statistics = DataStatistics(300, 0, len(classes), float(np.log2(len(classes))), 1.0, lost, 8.0)
        shapes = sweep.task_rungs(plan, task)
        for draw in range(2):
            trained = []
            for spec in shapes:
                gap = max(0.0, np.log(need / len(spec.blocks))) * 0.1
                value = min(max(0.95 - gap + noise * rng.standard_normal(), 0.0), 1.0)
                trained.append(
                    RungRecord(
                        blocks=len(spec.blocks), weights=1, accuracy=value, training_accuracy=1, loss=0.0
                    )
                )
            records.append(
                UnitRecord(
                    task=task.name,
                    fingerprint="",
                    seed=draw,
                    statistics=statistics,
                    evaluated=100,
                    rungs=tuple(trained),
                    seconds=1.0,
                )
            )
        tasks.append(task)
    return CalibrationPlan(n_qubits=4, rungs=rungs, seeds=2, tasks=tuple(tasks)), records


@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_a_known_rule_is_found_again(noise):
    plan, records = synthetic(noise=noise)
    found = calibration.evaluate_records(plan, records)
    need = found.coefficients.need
    for classes, lost in ((2, 0.05), (3, 0.2), (4, 0.35)):
        truth = 2.0 * classes**0.8 * (1 + 10 * lost)
        fitted = need.scale * classes**need.diversity * (1 + need.overlap * lost) * 8.0**need.dimension
        assert fitted == pytest.approx(truth, rel=0.3)
    assert found.validation.is_met
    assert not found.coefficients.provisional


def test_a_rule_that_does_not_hold_stays_provisional():
    """Tasks left out that need far more than those fitted."""
    plan, records = synthetic()
    _, harder = synthetic(scale=12.0)
    mixed = [b if int(b.task) >= 30 else a for a, b in zip(records, harder, strict=True)]
    found = calibration.evaluate_records(plan, mixed)
    assert not found.validation.is_met
    assert found.coefficients.provisional


def test_assessments_by_hand():
    plan, records = synthetic()
    curve = curves.curves(plan, records)[0]
    assert curve.plateau == max(curve.accuracy)
    first = next(b for b, a in zip(curve.blocks, curve.accuracy, strict=True) if a >= curve.plateau - 0.01)
    assert curve.smallest == curve.smooth_smallest == first
    rule = load_coefficients()
    [task] = assessment.assess_tasks(plan, [curve], rule)
    ladder = sweep.task_ladder(plan, curve.task)
    spec, _ = grant(ladder, budget_terms(ladder, curve.records[0].statistics, rule, None))
    assert task.granted == len(spec.blocks)
    reached = max(b for b in curve.blocks if b <= task.granted)
    assert task.accuracy == pytest.approx(curve.accuracy[curve.blocks.index(reached)])
    assert task.sufficient == (task.accuracy >= task.best - 0.01)
    assert task.ratio == task.granted / task.smallest


def test_quantile_regression_leaves_its_share_below():
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, (200, 3))
    y = 0.5 + x @ [1.0, 0.5, 0.2] + rng.normal(0, 0.3, 200)
    for level in (0.5, 0.8):
        _, values = fit._quantile_regression(x, y, level)
        assert np.mean(y < values[0] + x @ values[1:]) == pytest.approx(level, abs=0.03)


def test_too_few_tasks_are_refused():
    plan, records = synthetic()
    few = plan.model_copy(update={"tasks": plan.tasks[:3]})
    with pytest.raises(EstimatorError, match="at least 4 tasks of use 'fit' with ample samples"):
        calibration.evaluate_records(few, records)


def test_the_shipped_coefficients_are_those_of_the_shipped_records():
    plan = load_plan()
    records, granted = calibration.shipped_records(plan)
    assert {(r.task, r.seed) for r in records} == {(task.name, seed) for task, seed in plan.units()}
    found = calibration.evaluate_records(plan, records, granted)
    assert found.coefficients == load_coefficients()
    shipped = json.loads(
        (resources.files("qkd_qiskit.estimator.calibration") / "result.json").read_text("utf-8")
    )
    assert shipped["validation"]["is_met"] == found.validation.is_met == (not found.coefficients.provisional)
    assert (Path(__file__).parents[3] / "docs" / "calibration.png").exists()


def test_results_that_cannot_be_written_are_named(tmp_path):
    plan, records = synthetic()
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportingError, match="cannot write .*file"):
        write_calibration(calibration.evaluate_records(plan, records), tmp_path / "file")
