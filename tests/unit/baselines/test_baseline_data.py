"""What baselines are fitted on: labelled samples, queried ones and those that have judged, their groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.baselines import (
    BASELINES,
    BaselineData,
    PublicJudge,
    fit_baselines,
    registry,
    together,
)
from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.distillation import Aggregate, query_labels
from qkd_qiskit.evaluation import Predictions
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.store import StageStore
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
WANTED = 6
SPEC = VQCNNSpec(4, plan="conv", n_outcomes=3)


@pytest.fixture(scope="module")
def run():
    overrides = [
        "data.augment={copies=1, shift=0.5, public_copies=2, mixup=1}",
        f"distillation.label_queries={WANTED}",
        "distillation.refit=true",
    ]
    settings = load_experiment(TINY, overrides=overrides)
    return RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())


@pytest.fixture(scope="module")
def queries(run):
    return query_labels(run, np.full((run.data.public.n_answered, 3), 1 / 3))


def _without_refit(run):
    distillation = run.settings.distillation.model_copy(update={"refit": False})
    return replace(run, settings=run.settings.model_copy(update={"distillation": distillation}))


def _data(run, queries):
    soft = np.full((run.data.public.n_answered, 3), 1 / 3)
    # Nothing here trains: teacher and circuit are not needed.
    return BaselineData(run, ModelCompiler(), None, Aggregate(None, soft), queries, None)


def test_labels_of_queries_and_of_the_server_stand_behind_the_known_ones(run, queries):
    data, public = _data(run, queries), run.data.public
    asked, held = queries.samples(run.data), public.held_back
    for samples, parts in (
        (data.known, (public.labelled, asked, held)),
        (data.known_before, (public.labelled, asked)),
        (data.everything, (together(run.data), asked, held)),
    ):
        np.testing.assert_array_equal(samples.inputs, np.concatenate([part.inputs for part in parts]))
        np.testing.assert_array_equal(samples.labels, np.concatenate([part.labels for part in parts]))


def test_what_judges_is_learnt_before_by_nobody(run, queries):
    judging = {row.tobytes() for row in PublicJudge.of(run.data).samples.inputs}
    assert judging == {row.tobytes() for row in run.data.public.held_back.inputs}
    before = {row.tobytes() for row in _data(run, queries).known_before.inputs}
    assert not judging & before


def test_without_queries_and_refit_there_is_what_there_was(run):
    run = _without_refit(run)
    data = _data(run, None)
    np.testing.assert_array_equal(data.known.inputs, run.data.public.labelled.inputs)
    assert data.training_run is run
    assert len(data.everything) == sum(map(len, run.data.clients)) + len(run.data.public.labelled)


def test_a_group_holds_an_original_and_its_copies(run, queries):
    data = _data(run, queries)
    groups, labels = data.groups, data.everything.labels
    originals = sum(run.data.sizes) + len(run.data.split.public_train)
    originals += len(run.data.split.public_calibration) + len(run.data.split.public_validation)
    assert len(groups) == len(labels)
    assert len(np.unique(groups)) == originals + WANTED
    for group in np.unique(groups):
        assert len(np.unique(labels[groups == group])) == 1
    assert np.bincount(groups).min(initial=9, where=np.bincount(groups) > 0) == 2
    held = data.groups[-len(run.data.public.held_back) :]
    assert np.array_equal(np.unique(held, return_counts=True)[1], np.full(len(np.unique(held)), 3))


def test_where_no_client_is_everything_is_the_known_part(run, queries):
    nobody = replace(run.data, clients=(), sizes=())
    data = _data(replace(run, data=nobody), queries)
    np.testing.assert_array_equal(data.everything.inputs, data.known.inputs)
    assert len(data.groups) == len(data.known)
    further = {"scaffold", "feddf", "fedmd", "unentangled"}
    needing = {"centralized", "fedavg", "fedprox", "classical_distillation"} | further
    assert all(baseline.fit(data) is None for baseline in BASELINES if baseline.name in needing)


def test_a_new_baseline_is_a_member_of_the_registry(run, monkeypatch):
    class Majority:
        name = "majority"
        runs_circuits = True

        def fit(self, data):
            self.answer = np.bincount(data.everything.labels).argmax()
            return self

        def predictions(self, inputs):
            return Predictions(np.full(len(inputs), self.answer), None, None, 1, None)

    class Unwanted:
        name = "unwanted"
        runs_circuits = True

        def fit(self, data):
            return None

    monkeypatch.setattr(registry, "BASELINES", (Majority(), Unwanted()))
    fitted = fit_baselines(_data(run, None))
    assert list(fitted) == ["majority"]
    assert len(fitted["majority"].predictions(run.data.test.inputs).noisy) == len(run.data.test)
    assert run.timings["baselines"] >= 0


def test_the_baseline_of_the_contributors_guide_works(run, monkeypatch):
    guide = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text("utf-8")
    (block,) = (
        part.split("```")[0] for part in guide.split("```python\n")[1:] if "NeighboursBaseline" in part
    )
    names = {}
    exec(block, names)
    monkeypatch.setattr(registry, "BASELINES", (names["NeighboursBaseline"](),))
    nobody = replace(run, data=replace(run.data, clients=(), sizes=()))
    data = BaselineData(nobody, ModelCompiler(), CompiledModel(SPEC), None, None, None)
    (fitted,) = fit_baselines(data).values()
    found = fitted.predictions(run.data.test.inputs)
    assert (found.noisy == run.data.test.labels).mean() > 0.6
    assert found.weights == len(data.known) * (SPEC.n_features + 1)
