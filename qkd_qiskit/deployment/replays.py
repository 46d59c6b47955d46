"""Requests that have come before: each signed request counts once, also after a restart of the server."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from enum import Enum, auto

from qkd_qiskit.deployment.signatures import OLDEST, YOUNGEST, SignedHead

_MOST = 20_000


class Freshness(Enum):
    """What is known of a signed request."""

    FRESH = auto()
    SEEN = auto()
    TOO_EARLY = auto()


@dataclass
class SeenRequests:
    """Requests of each client that are young enough to come again.

    Attributes:
        since: Requests signed before this moment are refused, in seconds since 1970: whether they have come
            before nobody knows any more.
        most: Requests of one client that are remembered. Of more, the oldest are forgotten, and nothing as
            old is taken from this client any more.
    """

    since: float
    most: int = _MOST
    _nonces: dict[str, set[str]] = field(default_factory=dict)
    _times: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    _floors: dict[str, float] = field(default_factory=dict)

    def take(self, head: SignedHead, now: float) -> Freshness:
        """Say whether a request is new, and remember it.

        Args:
            head: Its head, whose signature holds.
            now: Seconds since 1970.
        """
        times, nonces = self._times.setdefault(head.name, []), self._nonces.setdefault(head.name, set())
        # What is older than any valid signature comes in no more.
        while times and (times[0][0] < now - OLDEST + YOUNGEST or len(times) >= self.most):
            time, nonce = heapq.heappop(times)
            nonces.remove(nonce)
            self._floors[head.name] = max(time, self._floors.get(head.name, self.since))
        if head.nonce in nonces:
            return Freshness.SEEN
        if head.time <= self._floors.get(head.name, self.since):
            return Freshness.TOO_EARLY
        heapq.heappush(times, (head.time, head.nonce))
        nonces.add(head.nonce)
        return Freshness.FRESH
