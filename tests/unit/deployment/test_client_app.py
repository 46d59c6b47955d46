from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from qkd_qiskit.config import load_experiment
from qkd_qiskit.deployment import client_app
from qkd_qiskit.deployment.client_app import LOGGER, _logged, reply_to
from qkd_qiskit.deployment.settings import CLIENT_LOG, CLIENT_VARIABLE, NODE_KEY
from qkd_qiskit.deployment.setup import make_federation
from qkd_qiskit.deployment.transport import ANSWER, KIND, QUERY, RAW
from qkd_qiskit.federation import RejectionCode, decode_rejection

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")


def message(content: Any, kind: str = KIND, error: bool = False) -> Any:
    return SimpleNamespace(
        content=content, metadata=SimpleNamespace(message_type=kind), has_error=lambda: error
    )


def query(raw: Any) -> RecordDict:
    return RecordDict({QUERY: ConfigRecord({RAW: raw})})


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = make_federation(tmp_path / "federation", load_experiment(TINY)).clients[0]
    monkeypatch.setenv(CLIENT_VARIABLE, str(path))
    return path


@pytest.mark.parametrize(
    "wrong",
    [
        message(query(b"x"), kind="train"),
        message(query(b"x"), error=True),
        message(RecordDict()),
        message(query("text")),
        message(query(7)),
    ],
)
def test_what_is_no_query_of_this_package_gets_a_plain_code(wrong: Any) -> None:
    assert decode_rejection(reply_to(wrong)) is RejectionCode.NOT_A_QUERY


def test_garbage_is_refused_and_the_text_stays_here(client: Path) -> None:
    answer = reply_to(message(query(b"garbage")))
    assert decode_rejection(answer) is RejectionCode.NOT_A_QUERY
    assert len(answer) < 64
    assert "refused with code not_a_query" in (client.with_suffix("") / CLIENT_LOG).read_text()
    assert not logging.getLogger("qkd_qiskit.federation").handlers


@pytest.mark.parametrize(
    "error", [OSError("/home/a/secret.npz"), MemoryError(), RecursionError(), KeyError("x")]
)
def test_no_error_leaves_the_client(
    error: Exception, client: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(client_app, "RemoteClient", fail)
    assert decode_rejection(reply_to(message(query(b"x")))) is RejectionCode.FAILED
    assert "answering failed" in caplog.text


def test_without_settings_it_fails_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLIENT_VARIABLE, raising=False)
    assert decode_rejection(reply_to(message(query(b"x")))) is RejectionCode.FAILED


def test_a_supernode_of_somebody_else_names_the_client_in_its_configuration(
    client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CLIENT_VARIABLE)
    for name in ("run_id", "node_id", "task_id"):
        monkeypatch.setattr(TaskIdentity, f"_{name}", 1)
    asked = Message(query(b"garbage"), dst_node_id=1, message_type=KIND)
    asked.metadata.__dict__["_message_id"] = "m"
    context: Any = SimpleNamespace(node_config={NODE_KEY: str(client)})
    answer = client_app.app(asked, context).content[ANSWER][RAW]
    assert decode_rejection(answer) is RejectionCode.NOT_A_QUERY
    assert "refused with code not_a_query" in (client.with_suffix("") / CLIENT_LOG).read_text()


_HUNGRY = """
import resource, sys
from qkd_qiskit.deployment.client_app import limited_memory
before = resource.getrlimit(resource.RLIMIT_DATA)
try:
    with limited_memory(2**30):
        bytearray(2**31)
except MemoryError:
    print("none", resource.getrlimit(resource.RLIMIT_DATA) == before)
print(len(bytearray(2**31)) == 2**31)
"""


def test_memory_is_limited_while_a_request_is_answered() -> None:
    done = subprocess.run([sys.executable, "-c", _HUNGRY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["none", "True", "True"]


def test_the_log_of_refusals_does_not_grow_for_ever(tmp_path: Path) -> None:
    with _logged(tmp_path / "client.log"):
        for _ in range(3):
            LOGGER.error("x" * (3 * 2**20))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 9 * 2**20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["client.log", "client.log.1"]
