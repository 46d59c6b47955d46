"""Clients with files of their own against the round in one process; what they refuse, and what they keep."""

from __future__ import annotations

import fcntl
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
from qkd_qiskit.errors import DataError, FederationError
from qkd_qiskit.experiment.run import run_distributed
from qkd_qiskit.federation import (
    Arrival,
    RejectionCode,
    RemoteClient,
    RequestRejected,
    TaskDescription,
    TrainRequest,
    decode_rejection,
    encode_rejection,
    run_local_federation,
    write_data_files,
)
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.reporting import check_results, print_results
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import StageStore

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


class Parties:
    """Carries queries to parties in this process."""

    def __init__(self, parties):
        self.parties = parties
        self.asked = []

    def exchange(self, queries, *, timeout):
        self.asked.append(dict(queries))
        for position in sorted(queries, reverse=True):
            yield Arrival(position, self.parties[position].reply(queries[position]))


@pytest.fixture(scope="module")
def settings():
    return load_experiment(TINY, overrides=SMALL)


@pytest.fixture(scope="module")
def files(settings, tmp_path_factory):
    return write_data_files(settings, tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def together(settings):
    context = RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())
    return run_local_federation(context)


def _party(settings, files, number, folder, **more):
    client = settings.clients[number]
    own = RemoteClientSettings(
        **{"name": client.name, "backend": client.backend, "path": str(files.clients[number])} | more
    )
    return RemoteClient(own, folder / f"party-{number}")


