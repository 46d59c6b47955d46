"""The seam between the round and whatever carries its bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Arrival:
    """What came of asking one client.

    Attributes:
        position: Position of the client in the settings.
        raw: Its answer or its refusal, as it travelled; None for silence.
        reason: Why there is nothing, in the server's own words; empty where there is something.
        late: Whether it belongs to an earlier query, whose time is over.
    """

    position: int
    raw: bytes | None
    reason: str = ""
    late: bool = False


class Transport(Protocol):
    """Carries queries to clients, and answers back."""

    def exchange(self, queries: Mapping[int, bytes], *, timeout: float) -> Iterator[Arrival]:
        """Ask clients.

        Args:
            queries: Position of each client that is asked, and what it is asked.
            timeout: Seconds after which those that have not answered count as silent.

        Yields:
            One arrival a client, as they come in, in any order. Whoever is not among them is silent.
        """
        ...
