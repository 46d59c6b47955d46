"""Rounds with clients that break, lie, repeat themselves, come late or not at all."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.distillation import make_message
from qkd_qiskit.errors import DistillationError, FederationError, StoreError, TrainingError
from qkd_qiskit.federation import (
    Arrival,
    RecordedTransport,
    RejectionCode,
    TrainRequest,
    encode_rejection,
    run_rounds,
)
from qkd_qiskit.federation.message_store import MessageStore
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import Database, StageStore
from qkd_qiskit.store.database import DATABASE_FILE
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
HELD = ((1,), (0, 2), (0, 1, 2))
NAMES = ("one class", "two classes", "all")


def _context(*overrides, resume=False):
    settings = load_experiment(TINY, overrides=overrides)
    store = StageStore(None, "")
    return RunContext(settings, prepare_data(settings), store, NullProgress(), resume=resume)


@pytest.fixture(scope="module")
def context():
    return _context()


@pytest.fixture(scope="module")
def messages(context):
    """Clients that answer nine of ten public samples rightly."""
    made = []
    for number, held in enumerate(HELD):
        public, rng = context.data.public.answered, np.random.default_rng(number)
        columns = len(held) + (len(held) < 3)
        truth = np.where(public.labels < 0, rng.integers(0, 3, len(public)), public.labels)
        outcome = np.array([held.index(k) if k in held else len(held) for k in truth])
        wrong = rng.random(len(outcome)) < 0.1
        outcome[wrong] = (outcome[wrong] + 1) % columns
        p = np.exp(4.0 * np.eye(columns)[outcome])
        p /= p.sum(axis=1, keepdims=True)
        spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", n_outcomes=columns)
        made.append(make_message(NAMES[number], spec.index, held, p, context.data.public.digest))
    return made


class Script:
    """Sends recorded arrivals, whatever is requested."""

    def __init__(self, *rounds):
        self.rounds = list(rounds)
        self.sent = []

    def exchange(self, requests, /, *, timeout):
        self.sent.append((dict(requests), timeout))
        yield from self.rounds.pop(0)


def _raw(messages):
    return [message.to_bytes() for message in messages]


def _header(raw, **changes):
    """A message with another header in front of the same outputs."""
    length = struct.unpack_from("<4sI", raw)[1]
    header = json.loads(raw[8 : 8 + length]) | changes
    text = json.dumps(header).encode()
    return struct.pack("<4sI", b"QKDM", len(text)) + text + raw[8 + length :]


def _nan(message):
    outputs = message.outputs.copy()
    outputs[3, 0] = np.nan
    return dataclasses.replace(message, outputs=outputs).to_bytes()


BROKEN = {
    "wrong shape": (
        lambda m: dataclasses.replace(m, outputs=m.outputs[:-1]).to_bytes(),
        "outputs: expected shape",
    ),
    "NaN": (_nan, "expected finite numbers, found 1 others"),
    "lying header": (
        lambda m: _header(m.to_bytes(), shape=[10**9, 10**9]),
        "outputs: expected 2000000000000000000 bytes",
    ),
    "stale digest": (
        lambda m: dataclasses.replace(m, public_digest="ab" * 32).to_bytes(),
        "expected digest",
    ),
    "100 MB": (lambda m: m.to_bytes() + bytes(100 * 2**20), "expected a message of at most"),
    "another's name": (lambda m: dataclasses.replace(m, client="all").to_bytes(), "name of another client"),
    "a refusal": (
        lambda m: encode_rejection(RejectionCode.UNKNOWN_PUBLIC_SET),
        "the client refuses \\(unknown_public_set\\): the public set is not the one",
    ),
    "a made-up refusal": (lambda m: b"QKDR\n/home/someone/data.csv", "magic word"),
}


EVIL = "\\u202e\\u001b[31m\\n\\u0000" + "x" * 20_000


def _with_text(raw, key, text):
    """A message whose header holds a text as it stands in JSON, in place of a key's value or as a key."""
    length = struct.unpack_from("<4sI", raw)[1]
    header = json.loads(raw[8 : 8 + length])
    if key in header:
        header[key] = "MARK"
    else:
        header["MARK"] = 1
    found = json.dumps(header).encode().replace(b"MARK", text)
    return struct.pack("<4sI", b"QKDM", len(found)) + found + raw[8 + length :]


