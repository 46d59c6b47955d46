"""The way back: every client gets a model of all classes, and sends nothing of it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import RemoteClientSettings, load_experiment
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.experiment import run_experiment
from qkd_qiskit.federation import RemoteClient, TaskDescription, TrainRequest, personal, write_data_files
from qkd_qiskit.federation.personal import MADE, NOT_MADE
from qkd_qiskit.simulation import ModelCompiler

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SMALL = [
    "distillation={recipe='fixed', way_back=true}",
    "training={particles=2, iterations=0, refine=25}",
    "fedavg={rounds=0, local_steps=1}",
]


@pytest.fixture(scope="module")
def finished():
    return run_experiment(load_experiment(TINY, overrides=SMALL))


def test_each_client_has_a_model_of_all_classes(finished):
    for client, record in zip(finished.clients, finished.results["clients"], strict=True):
        assert client.personal is not None
        assert client.personal.model.n_outcomes == 3
        assert len(client.personal.spec.blocks) <= client.personal.budget.blocks
        assert record["personal"]["blocks"] == len(client.personal.spec.blocks)
        # Its first model knows its own classes alone.
        assert record["personal"]["accuracy"]["all_classes"] > record["accuracy"]["all_classes"] - 0.1
    one_class = finished.results["clients"][0]
    assert one_class["personal"]["accuracy"]["all_classes"] > one_class["accuracy"]["all_classes"] + 0.2


def test_only_soft_labels_and_a_word_travel(finished):
    traffic = finished.results["communication"]["way_back"]
    assert traffic["up"] == 3 * len(MADE)
    public = finished.data.public
    assert traffic["down"] > 3 * 2 * public.n_answered * 3
    assert traffic["down"] < 3 * (2 * public.n_answered * 3 + 4000)
    sent = sum(client.bytes_sent for client in finished.clients)
    assert sent == finished.results["communication"]["distillation"]["up"] + traffic["up"]


def test_the_tables_show_both_accuracies(finished):
    text = str(finished)
    assert text.count(" > ") == 2 * 3
    assert "the way back: 15 bytes up" in text


def test_a_personal_model_is_sent_between_processes_without_its_compiled_circuit(finished):
    client = finished.clients[0]
    copy = pickle.loads(pickle.dumps(client))
    assert not hasattr(copy.personal, "compiled")
    again = copy.compiled_by(ModelCompiler(seed=finished.settings.shared_seed))
    assert again.personal.compiled.spec == client.personal.spec
    np.testing.assert_array_equal(again.personal.model.params, client.personal.model.params)


def test_a_client_whose_device_grants_no_model_says_so(monkeypatch, finished):
    def refuse(*given):
        raise EstimatorError("no model fits")

    monkeypatch.setattr(personal, "gate_budget", refuse)
    found = run_experiment(load_experiment(TINY, overrides=SMALL))
    assert all("personal" not in client for client in found.results["clients"])
    assert found.results["communication"]["way_back"]["up"] == 3 * len(NOT_MADE)


def test_a_client_elsewhere_answers_with_a_word_and_keeps_the_model(finished, tmp_path):
    files = write_data_files(finished.settings, tmp_path / "data")
    client = finished.settings.clients[0]
    settings = RemoteClientSettings(name=client.name, backend=client.backend, path=str(files.clients[0]))
    remote = RemoteClient(settings, tmp_path / "client")
    data = finished.data
    task = TaskDescription.of(finished.settings, data.classes)
    first = TrainRequest(task, 1, data.public.digest, data.originals.without_answers())
    remote.reply(first.to_bytes())
    soft = finished.server.rounds.aggregate.soft_labels.astype(np.float16)
    request = TrainRequest(task, 2, data.public.digest, None, soft, personal=True)
    assert TrainRequest.from_bytes(request.to_bytes()).personal
    assert remote.reply(request.to_bytes()) == MADE
    # Asked again, it trains nothing.
    assert remote.reply(request.to_bytes()) == MADE


def test_requests_without_a_way_back_read_as_ever(finished):
    task = TaskDescription.of(finished.settings, finished.data.classes)
    raw = TrainRequest(task, 1, finished.data.public.digest, None).to_bytes()
    assert b"personal" not in raw
    assert not TrainRequest.from_bytes(raw).personal
