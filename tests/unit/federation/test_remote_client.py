"""Clients with files of their own against the rounds in one process; what they refuse, what they keep."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from qkd_qiskit.config import RemoteClientSettings, load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.distillation import ClientMessage
from qkd_qiskit.errors import DataError, StoreError
from qkd_qiskit.experiment.run import run_experiment
from qkd_qiskit.federation import (
    Arrival,
    RejectionCode,
    RemoteClient,
    RequestRejected,
    TaskDescription,
    TrainRequest,
    decode_rejection,
    encode_rejection,
    read_server_data,
    write_data_files,
)
from qkd_qiskit.reporting import check_results
from qkd_qiskit.store import Database, folder_lock
from qkd_qiskit.store.database import DATABASE_FILE

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SMALL = [
    "distillation.rounds=2",
    "distillation.precision=uint8",
    "distillation.student_blocks=8",
    "descent={steps=5, server_steps=8, batch=50}",
    "training={particles=2, iterations=0, refine=1}",
    "fedavg={rounds=1, local_steps=1}",
    "data.augment={copies=1, shift=0.5, public_copies=2, mixup=1}",
]


class Clients:
    """Carries requests to clients in this process."""

    clients = None

    def __init__(self, clients):
        self.remote = clients
        self.requests = []

    def exchange(self, requests, *, timeout):
        self.requests.append(dict(requests))
        for position in sorted(requests, reverse=True):
            yield Arrival(position, self.remote[position].reply(requests[position]))

    def traffic(self):
        return None


@pytest.fixture(scope="module")
def settings():
    return load_experiment(TINY, overrides=SMALL)


@pytest.fixture(scope="module")
def files(settings, tmp_path_factory):
    return write_data_files(settings, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def together(settings):
    return run_experiment(settings)


def _client(settings, files, number, folder, **more):
    client = settings.clients[number]
    own = RemoteClientSettings(
        **{"name": client.name, "backend": client.backend, "path": str(files.clients[number])} | more
    )
    return RemoteClient(own, folder / f"client-{number}")


def _run(settings, files, transport, folder, *, resume=False):
    data = read_server_data(settings, files.public)
    return run_experiment(settings, output=folder, transport=transport, data=data, resume=resume)


@pytest.fixture(scope="module")
def apart(settings, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("apart")
    transport = Clients([_client(settings, files, number, folder) for number in range(3)])
    return _run(settings, files, transport, folder / "server"), transport, folder


def test_files_and_bytes_give_the_bits_of_one_process(together, apart, settings):
    finished, transport, _ = apart
    np.testing.assert_array_equal(finished.server.global_model.params, together.server.global_model.params)
    for kind in ("noisy", "ideal"):
        np.testing.assert_array_equal(
            getattr(finished.predictions["public_only"], kind),
            getattr(together.predictions["public_only"], kind),
        )
    for position, client in enumerate(together.clients):
        kept = finished.server.rounds.messages.message(position)
        assert kept.to_bytes() == client.message.to_bytes()
    direct = prepare_data(settings)
    assert finished.data.public.digest == direct.public.digest
    np.testing.assert_array_equal(finished.data.test.inputs, direct.test.inputs)
    np.testing.assert_array_equal(finished.data.public.samples.labels, direct.public.samples.labels)
    assert finished.server.rounds.bytes_down == together.server.rounds.bytes_down
    # The second request goes without the public samples.
    assert len(transport.requests[1][0]) < len(transport.requests[0][0])


def test_the_server_says_what_it_cannot_measure(together, apart, capsys):
    finished, _, folder = apart
    results = finished.results
    check_results(results)
    for name in ("centralized", "fedavg", "teacher_ensemble", "best_client"):
        assert results["models"][name] is None
        assert "not at the server" in results["absent"][name]
    assert results["models"]["global"]["accuracy"] == pytest.approx(
        np.trace(finished.confusion) / finished.confusion.sum()
    )
    assert results["communication"]["distillation"]["up"] == sum(c.bytes_sent for c in together.clients)
    assert results["clients"][0]["classes"] == [1]
    assert results["clients"][0]["accuracy"] is None
    assert json.loads((folder / "server" / "results.json").read_text())["absent"] == results["absent"]
    page = (folder / "server" / "report.html").read_text()
    assert "Not measured" in page
    finished.print()
    assert "FedAvg: not measured" in capsys.readouterr().out


def test_a_client_that_gets_a_request_again_answers_from_its_folder(settings, files, apart):
    _, transport, folder = apart
    for number in (0, 1):
        request = transport.requests[number][0]
        before = transport.remote[0].answer(request)
        with patch("qkd_qiskit.federation.remote_client.answer_request", side_effect=AssertionError):
            assert _client(settings, files, 0, folder).answer(request) == before


def test_a_client_that_missed_a_round_takes_it_up_from_the_next_request(settings, files, apart, tmp_path):
    _, transport, _ = apart
    newcomer = _client(settings, files, 1, tmp_path)
    short = transport.requests[1][1]
    with pytest.raises(
        RequestRejected, match="expected public samples in the first request, found none"
    ) as found:
        newcomer.answer(short)
    assert found.value.code is RejectionCode.NO_PUBLIC_SET
    first = TrainRequest.from_bytes(transport.requests[0][1])
    second = TrainRequest.from_bytes(short)
    whole = TrainRequest(second.task, 2, second.public_digest, first.originals, second.soft).to_bytes()
    assert newcomer.answer(whole) == transport.remote[1].reply(short)


def test_two_processes_of_a_client_do_not_train_at_once(settings, files, apart):
    _, transport, folder = apart
    (experiment,) = (path for path in (folder / "client-0").iterdir() if path.is_dir())
    answers = []
    second = threading.Thread(
        target=lambda: answers.append(_client(settings, files, 0, folder).answer(transport.requests[0][0]))
    )
    with folder_lock(experiment):
        second.start()
        second.join(1.0)
        assert second.is_alive()
    second.join(30.0)
    assert len(answers) == 1


def test_a_killed_client_goes_on_from_its_stages(settings, files, apart, tmp_path):
    _, transport, _ = apart
    request = transport.requests[0][2]
    expected = _client(settings, files, 2, tmp_path).answer(request)
    (database,) = tmp_path.rglob(DATABASE_FILE)
    with Database(database.parent) as opened:
        opened.execute("DELETE FROM exchange")
    with patch("qkd_qiskit.run.fit.train_model", side_effect=AssertionError("trained already")):
        assert _client(settings, files, 2, tmp_path).answer(request) == expected


def test_a_restarted_server_requests_only_answers_that_are_missing(settings, files, apart, tmp_path):
    finished, transport, folder = apart
    (tmp_path / DATABASE_FILE).write_bytes((folder / "server" / DATABASE_FILE).read_bytes())
    with Database(tmp_path) as database:
        database.execute("DELETE FROM message WHERE client = 1")
        database.execute("DELETE FROM stage")
    again = Clients(transport.remote)
    second = _run(settings, files, again, tmp_path, resume=True)
    assert [sorted(requests) for requests in again.requests] == [[1], [1]]
    np.testing.assert_array_equal(second.server.global_model.params, finished.server.global_model.params)
    assert second.server.rounds.bytes_down == finished.server.rounds.bytes_down


def test_other_answers_do_not_meet_the_global_model_of_these(settings, files, apart, tmp_path):
    finished, transport, folder = apart

    class Silent(Clients):
        def exchange(self, requests, *, timeout):
            yield from (a for a in super().exchange(requests, timeout=timeout) if a.position != 2)

    (tmp_path / DATABASE_FILE).write_bytes((folder / "server" / DATABASE_FILE).read_bytes())
    # The answers are gone, the stage of the global model is not.
    with Database(tmp_path) as database:
        database.execute("DELETE FROM message")
    other = _run(settings, files, Silent(transport.remote), tmp_path, resume=True)
    assert (other.server.student.model.params != finished.server.student.model.params).any()
    silent = other.results["participation"][2]
    assert (silent["standing"], silent["missed"]) == ("silent", [1, 2])


def _request(settings, **changes):
    data = prepare_data(settings)
    task = TaskDescription.of(settings, data.classes)
    values = {
        "task": task,
        "round": 1,
        "public_digest": data.public.digest,
        "originals": data.originals.without_answers(),
    }
    return TrainRequest(**values | changes).to_bytes()


def test_a_refusal_tells_the_server_a_code_and_nothing_else(settings, files, tmp_path, caplog):
    secret = tmp_path / "secret-folder" / "patients.npz"
    request = _request(settings)
    cases = {
        RejectionCode.NOT_A_QUERY: (_client(settings, files, 0, tmp_path), b"QKDA" + b"\0" * 40),
        RejectionCode.TOO_LARGE: (_client(settings, files, 0, tmp_path, max_samples=10), request),
        RejectionCode.UNKNOWN_PUBLIC_SET: (
            _client(settings, files, 0, tmp_path, public_digest="0" * 64),
            request,
        ),
        RejectionCode.WRONG_DATA: (_client(settings, files, 0, tmp_path, path=str(secret)), request),
        RejectionCode.CANNOT_TRAIN: (_client(settings, files, 0, tmp_path, backend="ibm_nowhere"), request),
    }
    with caplog.at_level(logging.ERROR, "qkd_qiskit.federation"):
        for code, (client, raw) in cases.items():
            caplog.clear()
            assert client.reply(raw) == encode_rejection(code)
            assert code.value in caplog.text
    assert decode_rejection(encode_rejection(RejectionCode.FAILED)) is RejectionCode.FAILED
    assert decode_rejection(b"QKDRno_such_code") is None
    assert decode_rejection(b"QKDM") is None
    assert decode_rejection(b"QKDR" + b"x" * 1000) is None


def test_whatever_fails_is_reported_by_a_code_alone(settings, files, tmp_path, monkeypatch):
    client = _client(settings, files, 0, tmp_path)
    monkeypatch.setattr(client, "answer", lambda raw: 1 / 0)
    assert client.reply(b"") == encode_rejection(RejectionCode.FAILED)


def test_a_client_refuses_a_public_set_that_is_not_what_it_is_said_to_be(settings, files, tmp_path):
    with pytest.raises(RequestRejected, match="expected public inputs with digest 000000") as found:
        _client(settings, files, 0, tmp_path).answer(_request(settings, public_digest="0" * 64))
    assert found.value.code is RejectionCode.UNKNOWN_PUBLIC_SET


def test_a_client_limits_what_a_request_makes_it_do(settings, files, tmp_path):
    many = load_experiment(TINY, overrides=[*SMALL, "data.augment.copies=100000"])
    task = TaskDescription.of(many, (0, 1, 2))
    with pytest.raises(RequestRejected, match="expected at most 200000 own samples") as found:
        _client(settings, files, 0, tmp_path).answer(_request(settings, task=task))
    assert found.value.code is RejectionCode.TOO_LARGE
    with pytest.raises(RequestRejected, match="expected at most 100 bytes"):
        _client(settings, files, 0, tmp_path, max_query_bytes=100).answer(_request(settings))


def test_a_folder_that_cannot_be_written_is_named(settings, files, tmp_path):
    (tmp_path / "client-0").write_text("a file, where a folder should be")
    with pytest.raises(StoreError, match=r"cannot open .*client-0/.*run.lock: Not a directory"):
        _client(settings, files, 0, tmp_path).answer(_request(settings))


def test_samples_of_other_features_or_classes_are_refused(settings, files, tmp_path):
    narrow = tmp_path / "narrow.npz"
    np.savez(narrow, images=np.zeros((4, 5, 5), dtype=np.uint8), labels=[0, 1, 0, 1])
    with pytest.raises(DataError, match="expected images of 8 x 8 pixels, found 25 values"):
        _client(settings, files, 0, tmp_path, path=str(narrow)).answer(_request(settings))
    strange = tmp_path / "strange.npz"
    np.savez(strange, images=np.eye(4)[:, :, None] * np.ones((4, 4, 16)), labels=["a", "b", "a", "b"])
    with pytest.raises(DataError, match="expected samples of the classes 0, 1, 2, found none"):
        _client(settings, files, 0, tmp_path, path=str(strange)).answer(_request(settings))


def test_what_a_client_sends_is_no_weight_sample_or_path(settings, apart):
    _, transport, folder = apart
    data = prepare_data(settings)
    for position in range(3):
        sent = transport.remote[position].reply(transport.requests[0][position])
        message = ClientMessage.from_bytes(sent)
        assert set(json.loads(sent[8 : sent.index(b"}") + 1])) == {
            "schema",
            "client",
            "model_index",
            "classes",
            "public_digest",
            "shape",
            "precision",
        }
        assert str(folder).encode() not in sent
        own = data.own(position).inputs
        for kind in (np.float64, np.float32, np.float16):
            assert own[0].astype(kind).tobytes() not in sent
        assert len(sent) < 2 * message.outputs.nbytes