@pytest.fixture(scope="module")
def apart(settings, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("apart")
    transport = Parties([_party(settings, files, number, folder) for number in range(3)])
    return run_distributed(settings, files.public, transport, output=folder / "server"), transport, folder


def test_files_and_bytes_give_the_bits_of_one_process(together, apart, settings):
    clients, server = together
    finished, transport, _ = apart
    np.testing.assert_array_equal(finished.server.global_model.params, server.global_model.params)
    np.testing.assert_array_equal(finished.server.public_only.params, server.public_only.params)
    for position, client in enumerate(clients):
        assert finished.server.lesson.inbox.message(position) == client.message.to_bytes()
    direct = prepare_data(settings)
    assert finished.data.public.digest == direct.public.digest
    np.testing.assert_array_equal(finished.data.test.inputs, direct.test.inputs)
    np.testing.assert_array_equal(finished.data.public.samples.labels, direct.public.samples.labels)
    assert finished.server.lesson.bytes_down == server.lesson.bytes_down
    # The second query goes without the public samples.
    assert len(transport.asked[1][0]) < len(transport.asked[0][0])


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
    assert results["communication"]["distillation"]["up"] == sum(c.bytes_sent for c in together[0])
    assert results["clients"][0]["classes"] == [1]
    assert results["clients"][0]["accuracy"] is None
    assert json.loads((folder / "server" / "results.json").read_text())["absent"] == results["absent"]
    page = (folder / "server" / "report.html").read_text()
    assert "Not measured" in page
    print_results(results)
    assert "FedAvg: not measured" in capsys.readouterr().out


def test_a_client_asked_again_answers_from_its_folder(settings, files, apart):
    _, transport, folder = apart
    for turn in (0, 1):
        party = _party(settings, files, 0, folder)
        before = _stamps(folder)
        answer = party.answer(transport.asked[turn][0])
        assert answer == transport.parties[0].reply(transport.asked[turn][0])
        assert _stamps(folder) == before


def _stamps(folder):
    """When each file but the locks was written."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {path: path.stat().st_mtime_ns for path in files}


def test_a_client_that_missed_a_turn_takes_it_up_from_the_next_query(settings, files, apart, tmp_path):
    _, transport, _ = apart
    newcomer = _party(settings, files, 1, tmp_path)
    short = transport.asked[1][1]
    with pytest.raises(
        RequestRejected, match="expected public samples in the first query, found none"
    ) as found:
        newcomer.answer(short)
    assert found.value.code is RejectionCode.NO_PUBLIC_SET
    first = TrainRequest.from_bytes(transport.asked[0][1])
    second = TrainRequest.from_bytes(short)
    whole = TrainRequest(second.task, 2, second.public_digest, first.originals, second.soft).to_bytes()
    assert newcomer.answer(whole) == transport.parties[1].reply(short)


def test_two_processes_of_a_client_do_not_train_at_once(settings, files, apart):
    _, transport, folder = apart
    (lock,) = (path / "lock" for path in (folder / "party-0").iterdir())
    answers = []
    second = threading.Thread(
        target=lambda: answers.append(_party(settings, files, 0, folder).answer(transport.asked[0][0]))
    )
    with lock.open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second.start()
        second.join(1.0)
        assert second.is_alive()
    second.join(30.0)
    assert len(answers) == 1


def test_a_killed_client_goes_on_from_its_checkpoints(settings, files, apart, tmp_path):
    _, transport, _ = apart
    party = _party(settings, files, 2, tmp_path)
    query = transport.asked[0][2]
    expected = party.answer(query)
    (answered,) = tmp_path.rglob("turn-1.answer")
    answered.unlink()
    party = _party(settings, files, 2, tmp_path)
    with patch("qkd_qiskit.run.fitting.train_model", side_effect=AssertionError("trained already")):
        assert party.answer(query) == expected


def test_a_restarted_server_asks_only_those_whose_answers_are_missing(settings, files, apart, tmp_path):
    finished, transport, folder = apart
    for kept in (folder / "server" / "checkpoints").rglob("*.message"):
        target = tmp_path / "checkpoints" / kept.relative_to(folder / "server" / "checkpoints")
        target.parent.mkdir(parents=True, exist_ok=True)
        if kept.stem != "1":
            target.write_bytes(kept.read_bytes())
    again = Parties(transport.parties)
    second = run_distributed(settings, files.public, again, output=tmp_path, resume=True)
    assert [sorted(asked) for asked in again.asked] == [[1], [1]]
    np.testing.assert_array_equal(second.server.global_model.params, finished.server.global_model.params)
    assert second.server.lesson.bytes_down == finished.server.lesson.bytes_down


def test_other_answers_do_not_meet_the_global_model_of_these(settings, files, apart):
    finished, transport, folder = apart

    class Silent(Parties):
        def exchange(self, queries, *, timeout):
            yield from (a for a in super().exchange(queries, timeout=timeout) if a.position != 2)

    # The answers are gone, the stage "global model" is not.
    for kept in (folder / "server" / "checkpoints").rglob("*.message"):
        kept.rename(kept.with_suffix(".away"))
    other = run_distributed(
        settings, files.public, Silent(transport.parties), output=folder / "server", resume=True
    )
    assert (other.server.global_model.params != finished.server.global_model.params).any()
    silent = other.results["participation"][2]
    assert (silent["standing"], silent["missed"]) == ("silent", [1, 2])


def _query(settings, **changes):
    data = prepare_data(settings)
    task = TaskDescription.of(settings, data.classes)
    values = {
        "task": task,
        "turn": 1,
        "public_digest": data.public.digest,
        "originals": data.originals.without_answers(),
    }
    return TrainRequest(**values | changes).to_bytes()


def test_a_refusal_tells_the_server_a_code_and_nothing_else(settings, files, tmp_path, caplog):
    secret = tmp_path / "secret-folder" / "patients.npz"
    query = _query(settings)
    cases = {
        RejectionCode.NOT_A_QUERY: (_party(settings, files, 0, tmp_path), b"QKDA" + b"\0" * 40),
        RejectionCode.TOO_LARGE: (_party(settings, files, 0, tmp_path, max_samples=10), query),
        RejectionCode.UNKNOWN_PUBLIC_SET: (
            _party(settings, files, 0, tmp_path, public_digest="0" * 64),
            query,
        ),
        RejectionCode.WRONG_DATA: (_party(settings, files, 0, tmp_path, path=str(secret)), query),
        RejectionCode.CANNOT_TRAIN: (_party(settings, files, 0, tmp_path, backend="ibm_nowhere"), query),
    }
    with caplog.at_level(logging.ERROR, "qkd_qiskit.federation"):
        for code, (party, raw) in cases.items():
            caplog.clear()
            assert party.reply(raw) == encode_rejection(code)
            assert code.value in caplog.text
    assert decode_rejection(encode_rejection(RejectionCode.FAILED)) is RejectionCode.FAILED
    assert decode_rejection(b"QKDRno_such_code") is None
    assert decode_rejection(b"QKDM") is None
    assert decode_rejection(b"QKDR" + b"x" * 1000) is None


def test_whatever_fails_is_told_by_a_code_alone(settings, files, tmp_path, monkeypatch):
    party = _party(settings, files, 0, tmp_path)
    monkeypatch.setattr(party, "answer", lambda raw: 1 / 0)
    assert party.reply(b"") == encode_rejection(RejectionCode.FAILED)


def test_a_client_refuses_a_public_set_that_is_not_what_it_is_said_to_be(settings, files, tmp_path):
    with pytest.raises(RequestRejected, match="expected public inputs with digest 000000") as found:
        _party(settings, files, 0, tmp_path).answer(_query(settings, public_digest="0" * 64))
    assert found.value.code is RejectionCode.UNKNOWN_PUBLIC_SET


def test_a_client_limits_what_a_query_makes_it_do(settings, files, tmp_path):
    many = load_experiment(TINY, overrides=[*SMALL, "data.augment.copies=100000"])
    task = TaskDescription.of(many, (0, 1, 2))
    with pytest.raises(RequestRejected, match="expected at most 200000 own samples") as found:
        _party(settings, files, 0, tmp_path).answer(_query(settings, task=task))
    assert found.value.code is RejectionCode.TOO_LARGE
    with pytest.raises(RequestRejected, match="expected at most 100 bytes"):
        _party(settings, files, 0, tmp_path, max_query_bytes=100).answer(_query(settings))


def test_a_folder_that_cannot_be_written_is_named(settings, files, tmp_path):
    (tmp_path / "party-0").write_text("a file, where a folder should be")
    with pytest.raises(FederationError, match="folder .*party-0"):
        _party(settings, files, 0, tmp_path).answer(_query(settings))


def test_samples_of_other_features_or_classes_are_refused(settings, files, tmp_path):
    narrow = tmp_path / "narrow.npz"
    np.savez(narrow, images=np.zeros((4, 5, 5), dtype=np.uint8), labels=[0, 1, 0, 1])
    with pytest.raises(DataError, match="expected images of 8 x 8 pixels, found 25 values"):
        _party(settings, files, 0, tmp_path, path=str(narrow)).answer(_query(settings))
    strange = tmp_path / "strange.npz"
    np.savez(strange, images=np.eye(4)[:, :, None] * np.ones((4, 4, 16)), labels=["a", "b", "a", "b"])
    with pytest.raises(DataError, match="expected samples of the classes 0, 1, 2, found none"):
        _party(settings, files, 0, tmp_path, path=str(strange)).answer(_query(settings))


def test_what_a_client_sends_is_no_weight_sample_or_path(settings, apart):
    _, transport, folder = apart
    data = prepare_data(settings)
    for position in range(3):
        sent = transport.parties[position].reply(transport.asked[0][position])
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
