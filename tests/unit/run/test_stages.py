"""A stage's place in the store, its seed and its label are separate things."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model, stages
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.store import StageStore
from qkd_qiskit.training import Targets
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SPEC = VQCNNSpec(4, plan="conv, edge, conv", kernels="one_cx", sharing="layer", n_outcomes=2)
SHORT = ["training={particles=3, iterations=1, refine=1}"]


class Shown:
    """Progress that notes what it shows."""

    def __init__(self) -> None:
        self.labels: set[str] = set()

    def start(self, label: str, total: int | None = None) -> None:
        self.labels.add(label)

    def advance(self, label: str, n: int = 1) -> None:
        self.labels.add(label)

    def done(self, label: str) -> None:
        self.labels.add(label)


@pytest.fixture(scope="module")
def compiled():
    return compile_model(SPEC, None)


def _run(folder: Path | None, *overrides: str, resume: bool = False) -> RunContext:
    settings = load_experiment(TINY, overrides=[*SHORT, *overrides])
    return RunContext(settings, prepare_data(settings), StageStore(folder, "same"), Shown(), resume=resume)


def _fit(run: RunContext, compiled, stage: Stage):
    labels = np.arange(20) % 2
    inputs = np.random.default_rng(5).normal(0, 0.3, (20, 8)) + 0.8 * labels[:, None]
    return fit_model(run, compiled, FitTask(stage, inputs, Targets(2, labels=labels))).params


@pytest.mark.parametrize("overrides", [(), ("descent={steps=3, batch=5, search_samples=10}",)])
def test_key_and_label_change_no_parameter_and_the_seed_does(compiled, overrides):
    named = Stage.named("client a")
    expected = _fit(_run(None, *overrides), compiled, named)
    run = _run(None, *overrides)
    other = _fit(run, compiled, Stage(key="elsewhere", seed="client a", label="the first client"))
    np.testing.assert_array_equal(other, expected)
    assert {label.split(":")[0] for label in run.progress.labels} == {"the first client"}
    assert not np.array_equal(_fit(_run(None, *overrides), compiled, replace(named, seed="b")), expected)


def test_a_stage_is_found_again_by_its_key(compiled, tmp_path):
    stage = Stage(key="here", seed="one", label="one")
    made = _fit(_run(tmp_path), compiled, stage)
    other = replace(stage, seed="two", label="two")
    np.testing.assert_array_equal(_fit(_run(tmp_path, resume=True), compiled, other), made)
    assert not np.array_equal(_fit(_run(tmp_path, resume=True), compiled, replace(other, key="there")), made)


def test_stages_depend_on_what_they_are_given(compiled, tmp_path):
    stage, soft = Stage.named("one"), np.ones(3)
    made = _fit(_run(tmp_path).given(soft), compiled, stage)
    again = _run(tmp_path, resume=True)
    moved = replace(stage, seed="two")
    np.testing.assert_array_equal(_fit(again.given(soft), compiled, moved), made)
    assert not np.array_equal(_fit(again.given(2 * soft), compiled, moved), made)


@pytest.mark.parametrize(
    ("stage", "seed"),
    [
        (stages.client_stage("a"), "client a"),
        (stages.client_stage("a", 3), "client a, round 3"),
        (stages.client_stage("a").part("structure"), "client a: structure"),
        (stages.client_stage("a", 2).part("public samples"), "client a, round 2: public samples"),
        (stages.GLOBAL, "global model"),
        (stages.GLOBAL.part("descent"), "global model: descent"),
        (stages.PUBLIC_ONLY, "public only"),
        (stages.CENTRALIZED, "centralized"),
    ],
)
def test_seeds_of_published_results_stay(stage, seed):
    assert stage.seed == seed
