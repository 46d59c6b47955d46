"""Thousands of spoilt messages, requests and model indices: each is taken, or refused in one printable line.

Every case has a number, and the same number makes the same case. `make test` runs a few, `make test-long`
the rest.
"""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from qkd_qiskit.config import RemoteClientSettings, load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.distillation import ClientMessage, Screening, make_message
from qkd_qiskit.errors import VQCNNError
from qkd_qiskit.federation import (
    RejectionCode,
    RemoteClient,
    decode_rejection,
    run_rounds,
    write_data_files,
)
from qkd_qiskit.federation.rounds import decode_answer
from qkd_qiskit.federation.transport import RecordedTransport
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import StageStore
from qkd_qiskit.text import SHORT
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parent / "tiny.toml")
FEW, MANY = (0, 200), (200, 10_000)
LONG = pytest.param(MANY, marks=pytest.mark.long)
MOST_BYTES = 30 * 2**20

_VALUES: tuple[Callable[[np.random.Generator], Any], ...] = (
    lambda rng: None,
    lambda rng: bool(rng.integers(2)),
    lambda rng: int(rng.integers(-5, 300)),
    lambda rng: 10 ** int(rng.integers(1, 4000)),
    lambda rng: -(2 ** int(rng.integers(1, 200))),
    lambda rng: float(rng.standard_normal() * 10.0 ** rng.integers(-300, 300)),
    lambda rng: float("nan"),
    lambda rng: "".join(map(chr, rng.choice([0, 10, 27, 0x202E, 0xD800, 0xDFFF, 65, 36, 60, 0x1F600], 9))),
    lambda rng: "9" * int(rng.integers(1, 6000)),
    lambda rng: "x" * int(rng.integers(1, 60_000)),
    lambda rng: [int(value) for value in rng.integers(-3, 9, int(rng.integers(0, 9)))],
    lambda rng: [[[]]] * int(rng.integers(1, 50)),
    lambda rng: {"a\x1b[2J": {}},
)


def _spoilt_bytes(raw: bytes, rng: np.random.Generator) -> bytes:
    """Bytes that are changed, cut, doubled or thrown in."""
    found, place = bytearray(raw), int(rng.integers(len(raw) + 1))
    kind = rng.integers(5)
    if kind == 0:
        for at in rng.integers(len(found), size=int(rng.integers(1, 9))):
            found[at] = rng.integers(256)
    elif kind == 1:
        del found[place:]
    elif kind == 2:
        found[place:place] = rng.bytes(int(rng.integers(1, 2000)))
    elif kind == 3:
        found[4:8] = struct.pack("<I", int(rng.integers(2**32)))
    else:
        del found[place : place + int(rng.integers(1, 100))]
    return bytes(found)


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _nodes(item, (*path, key))


def _spoilt_header(raw: bytes, rng: np.random.Generator) -> bytes:
    """The same with a header in which values are others, gone or new; its length is right."""
    length = struct.unpack_from("<4sI", raw)[1]
    header, body = json.loads(raw[8 : 8 + length]), bytearray(raw[8 + length :])
    for _ in range(int(rng.integers(1, 4))):
        places = list(_nodes(header))
        *parents, last = places[int(rng.integers(len(places)))]
        node = header
        for parent in parents:
            node = node[parent]
        kind = rng.integers(6)
        if kind == 0:
            del node[last]
        elif kind == 1 and isinstance(node, dict):
            node["new\u202e\x00"] = 1
        elif kind == 2 and body:
            at = int(rng.integers(len(body)))
            body[at : at + 2] = rng.bytes(2)[: len(body) - at]
        else:
            node[last] = _VALUES[int(rng.integers(len(_VALUES)))](rng)
    text = json.dumps(header).encode()
    if not rng.integers(4):
        text = text.replace(b'"', b'"\xed\xa0\x80', 3)
    return struct.pack("<4sI", raw[:4], len(text)) + text + bytes(body)


def _cases(good: list[bytes], numbers: tuple[int, int]) -> Iterator[bytes]:
    for number in range(*numbers):
        rng = np.random.default_rng([7, number])
        spoil = _spoilt_header if rng.integers(3) else _spoilt_bytes
        raw = spoil(good[int(rng.integers(len(good)))], rng)
        yield raw if rng.integers(8) else _spoilt_bytes(raw, rng)


@pytest.fixture(scope="module")
def context() -> RunContext:
    # Answers at random are well-formed, and an audit would drop them.
    settings = load_experiment(TINY, overrides=["distillation.audit=false"])
    return RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())


class _Asked(Exception):
    pass


class _Listener:
    """Takes the requests of a round, and ends it."""

    clients = None

    def exchange(self, requests: dict[int, bytes], *, timeout: float) -> Iterator[Any]:
        raise _Asked(requests)

    def traffic(self) -> None:
        return None


@pytest.fixture(scope="module")
def query(context: RunContext) -> bytes:
    with pytest.raises(_Asked) as found:
        run_rounds(context, _Listener())
    return bytes(found.value.args[0][0])


@pytest.fixture(scope="module")
def messages(context: RunContext) -> list[bytes]:
    """What honest clients may send: with and without the reject outcome, in two bytes a number and in one."""
    rows = _n_answers(context)
    rng, public = np.random.default_rng(0), context.data.public
    made = []
    for held, columns in (((1,), 2), ((0, 2), 3), ((0, 1, 2), 3)):
        index = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", n_outcomes=columns).index
        for precision in ("float16", "uint8"):
            p = rng.dirichlet(np.ones(columns), rows)
            name = context.settings.clients[len(held) - 1].name
            message = make_message(name, index, held, p, public.digest, precision=precision)  # type: ignore[arg-type]
            made.append(message.to_bytes())
    return made


