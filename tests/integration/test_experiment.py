"""A whole experiment, small: results, files, determinism, interruption, and bad input at the command line."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit import run_experiment
from qkd_qiskit.cli import main
from qkd_qiskit.config import load_experiment
from qkd_qiskit.evaluation import REQUIRED_MODELS
from qkd_qiskit.experiment import ExperimentResult, evaluate
from qkd_qiskit.models import load_model
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.reporting import check_results, read_results
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import Database, StageStore, folder_lock
from qkd_qiskit.store.database import DATABASE_FILE
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).with_name("tiny.toml"))


def comparable(results):
    """Results without what a clock says."""
    kept = {key: value for key, value in results.items() if key != "timings"}
    kept["clients"] = [{k: v for k, v in c.items() if k != "seconds"} for c in results["clients"]]
    return kept


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return run_experiment(TINY, output=folder), folder


def test_results_are_complete_and_every_model_learns(finished):
    run, folder = finished
    assert read_results(folder / "results.json").dump() == json.loads((folder / "results.json").read_text())
    check_results(run.results)
    assert set(run.results["models"]) >= set(REQUIRED_MODELS)
    chance = 1 / 3
    for name in ("global", "centralized", "public_only", "teacher_ensemble", "rbf_svm", "mlp"):
        assert run.results["models"][name]["accuracy"] > chance + 0.15, name
    assert run.confusion.sum() == run.results["data"]["test"] == 60
    assert np.trace(run.confusion) == round(run.results["models"]["global"]["accuracy"] * 60)
    for client in run.results["clients"]:
        spec = VQCNNSpec.from_index(int(client["model_index"]))
        assert len(spec.blocks) == client["budget"]["blocks"]
        assert client["gates"]["estimated"]["two_qubit"] == client["gates"]["transpiled"]["two_qubit"]
    assert list(run.predictions) == list(run.results["models"])
    assert set(run.baselines) < set(run.predictions)
    assert run.clients[0].model.reject
    assert not run.clients[2].model.reject


def test_models_of_clients_of_this_process_are_kept(finished):
    run, folder = finished
    assert sorted(path.name for path in (folder / "clients").iterdir()) == ["1-two_classes.npz", "2-all.npz"]
    for number, name in ((1, "1-two_classes.npz"), (2, "2-all.npz")):
        model, client = load_model(folder / "clients" / name), run.clients[number]
        assert str(model.spec.index) == run.results["clients"][number]["model_index"]
        assert model.backend == client.settings.backend
        np.testing.assert_array_equal(model.params, client.model.params)
        own = np.isin(run.data.test.labels, client.held)
        answers = model.class_probabilities(
            client.compiled.noisy.probabilities(model.weights, run.data.test.inputs[own])
        )
        right = np.array(model.classes)[answers.argmax(axis=1)] == run.data.test.labels[own]
        assert right.mean() == run.results["clients"][number]["accuracy"]["own_classes"]


def test_a_finished_run_is_loaded_and_shown(finished):
    run, folder = finished
    loaded = ExperimentResult.load(folder)
    assert (loaded.settings, loaded.results) == (run.settings, run.results)
    assert str(loaded) == str(run)
    assert f"{100 * run.record.measured['global'].accuracy:.1f}" in str(run)


def test_a_model_beside_the_known_ones_is_evaluated_behind_them(finished):
    run, _ = finished
    twice = evaluate(
        _context(run, run.data), run.server, run.baselines | {"another": run.baselines["mlp"]}, run.clients
    )
    assert list(twice.models) == [*run.results["models"], "another"]
    assert twice.models["another"].accuracy == run.results["models"]["mlp"]["accuracy"]
    assert [client.model_dump() for client in twice.clients] == [c.model_dump() for c in run.record.clients]


def test_a_server_without_test_samples_measures_nothing(finished):
    run, _ = finished
    blind = replace(run.data, test=run.data.test.rows(slice(0, 0)))
    found = evaluate(_context(run, blind), run.server, {"public_only": run.baselines["public_only"]}, None)
    assert (found.confusion, found.comparisons, found.predictions) == (None, {}, {})
    assert set(found.models.values()) == {None}
    assert found.absent["global"] == found.absent["public_only"] == "the server has no test samples"
    assert found.absent["fedavg"] == "clients' samples are not at the server"
    assert found.absent["best_client"] == "clients' models are not at the server"
    assert [client.accuracy for client in found.clients] == [None] * 3
    assert found.clients[0].model_index == run.results["clients"][0]["model_index"]


def _context(run, data):
    return RunContext(run.settings, data, StageStore(None, ""), NullProgress())


def test_the_report_stands_alone(finished):
    page = (finished[1] / "report.html").read_text()
    assert "Structure search" not in page
    assert page.lstrip().startswith("<!doctype html>") or page.lstrip().startswith("<!DOCTYPE html>")
    for outside in ('src="http', 'href="http', "@import"):
        assert outside not in page


def test_a_search_is_in_the_report_of_its_run(tmp_path):
    sizes = "{enabled=true, particles=2, iterations=0, steps=1, finalists=1, own=true, full_steps=2}"
    few = [f"training.structure={sizes}", "training.refine=0", "descent.steps=4", "fedavg.rounds=0"]
    run = run_experiment(load_experiment(TINY, overrides=few), output=tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Structure search" in page
    for client in run.clients:
        assert client.search.winner == str(client.compiled.spec.index)
        tried = [client.search.spec(number) for number in range(len(client.search.structures))]
        assert client.budget.spec.kernels[0].canonical() in {spec.kernels[0].canonical() for spec in tried}
        title = f"<b>{client.settings.name} ({client.settings.backend}).</b> Each point is one structure"
        assert title in page


def test_a_seed_gives_equal_results_and_another_seed_others(finished):
    run, _ = finished
    settings = load_experiment(TINY)
    assert comparable(run_experiment(settings).results) == comparable(run.results)
    other = run_experiment(load_experiment(TINY, seed=4))
    assert comparable(other.results) != comparable(run.results) | {"seed": 4}


def test_the_message_is_all_that_leaves_a_client(finished):
    run, _ = finished
    for client, record in zip(run.clients, run.results["clients"], strict=True):
        sent = client.message.to_bytes()
        assert len(sent) == record["bytes_sent"]
        assert client.model.params.tobytes() not in sent
        assert client.model.params.astype(np.float32).tobytes() not in sent
    total = sum(record["bytes_sent"] for record in run.results["clients"])
    assert run.results["communication"]["distillation"]["up"] == total


def test_resume_takes_finished_stages_and_ends_in_the_same_results(finished, tmp_path):
    run, folder = finished
    (tmp_path / DATABASE_FILE).write_bytes((folder / DATABASE_FILE).read_bytes())
    with Database(tmp_path) as database:
        stages = database.rows("SELECT fingerprint, key FROM stage")
        assert len(stages) > 4
        database.insert("DELETE FROM stage WHERE fingerprint = ? AND key = ?", stages[::2])
    again = run_experiment(TINY, output=tmp_path, resume=True)
    assert comparable(again.results) == comparable(run.results)


@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.long)])
def test_killed_at_any_moment_no_file_is_half_written_and_resume_completes(finished, tmp_path, kills):
    run, _ = finished
    command = [sys.executable, "-m", "qkd_qiskit", "run", TINY, "--output", str(tmp_path), "--resume"]
    command += ["--set", "federation.workers=2"]
    pauses = random.Random(kills)
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(pauses.uniform(3.0, 7.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (tmp_path / "results.json").exists():
            check_results(json.loads((tmp_path / "results.json").read_text()))
        if (tmp_path / DATABASE_FILE).exists():
            with Database(tmp_path) as database:
                assert database.rows("PRAGMA integrity_check") == [("ok",)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert comparable(read_results(tmp_path / "results.json").dump()) == comparable(run.results)


def test_a_second_run_in_a_folder_is_refused(tmp_path, capsys):
    with folder_lock(tmp_path):
        assert main(["run", TINY, "--output", str(tmp_path), "--resume"]) == 2
    assert f"{tmp_path}: another run or command is working there" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "no-such-experiment"], "unknown experiment"),
        (["run", TINY, "--set", "data.sampels=3"], "sampels"),
        (["run", TINY, "--set", "data.path=/nowhere/images.npz"], "/nowhere/images.npz"),
        (["run", TINY, "--set", "clients.0.samples=0"], "clients.0.samples"),
        (["run", TINY, "--set", "clients.0.samples=100000"], "one class"),
        (["run", TINY, "--set", "data.classes=[1]"], "class"),
        (["run", TINY, "--set", "model.n_qubits=16", "--set", "estimator.esp_floor=0.9"], "no gate budget"),
        (["run", TINY, "--set", "clients.1.backend=ibm_nowhere"], "ibm_nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(arguments, message, tmp_path, capsys):
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    # The experiment has a client of one class, of which a line warns.
    lines = [line for line in error.splitlines() if not line.startswith(("done:", "client one class: its"))]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "out" / "results.json").exists()