@pytest.mark.parametrize("text", [EVIL.encode(), b"\\ud800", b"\\udfff\\ud800", b"\xed\xa0\x80", b"\x1b[2J"])
@pytest.mark.parametrize("key", ["client", "public_digest", "precision", "model_index", "classes", "a key"])
def test_a_client_s_text_is_one_printable_line_of_the_report(context, messages, key, text):
    raw = _raw(messages)
    raw[1] = _with_text(raw[1], key, text)
    result = run_rounds(context, RecordedTransport(raw))
    refused = result.records[1]
    assert refused.status == "refused"
    assert refused.reason.isprintable()
    assert 10 < len(refused.reason) <= 300
    assert refused.reason.encode() in refused.model_dump_json().replace("\\\\", "\\").encode()


def test_labels_of_a_refused_message_are_shown_short(context, messages):
    raw = _raw(messages)
    for label in ("\ud8ff" * 9, "\x1b[2J", "long " * 5000, 10**4000):
        spoilt = dataclasses.replace(messages[1], classes=(0, label))
        raw[1] = spoilt.to_bytes()
        reason = run_rounds(context, RecordedTransport(raw)).records[1].reason
        assert reason.isprintable()
        assert len(reason) <= 300


def test_bytes_that_were_dropped_on_the_way_are_counted(context, messages):
    raw = _raw(messages)
    arrivals = [
        Arrival(0, None, "too \x1b large", dropped=1000),
        Arrival(0, None, "once more", dropped=500),
        Arrival(1, raw[1]),
        Arrival(2, raw[2], dropped=7),
        Arrival(2, None, "too large", dropped=70),
    ]
    parts = run_rounds(context, Script(arrivals)).records
    assert [part.status for part in parts] == ["silent", "used", "used"]
    assert [part.bytes_received for part in parts] == [1500, len(raw[1]), len(raw[2]) + 77]
    assert parts[0].reason == r"too \x1b large"


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_answer_is_refused_and_named_and_the_round_goes_on(context, messages, case, caplog):
    spoil, reason = BROKEN[case]
    raw = _raw(messages)
    raw[1] = spoil(messages[1])
    arrivals = [Arrival(position, raw[position]) for position in (1, 2, 0)]
    with caplog.at_level(logging.WARNING, "qkd_qiskit.federation"):
        tracemalloc.start()
        result = run_rounds(context, Script(arrivals))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # What is refused for its size is not copied, and what a header claims is not allocated.
    assert peak < 20 * 2**20
    assert [part.status for part in result.records] == ["used", "refused", "used"]
    (named,) = (part for part in result.records if part.status == "refused")
    assert named.client == "two classes"
    assert named.bytes_received == len(raw[1])
    assert named.missed == (1,)

    assert re.search(reason, named.reason)
    assert "client two classes refused" in caplog.text
    assert result.aggregate.teacher.clients == ("one class", "all")
    expected = run_rounds(context, RecordedTransport([raw[0], None, raw[2]])).aggregate
    np.testing.assert_array_equal(result.aggregate.soft_labels, expected.soft_labels)


def test_the_first_answer_of_a_client_counts_and_late_ones_never(context, messages, caplog):
    raw = _raw(messages)
    arrivals = [
        Arrival(0, raw[0]),
        Arrival(0, raw[2]),
        Arrival(0, raw[0]),
        Arrival(1, raw[1], late=True),
        Arrival(2, raw[2]),
        Arrival(2, None, "its connection broke"),
        Arrival(7, raw[0]),
        Arrival(-1, raw[0]),
    ]
    with caplog.at_level(logging.WARNING, "qkd_qiskit.federation"):
        parts = run_rounds(context, Script(arrivals)).records
    assert [part.status for part in parts] == ["used", "late", "used"]
    assert [part.ignored for part in parts] == [2, 1, 0]
    assert parts[0].bytes_received == 2 * len(raw[0]) + len(raw[2])
    assert "its answer came after the round it belongs to" in parts[1].reason
    for line in ("a further answer of client one class", "a late answer of client two", "nobody whom"):
        assert line in caplog.text


def test_silence_has_the_reason_that_the_transport_gives(context, messages):
    arrivals = [Arrival(0, None, "no answer within 60 s"), Arrival(2, messages[2].to_bytes())]
    parts = run_rounds(context, Script(arrivals)).records
    assert [part.reason for part in parts] == ["no answer within 60 s", "no message arrived", ""]


