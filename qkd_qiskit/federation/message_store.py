"""Messages of one round in the run's database: memory holds one at a time, and a restart loses none."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from qkd_qiskit.distillation import ClientMessage
from qkd_qiskit.errors import StoreError
from qkd_qiskit.store.database import Database
from qkd_qiskit.store.guard import guarded
from qkd_qiskit.store.sealing import seal_bytes, unseal_bytes

_LOG = logging.getLogger(__name__)


class MessageStore:
    """Keeps messages by the client's position.

    Answers to one request are kept apart from those to another one, and late ones from those in time.

    Attributes:
        positions: Clients whose messages are kept.
    """

    def __init__(
        self, folder: Path | None, request: bytes, *, late: bool = False, resume: bool = True
    ) -> None:
        """Open the messages that answer a request.

        Args:
            folder: Folder of the database; None keeps messages in memory.
            request: What the messages answer.
            late: Whether they came late.
            resume: Whether to go on with kept ones; otherwise they are deleted.

        Raises:
            StoreError: If the database cannot be read or written. A damaged message counts as none, with a
                warning.
        """
        self.positions: set[int] = set()
        self._memory: dict[int, ClientMessage] = {}
        self._folder = folder
        self._place = (hashlib.sha256(request).hexdigest(), int(late))
        if folder is None:
            return
        with Database(folder) as database:
            if not resume:
                database.execute("DELETE FROM message WHERE request = ? AND late = ?", *self._place)
            rows = database.rows("SELECT client FROM message WHERE request = ? AND late = ?", *self._place)
            for (position,) in rows:
                try:
                    unseal_bytes(self._data(database, position))
                except ValueError as error:
                    _LOG.warning("answer %s in %s: %s; it counts as none", position, database.path, error)
                else:
                    self.positions.add(position)

    def keep(self, position: int, message: ClientMessage) -> None:
        """Keep a message.

        Args:
            position: Position of the client.
            message: Its message.

        Raises:
            StoreError: If the database cannot be written.
        """
        if self._folder is None:
            self._memory[position] = message
        else:
            with Database(self._folder) as database:
                database.execute(
                    "INSERT OR REPLACE INTO message (request, late, client, data) VALUES (?, ?, ?, ?)",
                    *(*self._place, position, seal_bytes(message.to_bytes())),
                )
        self.positions.add(position)

    def remove(self, position: int) -> None:
        """Keep a client's message no longer.

        Args:
            position: One of `positions`.

        Raises:
            StoreError: If the database cannot be written.
        """
        if self._folder is None:
            del self._memory[position]
        else:
            with Database(self._folder) as database:
                database.execute(
                    "DELETE FROM message WHERE request = ? AND late = ? AND client = ?",
                    *(*self._place, position),
                )
        self.positions.remove(position)

    def message(self, position: int) -> ClientMessage:
        """Return a kept message.

        Args:
            position: One of `positions`.

        Raises:
            StoreError: If the database cannot be read, or has been damaged since.
            DistillationError: If what it holds is no message.
        """
        if self._folder is None:
            return self._memory[position]
        with Database(self._folder) as database, guarded(StoreError, f"answer {position} in {database.path}"):
            data = unseal_bytes(self._data(database, position))
        return ClientMessage.from_bytes(data)

    def _data(self, database: Database, position: int) -> object:
        ((data,),) = database.rows(
            "SELECT data FROM message WHERE request = ? AND late = ? AND client = ?",
            *(*self._place, position),
        )
        return data
