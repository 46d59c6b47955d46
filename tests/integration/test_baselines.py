"""Federated baselines in a whole run: in the tables, with their bytes, none below where it starts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit import run_experiment
from qkd_qiskit.baselines import PublicJudge, agree
from qkd_qiskit.config import load_experiment
from qkd_qiskit.distillation import output_epsilon
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.training import Objective, Targets, minimize_lbfgs, outcome_probabilities

TINY = str(Path(__file__).parent / "tiny.toml")
SHARING = ("fedprox", "scaffold", "feddf")
FURTHER = (*SHARING, "fedmd", "unentangled", "one_body", "two_body")


def _settings(*more):
    quick = [
        "training.refine=5",
        "fedavg={rounds=2, local_steps=1, server_steps=5, tune=true}",
        "distillation.refit=true",
    ]
    return load_experiment(TINY, overrides=[f"baselines={list(FURTHER)}", *quick, *more])


@pytest.fixture(scope="module")
def finished():
    return run_experiment(_settings())


def test_all_stand_in_tables_and_differences(finished):
    models, comparisons = finished.results["models"], finished.results["comparisons"]
    assert set(FURTHER) <= set(models)
    assert {f"global_minus_{name}" for name in FURTHER} <= set(comparisons)
    text = str(finished)
    for title in ("FedProx", "SCAFFOLD", "FedDF", "FedMD", "unentangled", "2-body Pauli"):
        assert title in text


def test_bytes_of_each_are_counted(finished):
    sent = finished.results["communication"]["baselines"]
    plain = finished.results["communication"]["fedavg"]
    assert sent["fedprox"] == sent["feddf"] == plain
    vector = plain["up"] // 2
    assert sent["scaffold"] == {"up": 2 * plain["up"], "down": 2 * plain["up"] + vector, "rounds": 2}
    # 3 clients, 2 rounds, 40 unlabelled samples and copies, 3 classes, 2 bytes a score.
    assert sent["fedmd"] == {"up": 3 * 2 * 40 * 3 * 2, "down": 3 * 2 * 40 * 3 * 2, "rounds": 2}


def test_none_is_worse_than_its_start_on_the_servers_labels_beyond_noise(finished):
    judge = PublicJudge.of(finished.data)
    own, inputs = finished.server.public_only, judge.samples.inputs
    start = judge.losses(own.outcome_probabilities(finished.server.compiled.noisy, inputs))
    for name in ("fedavg", *SHARING):
        fitted = finished.baselines[name]
        answers = outcome_probabilities(fitted.model.params, fitted.compiled.noisy, inputs, 3)
        apart = judge.losses(answers) - start
        assert apart.mean() <= apart.std(ddof=1) / np.sqrt(len(apart)) + 1e-6
        assert fitted.model.validation[0] == pytest.approx(start.mean(), abs=1e-6)


def test_what_judged_is_learnt_at_the_end_by_the_same_rounds_from_another_start(finished):
    """FedAvg's kept rounds, repeated step by step from the public model that knows all labels."""
    run, fitted = finished.data, finished.baselines["fedavg"]
    start, server = finished.baselines["public_only"].model.params, finished.server
    assert not np.array_equal(start, server.public_only.params)
    compiler = ModelCompiler(seed=finished.settings.seed)
    local = [
        Objective(
            compiler.model(server.compiled.spec, client.backend).descending("mixed"),
            held.inputs,
            Targets(3, labels=held.labels),
            l2=finished.settings.training.l2,
        )
        for client, held in zip(finished.settings.clients, run.clients, strict=True)
    ]
    share = np.array([len(held) for held in run.clients]) / sum(map(len, run.clients))
    ends = []
    for steps in (1, 2):
        params = start.astype(np.float32).astype(np.float64)
        for _ in range(fitted.model.kept):
            moved = [minimize_lbfgs(one.value_and_gradient, params, iterations=steps).params for one in local]
            params = np.float64(np.float32(share @ np.float64(np.float32(moved))))
        ends.append(params)
    assert any(np.allclose(fitted.model.params, end, atol=1e-6) for end in ends)
    assert fitted.traffic.rounds == 2
    labels = len(run.split.public_calibration) + len(run.split.public_validation)
    assert finished.results["refit"] == {"labels": labels}
    assert f"the {labels} public labels that had judged were learnt at the end" in str(finished)


def test_fedmd_that_stops_before_clients_learn_their_own_samples_stops_there_in_the_refit_too(monkeypatch):
    tasks = []

    def before_own(task, **more):
        tasks.append(task)
        return replace(agree(replace(task, rounds=0), **more), own=False, kept=0, client=1)

    monkeypatch.setattr("qkd_qiskit.baselines.fedmd.agree", before_own)
    found = run_experiment(_settings("baselines=['fedmd']"))
    *tried, last = tasks
    assert len(tried) == 3
    assert all(len(task.before) == len(task.clients) for task in tried)
    assert (last.rounds, last.stands) == (0, 1)
    for start, first, learnt in zip(last.initial, last.before, tried[0].before, strict=True):
        np.testing.assert_array_equal(start, first)
        # The judges' labels are learnt by then.
        assert not np.array_equal(start, learnt)
    np.testing.assert_array_equal(found.baselines["fedmd"].model.params, last.before[1])


def test_further_baselines_change_nothing_else(finished):
    alone = run_experiment(_settings("baselines=[]"))
    assert set(finished.results["models"]) - set(alone.results["models"]) == set(FURTHER)
    for name, model in alone.results["models"].items():
        assert finished.results["models"][name] == model
    np.testing.assert_array_equal(alone.server.global_model.params, finished.server.global_model.params)


def test_an_unknown_baseline_is_refused_before_anything_is_trained():
    with pytest.raises(DistillationError, match="baselines: expected some of .*scaffold.*, found 'fedsgd'"):
        run_experiment(load_experiment(TINY, overrides=["baselines=['fedsgd']"]))


def test_noise_on_outputs_is_told_with_its_epsilon():
    noisy = run_experiment(
        load_experiment(TINY, overrides=["training.refine=5", "clients.1.output_noise=2.0"])
    )
    first, second, _ = noisy.results["clients"]
    assert "privacy" not in first
    answers = 2 * (20 + 15 + 15)
    assert second["privacy"] == {
        "output_noise": 2.0,
        "output_shots": 0,
        "output_floor": 0.0,
        "answers": answers,
        "epsilon": pytest.approx(output_epsilon(2.0, answers)),
        "epsilon_each": pytest.approx(output_epsilon(2.0, 1)),
        "delta": 1e-5,
    }
    assert "output noise 2: epsilon" in str(noisy)