def test_a_client_that_was_silent_first_may_be_used_later(messages):
    context, raw = _context("distillation.rounds=2"), _raw(messages)
    script = Script(
        [Arrival(k, raw[k]) for k in (0, 2)],
        [Arrival(1, raw[1], late=True), *(Arrival(k, raw[k]) for k in range(3))],
    )
    parts = run_rounds(context, script).records
    assert [part.status for part in parts] == ["used"] * 3
    assert [part.missed for part in parts] == [(), (1,), ()]
    assert parts[1].ignored == 1
    second = {k: TrainRequest.from_bytes(query) for k, query in script.sent[1][0].items()}
    # Whoever has answered has the public samples.
    assert [second[k].originals is None for k in range(3)] == [True, False, True]
    assert all(query.soft is not None and query.round == 2 for query in second.values())
    assert script.sent[0][1] == context.settings.federation.timeout


def test_a_late_answer_stands_in_where_the_settings_want_it(messages, tmp_path, caplog):
    context, raw = _context("distillation.rounds=2", "federation.late=use"), _raw(messages)
    script = Script(
        [Arrival(1, raw[1])],
        [
            Arrival(0, raw[0], late=True),
            Arrival(1, raw[1]),
            Arrival(2, raw[2], late=True),
            Arrival(2, raw[2]),
        ],
    )
    with caplog.at_level(logging.WARNING, "qkd_qiskit.federation"):
        parts = run_rounds(context, script, folder=tmp_path).records
    assert [part.status for part in parts] == ["used"] * 3
    assert [part.missed for part in parts] == [(1,), (), (1,)]
    assert [part.stood_in for part in parts] == [(2,), (), ()]
    # The answer to the present round counts, whichever came first.
    assert [part.ignored for part in parts] == [0, 0, 1]
    assert [part.bytes_received for part in parts] == [len(raw[0]), 2 * len(raw[1]), 2 * len(raw[2])]
    assert "a late answer of client one class stands in" in caplog.text
    # Started again, the server has all answers, and asks nobody.
    again = run_rounds(dataclasses.replace(context, resume=True), Script([], []), folder=tmp_path)
    assert [part.status for part in again.records] == ["used"] * 3
    assert [part.stood_in for part in again.records] == [(2,), (), ()]
    assert [part.ignored for part in again.records] == [0, 0, 0]


def test_a_late_answer_is_judged_like_any_other(messages):
    context, raw = _context("distillation.rounds=2", "federation.late=use"), _raw(messages)
    late = [Arrival(0, _nan(messages[0]), late=True), Arrival(2, raw[2] + bytes(100 * 2**20), late=True)]
    parts = run_rounds(context, Script([Arrival(1, raw[1])], [*late, Arrival(1, raw[1])])).records
    assert [part.status for part in parts] == ["refused", "used", "late"]
    assert [part.stood_in for part in parts] == [(2,), (), ()]
    assert "finite" in parts[0].reason


def test_of_several_late_answers_the_last_one_counts(messages):
    context, raw = _context("distillation.rounds=2", "federation.late=use"), _raw(messages)
    late = [Arrival(0, _nan(messages[0]), late=True), Arrival(0, raw[0], late=True)]
    parts = run_rounds(context, Script([Arrival(1, raw[1])], [*late, Arrival(1, raw[1])])).records
    assert [part.status for part in parts] == ["used", "used", "silent"]


def test_too_few_clients_end_the_round(messages):
    context = _context("federation.minimum=3")
    arrivals = [Arrival(0, messages[0].to_bytes()), Arrival(1, b"nonsense"), Arrival(2, None, "away")]
    expected = (
        r"round 1: expected answers of 3 clients, found 1 \(two classes refused: .*; all silent: away\)"
    )
    with pytest.raises(FederationError, match=expected):
        run_rounds(context, Script(arrivals))
    with pytest.raises(DistillationError, match="at least one client to learn from, found none"):
        run_rounds(_context(), Script([]))