def _n_answers(context: RunContext) -> int:
    """How many rows an answer has, as the refusal of one without any tells."""
    public = context.data.public
    index = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", n_outcomes=3).index
    none = make_message("all", index, (0, 1, 2), np.zeros((0, 3)), public.digest).to_bytes()
    refused = decode_answer(context, "all", none)
    assert isinstance(refused, Screening)
    return int(refused.reason.partition("expected shape (")[2].partition(",")[0])


def test_the_honest_messages_are_taken(context: RunContext, messages: list[bytes]) -> None:
    for position, raw in enumerate(messages):
        name = context.settings.clients[position // 2].name
        assert isinstance(decode_answer(context, name, raw), ClientMessage)


@pytest.mark.parametrize("numbers", [FEW, LONG])
def test_a_spoilt_message_is_taken_or_refused(
    numbers: tuple[int, int], context: RunContext, messages: list[bytes]
) -> None:
    seen, slowest = {ClientMessage: 0, Screening: 0}, 0.0
    tracemalloc.start()
    for number, raw in enumerate(_cases(messages, numbers)):
        name = context.settings.clients[number % 3].name
        start = time.process_time()
        answer = decode_answer(context, name, raw)
        slowest = max(slowest, time.process_time() - start)
        seen[type(answer)] += 1
        if isinstance(answer, Screening):
            assert answer.reason.isprintable(), number
            assert 0 < len(answer.reason) <= SHORT, number
        else:
            assert answer.client == name
            assert np.isfinite(answer.probabilities).all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_BYTES
    assert slowest < 5.0
    assert seen[Screening] > 0.5 * (numbers[1] - numbers[0])


@pytest.mark.parametrize("numbers", [(0, 12), pytest.param((12, 400), marks=pytest.mark.long)])
def test_a_round_with_spoilt_messages_ends(
    numbers: tuple[int, int], context: RunContext, messages: list[bytes]
) -> None:
    for raw in _cases(messages, numbers):
        result = run_rounds(context, RecordedTransport([raw, raw, messages[4]]))
        assert result.records[2].status == "used"
        for record in result.records:
            assert record.reason.isprintable()
            record.model_dump_json()


@pytest.mark.parametrize("numbers", [(0, 150), pytest.param((150, 8000), marks=pytest.mark.long)])
def test_a_spoilt_request_is_answered_or_refused_by_a_code(
    numbers: tuple[int, int], query: bytes, messages: list[bytes], tmp_path: Path
) -> None:
    settings = load_experiment(TINY)
    path = write_data_files(settings, tmp_path / "data").clients[0]
    own = RemoteClientSettings(name="one class", backend="noisy_line", path=str(path), max_queries=10**6)
    client = RemoteClient(own, tmp_path / "client")

    class Outcome:
        def reply(self, request: object) -> bytes:
            del request
            return messages[0]

    codes: dict[RejectionCode | None, int] = {}
    with patch("qkd_qiskit.federation.remote_client.answer_request", return_value=Outcome()):
        assert client.reply(query) == messages[0]
        for number, raw in enumerate(_cases([query], numbers)):
            reply = client.reply(raw)
            code = decode_rejection(reply)
            codes[code] = codes.get(code, 0) + 1
            assert code is not None or reply == messages[0], number
    # Nothing unforeseen, and never more folders than the client grants.
    assert codes.get(RejectionCode.FAILED, 0) == 0
    assert codes[RejectionCode.NOT_A_QUERY] > 10
    assert len([path for path in (tmp_path / "client").iterdir() if path.is_dir()]) <= own.max_experiments


def _indices(numbers: tuple[int, int]) -> Iterator[int]:
    base = [
        VQCNNSpec(n_qubits=4, plan="conv, edge, conv", n_outcomes=3).index,
        VQCNNSpec(n_qubits=32, plan=["conv"] * 32, sharing="site").index,
        VQCNNSpec(n_qubits=8, encoding="amplitude", plan="conv, tree, conv", kernels="one_cx").index,
    ]
    for number in range(*numbers):
        rng = np.random.default_rng([11, number])
        index = base[int(rng.integers(len(base)))]
        kind = rng.integers(4)
        if kind == 0:
            yield int.from_bytes(rng.bytes(int(rng.integers(1, 1400))))
        elif kind == 1:
            yield index + int(rng.integers(-1000, 1000))
        elif kind == 2:
            yield index ^ (1 << int(rng.integers(index.bit_length() + 3)))
        else:
            yield index * int(rng.integers(2, 2**60)) + int(rng.integers(2**60))


def _decoded(index: int) -> tuple[VQCNNSpec | None, str]:
    try:
        return VQCNNSpec.from_index(index), ""
    except VQCNNError as error:
        return None, str(error)


@pytest.mark.parametrize("numbers", [(0, 500), pytest.param((500, 12_000), marks=pytest.mark.long)])
def test_an_index_is_that_of_its_spec_or_refused(numbers: tuple[int, int]) -> None:
    specs, slowest = 0, 0.0
    for index in _indices(numbers):
        start = time.process_time()
        spec, reason = _decoded(index)
        assert reason.isprintable()
        assert len(reason) <= SHORT
        if spec is not None:
            specs += 1
            assert spec.index == index
            assert len(spec.blocks) <= 992
            assert spec.n_weights <= 63_488
        slowest = max(slowest, time.process_time() - start)
    assert specs > 0.02 * (numbers[1] - numbers[0])
    assert slowest < 5.0
