"""The transport, over a stand-in for Flower's grid that does to messages what clients and networks do."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Error, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from qkd_qiskit.deployment import transport as module
from qkd_qiskit.deployment.gateway import NOTICES
from qkd_qiskit.deployment.transport import ANSWER, KIND, QUERY, RAW, FlowerTransport
from qkd_qiskit.distillation import MAX_MESSAGE_BYTES
from qkd_qiskit.federation.transport import Arrival


@dataclasses.dataclass
class Node:
    node_id: int
    name: str
    last_activated_at: str = "once"


def content(raw: Any) -> RecordDict:
    return RecordDict({ANSWER: ConfigRecord({RAW: raw})})


class Grid:
    """Keeps messages; `replies` says what is pulled for the n-th message to a client."""

    def __init__(self, names: Iterable[str]) -> None:
        self.nodes = [Node(number + 1, name) for number, name in enumerate(names)]
        self.sent: list[tuple[str, Message]] = []
        self.replies: dict[str, Callable[[int, Message], Message | None]] = {}
        self._lock = threading.Lock()

    def get_nodes(self) -> list[Node]:
        return self.nodes

    def push_messages(self, messages: list[Message]) -> list[str]:
        assert all(message.metadata.message_type == KIND for message in messages)
        found = []
        for message in messages:
            name = next(node.name for node in self.nodes if node.node_id == message.metadata.dst_node_id)
            found.append(str(len(self.sent)))
            self.sent.append((name, message))
        return found

    def pull_messages(self, messages: list[str]) -> list[Message]:
        (number,) = messages
        name, message = self.sent[int(number)]
        order = [sent for who, sent in self.sent if who == name].index(message)
        reply = self.replies.get(name, lambda _n, asked: ok(asked, name.encode()))(order, message)
        return [] if reply is None else [reply]

    def asked(self, name: str) -> list[bytes]:
        return [bytes(sent.content[QUERY][RAW]) for who, sent in self.sent if who == name]  # type: ignore[arg-type]


def ok(asked: Message, raw: Any) -> Message:
    return _reply(asked, content(raw))


def failed(asked: Message, code: int) -> Message:
    return _reply(asked, Error(code, "secret/path.npz"))


def _reply(asked: Message, what: RecordDict | Error) -> Message:
    asked.metadata.__dict__["_message_id"] = "m"
    return Message(what, reply_to=asked)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL", 0.02)
    # Flower's messages know where they are made.
    for name in ("task_id", "run_id", "node_id"):
        monkeypatch.setattr(TaskIdentity, f"_{name}", 1)


@pytest.fixture
def grid() -> Grid:
    return Grid("ABC")


@pytest.fixture
def transport(grid: Grid, tmp_path: Path) -> FlowerTransport:
    return FlowerTransport(grid, ("A", "B", "C"), tmp_path)  # type: ignore[arg-type]


def ask(transport: FlowerTransport, *positions: int, timeout: float = 60.0) -> dict[int, Arrival]:
    found = list(transport.exchange(dict.fromkeys(positions or (0, 1, 2), b"query"), timeout=timeout))
    assert len({arrival.position for arrival in found}) == len(found)
    return {arrival.position: arrival for arrival in found}


def test_everybody_is_asked_once_and_answers(transport: FlowerTransport, grid: Grid) -> None:
    answers = {position: arrival.raw for position, arrival in ask(transport).items()}
    assert answers == {0: b"A", 1: b"B", 2: b"C"}
    assert [grid.asked(name) for name in "ABC"] == [[b"query"]] * 3


def test_only_the_wanted_are_asked(transport: FlowerTransport, grid: Grid) -> None:
    assert set(ask(transport, 1)) == {1}
    assert [grid.asked(name) for name in "AC"] == [[], []]


def test_answers_are_yielded_as_they_come(transport: FlowerTransport, grid: Grid) -> None:
    open_door = threading.Event()
    grid.replies["A"] = lambda _n, asked: ok(asked, b"late") if open_door.is_set() else None
    seen = []
    for arrival in transport.exchange({0: b"q", 1: b"q"}, timeout=20):
        seen.append(arrival.position)
        open_door.set()
    assert seen == [1, 0]


def test_silence_differs_from_absence(transport: FlowerTransport, grid: Grid) -> None:
    grid.replies["A"] = lambda _n, _asked: None
    del grid.nodes[1]
    found = ask(transport, timeout=2)
    assert (found[0].raw, found[0].reason) == (None, "no answer within 2 s")
    assert (found[1].raw, found[1].reason) == (None, "not connected within 2 s")
    assert found[2].raw == b"C"


def test_a_slow_pull_keeps_nobody_waiting(transport: FlowerTransport, grid: Grid) -> None:
    release = threading.Event()

    def hang(_n: int, _asked: Message) -> None:
        release.wait(60)

    grid.replies["A"] = hang
    found = ask(transport, timeout=2)
    release.set()
    assert (found[1].raw, found[2].raw, found[0].raw) == (b"B", b"C", None)


def test_a_restarted_client_is_asked_again(transport: FlowerTransport, grid: Grid) -> None:
    def reply(number: int, asked: Message) -> Message | None:
        grid.nodes[0].last_activated_at = "twice"
        return ok(asked, b"again") if number == 1 else None

    grid.replies["A"] = reply
    assert ask(transport)[0].raw == b"again"
    assert len(grid.asked("A")) == 2


@pytest.mark.parametrize("code", [3, 4, 5])
def test_a_client_that_went_away_is_asked_when_it_is_back(
    code: int, transport: FlowerTransport, grid: Grid
) -> None:
    away = Node(1, "A", "twice")

    def reply(number: int, asked: Message) -> Message:
        grid.nodes[0] = away
        return ok(asked, b"back") if number else failed(asked, code)

    grid.replies["A"] = reply
    assert ask(transport)[0].raw == b"back"


def test_a_client_that_fails_is_asked_thrice_and_its_words_are_not_repeated(
    transport: FlowerTransport, grid: Grid
) -> None:
    grid.replies["A"] = lambda _n, asked: failed(asked, 2)
    found = ask(transport)
    assert (found[0].raw, found[0].reason) == (None, "its process failed 3 times")
    assert len(grid.asked("A")) == 3
    assert found[1].raw == b"B"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (RecordDict(), "its answer holds no bytes"),
        (content("text"), "its answer holds no bytes"),
        (content(b"x" * (MAX_MESSAGE_BYTES + 1)), f"answer of {MAX_MESSAGE_BYTES + 1} bytes refused"),
        (RecordDict({ANSWER: ArrayRecord()}), "its answer holds no bytes"),
    ],
)
def test_wrong_answers_are_named(
    wrong: RecordDict, reason: str, transport: FlowerTransport, grid: Grid
) -> None:
    grid.replies["A"] = lambda _n, asked: _reply(asked, wrong)
    found = ask(transport)
    assert (found[0].raw, found[0].reason) == (None, reason)
    assert found[2].raw == b"C"


@pytest.mark.parametrize("error", [MemoryError, ValueError, KeyError, RecursionError])
def test_what_cannot_be_taken_apart_is_named(
    error: type[Exception], transport: FlowerTransport, grid: Grid
) -> None:
    def spoil(_n: int, _asked: Message) -> Message:
        raise error("secret/path.npz")

    grid.replies["A"] = spoil
    found = ask(transport)
    assert (found[0].raw, found[0].reason) == (None, "its answer could not be taken apart")
    assert found[1].raw == b"B"


def test_a_broken_connection_is_tried_again(transport: FlowerTransport, grid: Grid) -> None:
    tries = []

    def reply(_n: int, asked: Message) -> Message:
        tries.append(1)
        if len(tries) < 3:
            raise httpx.ReadError("reset")
        return ok(asked, b"A")

    grid.replies["A"] = reply
    assert ask(transport)[0].raw == b"A"


def test_an_answer_to_an_earlier_query_is_late(transport: FlowerTransport, grid: Grid) -> None:
    open_door = threading.Event()
    grid.replies["A"] = lambda n, asked: ok(asked, f"round {n + 1}".encode()) if open_door.is_set() else None
    assert ask(transport, timeout=0.3)[0].raw is None
    open_door.set()
    found = list(transport.exchange({0: b"second", 1: b"second"}, timeout=20))
    about_a = {(arrival.raw, arrival.late) for arrival in found if arrival.position == 0}
    assert (b"round 2", False) in about_a
    assert about_a <= {(b"round 1", True), (b"round 2", False)}
    assert [arrival.late for arrival in found if arrival.position == 1] == [False]


def test_what_the_gateway_refused_is_reported(transport: FlowerTransport, grid: Grid, tmp_path: Path) -> None:
    notices = tmp_path / NOTICES
    notices.write_text(json.dumps({"client": "B", "reason": "of an earlier run"}) + "\n")

    def reply(_n: int, _asked: Message) -> None:
        with notices.open("a") as file:
            file.write(json.dumps({"client": "A", "reason": "too large", "bytes": 77}) + "\n")
            file.write(json.dumps({"client": "nobody", "reason": "?"}) + "\n")
            file.write('{"client": "C", "rea')

    grid.replies["A"] = reply
    found = ask(transport)
    assert (found[0].raw, found[0].reason, found[0].n_bytes) == (None, "too large", 77)
    assert (found[1].raw, found[2].raw) == (b"B", b"C")


def test_a_refused_push_is_tried_again(transport: FlowerTransport, grid: Grid) -> None:
    push, tries = grid.push_messages, []

    def seldom(messages: list[Message]) -> list[str]:
        tries.append(1)
        return [""] * len(messages) if len(tries) < 3 else push(messages)

    grid.push_messages = seldom  # type: ignore[method-assign]
    assert {arrival.raw for arrival in ask(transport).values()} == {b"A", b"B", b"C"}