def test_a_killed_server_asks_only_for_what_it_has_not(messages, tmp_path):
    raw = _raw(messages)

    def killed():
        yield Arrival(2, raw[2])
        yield Arrival(0, b"refused, so asked again")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_rounds(_context(), Script(killed()), folder=tmp_path)
    script = Script([Arrival(k, raw[k]) for k in (0, 1)])
    result = run_rounds(_context(resume=True), script, folder=tmp_path)
    assert sorted(script.sent[0][0]) == [0, 1]
    assert [part.status for part in result.records] == ["used"] * 3
    expected = run_rounds(_context(), RecordedTransport(raw)).aggregate
    np.testing.assert_array_equal(result.aggregate.soft_labels, expected.soft_labels)
    # No request goes out when all have answered; without resuming one goes to everybody.
    assert run_rounds(_context(resume=True), Script(), folder=tmp_path).aggregate.soft_labels is not None
    script = Script([Arrival(k, raw[k]) for k in range(3)])
    run_rounds(_context(), script, folder=tmp_path)
    assert sorted(script.sent[0][0]) == [0, 1, 2]


def test_answers_to_another_request_are_not_taken_for_these(messages, tmp_path):
    MessageStore(tmp_path, b"one").keep(3, messages[0])
    assert MessageStore(tmp_path, b"one").positions == {3}
    assert MessageStore(tmp_path, b"one").message(3).to_bytes() == messages[0].to_bytes()
    assert MessageStore(tmp_path, b"other").positions == set()
    assert MessageStore(tmp_path, b"one", late=True).positions == set()
    assert MessageStore(tmp_path, b"one", resume=False).positions == set()
    assert MessageStore(tmp_path, b"one").positions == set()
    memory = MessageStore(None, b"one")
    memory.keep(1, messages[1])
    assert memory.message(1) is messages[1]


def test_a_removed_message_is_gone(messages, tmp_path):
    for folder in (None, tmp_path):
        store = MessageStore(folder, b"one")
        for position in (1, 2):
            store.keep(position, messages[position])
        store.remove(1)
        assert store.positions == {2}
    assert MessageStore(tmp_path, b"one").positions == {2}


def test_a_message_store_that_cannot_be_used_is_named(messages, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/run.sqlite"):
        MessageStore(tmp_path / "file", b"request")
    store = MessageStore(tmp_path / "folder", b"request")
    store.keep(0, messages[0])
    (tmp_path / "folder" / DATABASE_FILE).write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError, match=r"cannot use .*folder/run.sqlite"):
        store.message(0)
    with pytest.raises(StoreError, match=r"cannot use .*folder/run.sqlite"):
        store.keep(1, messages[1])


def test_a_damaged_message_counts_as_none(messages, tmp_path, caplog):
    store = MessageStore(tmp_path, b"request")
    for position in (0, 1):
        store.keep(position, messages[position])
    with Database(tmp_path) as database:
        ((sealed,),) = database.rows("SELECT data FROM message WHERE client = 1")
        damaged = sealed[:-1] + bytes([sealed[-1] ^ 4])
        database.execute("UPDATE message SET data = ? WHERE client = 1", damaged)
    with pytest.raises(StoreError, match="answer 1 in .*run.sqlite: expected stored bytes"):
        store.message(1)
    again = MessageStore(tmp_path, b"request")
    assert again.positions == {0}
    assert "answer 1 in " in caplog.text
    assert again.message(0).to_bytes() == messages[0].to_bytes()


def test_a_message_that_was_kept_is_the_message_that_came(context, messages, tmp_path):
    raw = _raw(messages)
    result = run_rounds(context, Script([Arrival(k, raw[k]) for k in range(3)]), folder=tmp_path)
    assert [result.messages.message(k).to_bytes() for k in range(3)] == raw
    assert result.messages.message(1).client == "two classes"


def test_an_unknown_rule_is_named_before_any_client_works():
    class Nobody:
        def exchange(self, requests, /, *, timeout):
            raise AssertionError("a client has got a request")

    expected = "distillation.aggregation: expected one of auto, mean, .*, found 'median'"
    with pytest.raises(DistillationError, match=expected):
        run_rounds(_context("distillation.aggregation=median"), Nobody())
    with pytest.raises(TrainingError, match="method: expected starts or .*, found 'annealing'"):
        run_rounds(_context("training.method=annealing"), Nobody())
    with pytest.raises(TrainingError, match="structure.method: expected front or .*, found 'guess'"):
        run_rounds(_context("training.structure.method=guess"), Nobody())
    with pytest.raises(TrainingError, match="soft_loss: expected mse or kl, found 'hinge'"):
        run_rounds(_context("distillation.soft_loss=hinge"), Nobody())
