"""The calibration of probes: a shortened sweep for real, and the fit to what is recorded."""

import json

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import RidgeClassifier

from qkd_qiskit.errors import ConfigError, DataError, EstimatorError, ReportingError
from qkd_qiskit.estimator import ProbeModel, calibration, load_coefficients, load_probe_model
from qkd_qiskit.estimator.calibration import predictors, probe_fit, probed
from qkd_qiskit.estimator.calibration.curves import Curve, curves
from qkd_qiskit.estimator.calibration.plan import CalibrationPlan, CalibrationTask, load_plan
from qkd_qiskit.estimator.calibration.records import draw_task, read_records, run_sweep, task_rungs
from qkd_qiskit.estimator.calibration.synthetic import Synthetic, synthetic_dataset
from qkd_qiskit.reporting.probe_plot import write_probe_calibration


def task(name, use="fit", **named):
    return {"name": name, "use": use, "samples": 24, "outcomes": 2, "shares": "natural", **named}


SHORT = CalibrationPlan.model_validate(
    {
        "n_qubits": 4,
        "seeds": 1,
        "rungs": [3, 6],
        "public": 20,
        "evaluation": 60,
        "training": {"particles": 2, "iterations": 0, "refine": 5},
        "probes": {"draws": 1, "folds": 2, "repeats": 2, "samples": 20},
        "tasks": [
            task("table", file="table.npz"),
            task("clouds", synthetic={"kind": "blobs"}),
            task("parity", synthetic={"kind": "parity"}),
            task("shells", synthetic={"kind": "shells", "order": 3}),
            task("digits", use="validation", dataset="digits", classes=[0, 1], shares="equal"),
            task("boxes", use="confirmation", synthetic={"kind": "boxes"}),
        ],
    }
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder with one table of unequal classes."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    labels = np.array(["no"] * 90 + ["yes"] * 30)
    features = rng.normal(size=(120, 6)) + (labels == "yes")[:, None]
    np.savez(folder / "table.npz", X=features, y=labels)
    return folder


@pytest.fixture(scope="module")
def records(data, tmp_path_factory):
    """Records of the short sweep."""
    return run_sweep(SHORT, tmp_path_factory.mktemp("sweep") / "records.jsonl", folder=data)


def test_the_sweep_records_probes_and_reads_them_again(records, data, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text("".join(record.model_dump_json() + "\n" for record in records), "utf-8")
    assert tuple(read_records(path, SHORT).values()) == records
    for record in records:
        assert record.probed == 20
        assert 0 <= record.headroom < 1
        assert [probe.blocks for probe in record.probes] == [rung.blocks for rung in record.rungs]
        for probe in record.probes:
            assert len(probe.correct) == len(probe.seconds) == len(probe.log_loss) == 2
            assert all(len(bytes.fromhex(text)) == 3 for text in probe.correct)
    # Nothing is missing, so that the folder of the datasets is not needed.
    assert run_sweep(SHORT, path) == records


@pytest.fixture(scope="module")
def finished(records):
    """The calibration of the short sweep."""
    return calibration.calibrate_probes(SHORT, records)


def test_a_fit_and_its_figures_are_written(finished, tmp_path):
    write_probe_calibration(finished, tmp_path)
    found = json.loads((tmp_path / "probes.json").read_text("utf-8"))
    assert [row["task"] for row in found["tasks"]] == [task.name for task in SHORT.tasks]
    assert (
        ProbeModel.model_validate_json((tmp_path / "probe_model.json").read_text("utf-8")) == finished.model
    )
    assert (tmp_path / "probes.png").stat().st_size > 10_000
    groups = {group: ways["probes"].tasks for group, ways in finished.figures.items()}
    assert groups == {"validation": 1, "sources": 5, "confirmation": 1}
    assert {row["by"] for row in found["figures"]} >= {"rule", "regression", "probes", "another draw"}
    for row in found["figures"]:
        assert row["median"] <= row["most"]
        assert row["sufficient"] == 1 or row["lost"] > 0
    shares = [levels[0.95].sufficient >= levels[0.5].sufficient for levels in finished.trade.values()]
    assert all(shares)
    for row in finished.assessments:
        assert row.interval[0] <= row.interval[1]
        assert row.to_dict()["ratio"] == row.probes / row.needed
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportingError, match="cannot write .*file"):
        write_probe_calibration(finished, tmp_path / "file")


def test_too_few_tasks_are_refused(records):
    with pytest.raises(EstimatorError, match="at least 4 probed tasks of use 'fit', found 3"):
        calibration.calibrate_probes(SHORT.model_copy(update={"tasks": SHORT.tasks[1:]}), records)
    fitted = SHORT.model_copy(update={"tasks": SHORT.tasks[:4]})
    with pytest.raises(EstimatorError, match="expected probed tasks of use 'validation', found none"):
        calibration.calibrate_probes(fitted, records)


def test_classes_are_drawn_in_their_shares(data):
    found = draw_task(SHORT, SHORT.tasks[0], 0, data)
    assert np.bincount(found.labels).tolist() == [18, 6]
    evaluated = np.bincount(found.evaluation_labels)
    assert evaluated.tolist() == [45, 15]


def test_a_missing_folder_and_other_classes_are_named(data):
    with pytest.raises(
        EstimatorError, match="task table: table.npz lies in the data folder: name it with --data"
    ):
        draw_task(SHORT, SHORT.tasks[0], 0)
    three = SHORT.tasks[0].model_copy(update={"outcomes": 3})
    with pytest.raises(DataError, match="task table: expected 3 classes, found 2"):
        draw_task(SHORT, three, 0, data)


def test_a_task_without_classes_is_refused(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text('rungs = [7, 10]\ntasks = [{name = "a", use = "fit", samples = 10}]\n', "utf-8")
    with pytest.raises(ConfigError, match="expected classes or the number of outcomes, found neither"):
        load_plan(path)


@pytest.mark.parametrize("order", [2, 3])
def test_no_fewer_features_tell_a_parity(order):
    made = synthetic_dataset(Synthetic(kind="parity", order=order), "parity")
    signs = np.sign(made.features[:, :order])
    labels = np.where(made.labels == 1, 1, -1)
    assert np.mean(signs.prod(axis=1) == labels) > 0.95
    for left_out in range(order):
        rest = np.delete(signs, left_out, axis=1).prod(axis=1)
        assert abs(np.mean(rest == labels) - 0.5) < 0.05


def test_shells_and_clouds_have_equal_shares():
    for kind in ("shells", "blobs"):
        made = synthetic_dataset(Synthetic(kind=kind, classes=4), kind)
        assert np.bincount(made.labels).tolist() == [1000] * 4
    radius = np.linalg.norm(synthetic_dataset(Synthetic(kind="shells"), "s").features[:, :2], axis=1)
    labels = synthetic_dataset(Synthetic(kind="shells"), "s").labels
    assert radius[labels == 0].max() <= radius[labels == 1].min()


@pytest.mark.parametrize("kind", ["spirals", "boxes", "clusters"])
def test_other_made_up_classes_are_known_to_a_tree_but_not_to_a_line(kind):
    made = synthetic_dataset(Synthetic(kind=kind, order=4, classes=6), kind)
    assert made.features.shape == (4000, 12)
    counts = np.bincount(made.labels)
    assert len(counts) == 6
    assert counts.min() > 400
    half = np.random.default_rng(0).uniform(size=4000) < 0.5
    line, forest = (
        model.fit(made.features[half], made.labels[half]).score(made.features[~half], made.labels[~half])
        for model in (RidgeClassifier(), ExtraTreesClassifier(30, random_state=0))
    )
    assert forest > max(line + 0.08, 0.6)


def test_a_saturating_curve_is_found_through_noise_and_never_falls():
    blocks = (7, 10, 15, 22, 30, 40, 52, 70)
    true = 0.9 - 0.3 * np.exp(-(np.array(blocks) - 7) / 7)
    rng = np.random.default_rng(0)
    task = CalibrationTask(name="a", use="fit", samples=10, outcomes=2)
    curve = Curve(task, (), blocks, true, true[None])
    np.testing.assert_allclose(curve.saturating, true, atol=2e-3)
    errors = []
    for _ in range(50):
        noisy = true + rng.normal(0, 0.01, 8)
        found = Curve(task, (), blocks, noisy, noisy[None])
        assert (np.diff(found.saturating) >= -1e-12).all()
        errors.append([found.saturating - true, found.smooth - true])
    saturating, rising = np.sqrt(np.mean(np.square(errors), axis=(0, 2)))
    assert saturating < 0.9 * rising
    falling = Curve(task, (), blocks, true[::-1], true[None, ::-1])
    np.testing.assert_allclose(falling.saturating, true.mean())


def test_a_draw_is_judged_by_the_others():
    blocks = (7, 10, 15, 22)
    task = CalibrationTask(name="a", use="fit", samples=10, outcomes=2)
    seeds = np.array([[0.9, 0.9, 0.9, 0.9], [0.7, 0.7, 0.7, 0.9]])
    curve = Curve(task, (), blocks, seeds.mean(axis=0), seeds)
    single = Curve(task, (), blocks, seeds[0], seeds[:1])
    found = predictors.figures_of_draws([curve, single])
    # The flat draw grants 7 blocks where the other needs 22, and the other grants 22 where 7 would do.
    assert found.tasks == 2
    assert found.rising.median == pytest.approx((7 / 22 + 22 / 7) / 2)
    assert found.rising.sufficient == 0.5
    assert predictors.figures_of_draws([single]).tasks == 0


def test_the_shipped_numbers_are_those_of_the_shipped_records():
    plan = load_plan("kinds")
    records, _ = calibration.shipped_records(plan)
    found = probed.probed_tasks(plan, curves(plan, records), load_coefficients(), ProbeModel())
    known = [task for task in found if task.curve.task.use != "confirmation"]
    assert probe_fit.fit_probe_model(known) == load_probe_model()


def test_a_task_of_confirmation_has_no_part_in_the_numbers(records, finished):
    without = SHORT.model_copy(update={"tasks": SHORT.tasks[:-1]})
    assert calibration.calibrate_probes(without, records[:-1]).model == finished.model


def made_up(need, headroom, name, answers):
    """A task whose need, headroom and answers are told."""
    blocks = (7, 10, 15, 22, 30, 40, 52, 70)
    task = CalibrationTask(name=name, use="fit", samples=100, outcomes=2, file=f"{name}.npz")
    accuracy = np.where(np.arange(8) < need, 0.7, 0.8)
    curve = Curve(task, (), blocks, accuracy, accuracy[None])
    costs = tuple(0.01 * size for size in blocks)
    return probed.ProbedTask(curve, accuracy, 15.0, headroom, (15, 2), answers, costs)


def test_the_prior_is_fitted_to_what_the_headroom_tells():
    rng = np.random.default_rng(0)
    answers = rng.integers(0, 2, (8, 2, 50)).astype(float)
    needs = [(0, 0.0), (0, 0.0), (0, 0.0), (0, 0.0), (5, 0.1), (6, 0.1), (5, 0.1), (6, 0.12), (5, 0.11)]
    tasks = [made_up(need, room, f"t{i}", answers) for i, (need, room) in enumerate(needs)]
    model = probe_fit.fit_prior(tasks)
    small, large = (probed.prior_of(task, model) for task in (tasks[0], tasks[-1]))
    assert small[0] > 0.6
    assert large[4:7].sum() > 0.6


def test_answers_that_flip_one_by_one_are_no_noise_of_trainings():
    rng = np.random.default_rng(0)
    single = (rng.uniform(size=(8, 2, 4000)) < 0.8).astype(float)
    assert abs(probe_fit._round_variance(made_up(0, 0.0, "single", single))) < 1e-4
    assert 0.9 < probe_fit._flip_share(made_up(0, 0.0, "single", single)) <= 0.95
    together = (rng.uniform(size=(8, 2, 4000)) < rng.choice([0.7, 0.9], (8, 2, 1))).astype(float)
    assert probe_fit._round_variance(made_up(0, 0.0, "together", together)) > 1e-3
    repeated = np.repeat(single[:, :1], 2, axis=1)
    assert probe_fit._flip_share(made_up(0, 0.0, "repeated", repeated)) == 0.0


def test_records_without_headroom_are_refused(records):
    old = [record.model_copy(update={"headroom": None}) for record in records]
    with pytest.raises(EstimatorError, match="task table: expected a record with its headroom, found none"):
        calibration.calibrate_probes(SHORT, old)


def test_a_task_may_have_an_encoding_of_its_own(data):
    other = SHORT.tasks[0].model_copy(update={"encoding": "reupload"})
    assert SHORT.encoding_of(other) == "reupload"
    assert (
        draw_task(SHORT, other, 0, data).inputs.shape[1]
        != draw_task(SHORT, SHORT.tasks[0], 0, data).inputs.shape[1]
    )
    assert {rung.encoding for rung in task_rungs(SHORT, other)} == {"reupload"}


def test_tables_of_a_family_stand_in_one_half():
    plan = load_plan("kinds")
    files: dict[str, set[str]] = {}
    for task in plan.tasks:
        if task.file and task.file.endswith(".npz") and task.use != "confirmation":
            files.setdefault(task.file, set()).add(task.use)
    assert list(files) == sorted(files)
    assert [*files.values()] == [{"fit"}, {"validation"}] * (len(files) // 2)


def test_a_listed_task_counts_its_classes():
    assert CalibrationTask.model_validate(task("a", classes=[1, 2, 3], outcomes=None)).n_outcomes == 3
