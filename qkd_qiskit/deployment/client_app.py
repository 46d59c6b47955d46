"""What runs in a client's process for each message: the installed package's own answer, and nothing else."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qkd_qiskit.deployment.settings import CLIENT_LOG, CLIENT_VARIABLE, load_client
from qkd_qiskit.deployment.transport import ANSWER, KIND, QUERY, RAW
from qkd_qiskit.federation.rejection import RejectionCode, encode_rejection
from qkd_qiskit.federation.remote_client import RemoteClient

if TYPE_CHECKING:
    from flwr.app import Context, Message
    from flwr.clientapp import ClientApp

LOGGER = logging.getLogger("qkd_qiskit.federation")

__all__ = ["app"]  # noqa: F822


def reply_to(message: Message) -> bytes:
    """The bytes that answer a message; an error becomes a plain code, its text stays in the client's log.

    Args:
        message: Of this package or not.
    """
    try:
        raw = _query(message)
        if raw is None:
            return encode_rejection(RejectionCode.NOT_A_QUERY)
        told = load_client(Path(os.environ[CLIENT_VARIABLE]))
        with _logged(Path(told.folder) / CLIENT_LOG):
            return RemoteClient(told.client, Path(told.folder)).reply(raw)
    except Exception:
        LOGGER.exception("answering failed")
        return encode_rejection(RejectionCode.FAILED)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Let this package's log, and nobody else's, go to a file meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
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


def make_client_app() -> ClientApp:
    """The ClientApp: it answers every message, of whatever type, and never raises."""
    from flwr.app import ConfigRecord, Message, RecordDict
    from flwr.clientapp import ClientApp

    class _Client(ClientApp):
        def __call__(self, message: Message, context: Context) -> Message:
            content = RecordDict({ANSWER: ConfigRecord({RAW: reply_to(message)})})
            return Message(content, reply_to=message)

    return _Client()


def __getattr__(name: str) -> ClientApp:
    # Flower looks for a module attribute; made on demand, so that importing this module needs no Flower.
    if name == "app":
        return make_client_app()
    raise AttributeError(name)
