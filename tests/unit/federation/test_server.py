"""Rounds, descent, precision and FedProx in one small federation; the server on recorded messages."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.experiment import run_experiment
from qkd_qiskit.federation import distil_messages, server
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext, Stage
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.store import StageStore

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SMALL = [
    "distillation.rounds=2",
    "distillation.precision=uint8",
    "distillation.soft_loss=kl",
    "distillation.student_blocks=8",
    "descent={steps=20, server_steps=30, batch=50, server_batch=40}",
    "training={particles=2, iterations=0, refine=0}",
    "fedavg={rounds=1, local_steps=1, proximal=0.5}",
    "data.augment={copies=1, shift=0.5, public_copies=2, mixup=1}",
]


def _settings(*overrides):
    return load_experiment(TINY, overrides=[*SMALL, *overrides])


def _run(*overrides):
    settings = _settings(*overrides)
    return RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())


def _compiler(run):
    return ModelCompiler(noise=run.settings.noise.enabled, seed=run.settings.seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rounds")


@pytest.fixture(scope="module")
def finished(folder):
    return run_experiment(_settings(), output=folder)


def test_both_rounds_are_counted(finished):
    results, data = finished.results, finished.data
    assert "asked" not in results
    sent = results["communication"]["distillation"]
    assert sent["rounds"] == 2
    assert sent["up"] == sum(client.bytes_sent for client in finished.clients)
    n, k = data.public.n_answered, len(data.classes)
    public, pixels = len(data.split.public), 64
    arrays = public * pixels + 2 * len(data.split.public_train) + 2 * n * k
    headers = sent["down"] / len(finished.clients) - arrays
    assert headers == int(headers)
    assert 0 < headers < 2 * 4000
    for client in finished.clients:
        body = client.message.outputs.size
        assert client.bytes_sent > 2 * body
        assert client.message.precision == "uint8"


def test_the_second_round_starts_from_the_first_and_learns_from_all_classes(finished):
    one_class = finished.clients[0]
    assert one_class.model.reject
    assert one_class.message.outputs.shape == (finished.data.public.n_answered, 2)
    assert one_class.model.evaluations > 20


def test_every_client_has_a_record_and_every_baseline_is_there(finished):
    results = finished.results
    assert [v["client"] for v in results["participation"]] == [c.settings.name for c in finished.clients]
    assert {"fedprox", "classical_distillation"} <= set(results["models"])
    assert len(finished.server.compiled.spec.blocks) <= 8


def test_stages_are_taken_from_the_store_when_resuming(finished, folder):
    again = run_experiment(_settings(), output=folder, resume=True)
    np.testing.assert_array_equal(again.server.global_model.params, finished.server.global_model.params)
    for first, second in zip(finished.clients, again.clients, strict=True):
        np.testing.assert_array_equal(first.message.outputs, second.message.outputs)


def test_an_outcome_is_sent_without_its_compiled_model(finished):
    client = finished.clients[0]
    copy = pickle.loads(pickle.dumps(client))
    assert not hasattr(copy, "compiled")
    again = copy.compiled_by(_compiler(_run()))
    assert again.compiled.spec == client.compiled.spec
    np.testing.assert_array_equal(again.model.params, client.model.params)


def test_what_happens_to_messages_on_their_way_is_recorded(finished):
    run = _run()
    raw = [client.message.to_bytes() for client in finished.clients]
    messages = [raw[0], None, raw[2][:-1]]
    found = distil_messages(run, _compiler(run), messages, stage=Stage.named("global model of one"))
    assert [record.status for record in found.rounds.records] == ["used", "silent", "refused"]
    assert found.rounds.aggregate.teacher.clients == ("one class",)
    assert found.global_model.params.shape == finished.server.global_model.params.shape


def test_a_student_needs_the_least_number_of_blocks(finished):
    run = _run("distillation.student_blocks=1")
    with pytest.raises(DistillationError, match="student_blocks: expected at least"):
        distil_messages(run, _compiler(run), [client.message.to_bytes() for client in finished.clients])


@pytest.mark.parametrize("refit", [True, False])
def test_a_student_that_is_worse_gives_way_to_public_data_alone(monkeypatch, tmp_path, refit):
    taught = server.train_student
    monkeypatch.setattr(server, "train_student", lambda *given: replace(taught(*given), worse=True))
    found = run_experiment(_settings("distillation.rounds=1", f"distillation.refit={refit}"), output=tmp_path)
    # The annotator never knows the labels that have weighed it.
    assert (found.server.global_model is found.server.public_only) is not refit
    assert found.baselines["public_only"].model is found.server.global_model
    assert not np.array_equal(found.server.student.model.params, found.server.public_only.params)
    assert "worse than public data alone" in found.results["fallback"]
    models = found.results["models"]
    assert models["global"]["accuracy"] == models["public_only"]["accuracy"]
