"""What runs in a client's process for each message: the installed package's own answer, and nothing else."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from qkd_qiskit.deployment.flower import ClientApp, ConfigRecord, Context, Message, RecordDict
from qkd_qiskit.deployment.settings import CLIENT_LOG, CLIENT_VARIABLE, NODE_KEY, load_client
from qkd_qiskit.deployment.transport import ANSWER, KIND, QUERY, RAW
from qkd_qiskit.federation.rejection import RejectionCode, encode_rejection
from qkd_qiskit.federation.remote_client import RemoteClient

_LOG_BYTES = 4 * 2**20
"""A server that asks for nonsense must not fill the disk with the log of it."""
LOGGER = logging.getLogger("qkd_qiskit")


def reply_to(message: Message, path: str | None = None) -> bytes:
    """Return the bytes that answer a message; an error becomes a plain code, its text stays in the log here.

    Args:
        message: Of this package or not.
        path: The client's TOML file; None reads its name from the environment.
    """
    try:
        raw = _query(message)
        if raw is None:
            return encode_rejection(RejectionCode.NOT_A_QUERY)
        settings = load_client(Path(path or os.environ[CLIENT_VARIABLE]))
        with _logged(Path(settings.folder) / CLIENT_LOG), limited_memory(settings.client.max_memory_bytes):
            return RemoteClient(settings.client, Path(settings.folder)).reply(raw)
    except Exception:
        LOGGER.exception("answering failed")
        return encode_rejection(RejectionCode.FAILED)


@contextmanager
def limited_memory(most: int) -> Iterator[None]:
    """Let this process have no more memory than a client grants, as long as it answers.

    What a request takes is estimated before; this holds where the estimate does not.

    Args:
        most: Bytes of data, the program's own included.
    """
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Let this package's log, and nobody else's, go to a file meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        handler.close()


def _query(message: Message) -> bytes | None:
    if message.metadata.message_type != KIND or message.has_error():
        return None
    try:
        raw: Any = message.content[QUERY][RAW]
    except (KeyError, TypeError):
        return None
    return raw if isinstance(raw, bytes) else None


class _Client(ClientApp):
    """Answers every message, of whatever type, and never raises."""

    def __call__(self, message: Message, context: Context) -> Message:
        """Answer one message.

        A SuperNode that somebody else has set up names the client's file in its configuration.
        """
        path = context.node_config.get(NODE_KEY)
        answer = reply_to(message, None if path is None else str(path))
        return Message(RecordDict({ANSWER: ConfigRecord({RAW: answer})}), reply_to=message)


app = _Client()
