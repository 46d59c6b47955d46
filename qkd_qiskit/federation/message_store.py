"""Messages of one round: on disk, so that memory holds one at a time and a restart loses none."""

from __future__ import annotations

import hashlib
from pathlib import Path

from qkd_qiskit.distillation import ClientMessage
from qkd_qiskit.errors import FederationError
from qkd_qiskit.store.files import write_atomic

_SUFFIX = ".message"


class MessageStore:
    """Keeps answers by the client's position.

    Those to one query lie in one folder, so that answers to another one are never mistaken for them.
    """

    def __init__(self, folder: Path | None, query: bytes) -> None:
        """Open the inbox of a query.

        Args:
            folder: Where the inboxes of a run lie; None keeps answers in memory.
            query: What is asked.

        Raises:
            FederationError: If the folder cannot be read or written.
        """
        self._memory: dict[int, ClientMessage] = {}
        self._folder = folder and folder / hashlib.sha256(query).hexdigest()[:16]
        self.positions: set[int] = set()
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            kept = [path.stem for path in self._folder.glob(f"*{_SUFFIX}")]
        except OSError as error:
            raise _unusable(self._folder, error) from None
        self.positions = {int(name) for name in kept if name.isdecimal()}

    def keep(self, position: int, message: ClientMessage) -> None:
        """Keep a message.

        Args:
            position: Position of the client.
            message: Its message.

        Raises:
            FederationError: If it cannot be written.
        """
        if self._folder is None:
            self._memory[position] = message
        else:
            try:
                write_atomic(self._path(self._folder, position), message.to_bytes())
            except OSError as error:
                raise _unusable(self._folder, error) from None
        self.positions.add(position)

    def message(self, position: int) -> ClientMessage:
        """Return a kept message.

        Args:
            position: Position of the client.

        Raises:
            FederationError: If it cannot be read.
        """
        if self._folder is None:
            return self._memory[position]
        try:
            return ClientMessage.from_bytes(self._path(self._folder, position).read_bytes())
        except OSError as error:
            raise _unusable(self._folder, error) from None

    @staticmethod
    def _path(folder: Path, position: int) -> Path:
        return folder / f"{position}{_SUFFIX}"


def _unusable(folder: Path, error: OSError) -> FederationError:
    return FederationError(f"answers of clients in {folder}: {error.strerror or error}")
