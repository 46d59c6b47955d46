"""Who may hold a connection to the gateway, and how long: strangers must not use up the descriptors.

A connection is a stranger's until a request on it has proved who sends it. Strangers have a short deadline,
and a cap in all and for each address: a new connection takes the place of the stranger that has waited
longest. Connections of clients have a longer deadline between two requests and a cap by client; none loses
its place while a stranger has one. Some descriptors are reserved for the process itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

HEAD_SECONDS = 15.0
"""How long a stranger has for the handshake and the head of its first request."""
IDLE_SECONDS = 90.0
"""How long a client's connection may wait for the next request, or for the rest of its head."""
MOST_BY_ADDRESS = 64
MOST_BY_CLIENT = 32
MOST_REQUESTS = 16
"""Requests of one client that are answered at once."""
RESERVE = 64
"""Descriptors for the process's own files, and its connections to the SuperLink."""
_LOOK_SECONDS = 0.5
# Connections that are told to end and have not yet: as many may be accepted beyond a cap.
_MOST_ENDING = 16
_BACKLOG = 128

Peer = tuple[str, int]


@dataclass(eq=False)
class Connection:
    """One open connection.

    Attributes:
        socket: Its socket.
        peer: Address and port of the other side.
        group: What counts as one address: an IPv4 address, or the first half of an IPv6 address.
        since: When it was opened, or its last request was answered.
        client: Name of the client whose it is; None as long as it is a stranger's.
        busy: Whether a request is being answered.
        ending: Whether it was told to end.
        transport: What reads and writes once the handshake is over.
    """

    socket: socket.socket
    peer: Peer
    group: str
    since: float
    client: str | None = None
    busy: bool = False
    ending: bool = False
    transport: asyncio.WriteTransport | None = None

    def end(self) -> None:
        """Close it, whatever is still to be read or written."""
        self.ending = True
        if self.transport is not None:
            self.transport.abort()
        # Whoever waits in the handshake sees the end of what it reads.
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Connections:
    """All open connections of a server; used in the thread of its event loop."""

    def __init__(self, most: int, *, most_by_address: int = MOST_BY_ADDRESS) -> None:
        """Start without any.

        Args:
            most: Most connections in all.
            most_by_address: Most connections of strangers from one address.
        """
        self.most = most
        self._most_by_address = most_by_address
        # In the order in which they were opened.
        self._open: dict[Peer, Connection] = {}

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._open)

    def listen(self, host: str, port: int) -> list[socket.socket]:
        """Return sockets that listen, one for each address of a host, and accept what the caps allow.

        Args:
            host: A name or an address of this machine.
            port: The port.

        Raises:
            OSError: If the address is taken, or not of this machine.
        """
        found: list[socket.socket] = []
        try:
            places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, place in dict.fromkeys((place[0], place[4]) for place in places):
                plain = socket.create_server((place[0], port), family=family, backlog=_BACKLOG)
                found.append(_Listener(self, plain.detach()))
        except BaseException:
            for made in found:
                made.close()
            raise
        return found

    def established(self, peer: Peer, transport: asyncio.WriteTransport) -> None:
        """Take note that the handshake of a connection is over.

        Args:
            peer: Address and port of the other side.
            transport: What reads and writes.
        """
        connection = self._open.get((peer[0], peer[1]))
        if connection is not None:
            connection.transport = transport

    @contextmanager
    def request(self, peer: Peer | None) -> Iterator[Connection | None]:
        """Keep a connection open while a request on it is answered.

        Args:
            peer: Address and port of the other side.

        Yields:
            The connection; None if it is closed already.
        """
        connection = None if peer is None else self._open.get((peer[0], peer[1]))
        if connection is None:
            yield None
            return
        connection.busy = True
        try:
            yield connection
        finally:
            connection.busy = False
            connection.since = time.monotonic()

    def belongs(self, connection: Connection, client: str) -> bool:
        """Take note whose a connection is; return whether one more request of this client is answered.

        Args:
            connection: The connection, busy with the request.
            client: Name of the client.
        """
        connection.client = client
        own = [other for other in self._open.values() if other.client == client and not other.ending]
        if len(own) > MOST_BY_CLIENT:
            self._end_oldest([other for other in own if not other.busy])
        return sum(other.busy for other in own) <= MOST_REQUESTS

    async def watch(self) -> None:
        """End connections whose time is over, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.end_overdue(time.monotonic())

    def end_overdue(self, now: float) -> None:
        """End connections that have waited too long.

        Args:
            now: The time, as `time.monotonic` gives it.
        """
        for connection in list(self._open.values()):
            granted = HEAD_SECONDS if connection.client is None else IDLE_SECONDS
            if not connection.busy and now - connection.since > granted:
                connection.end()

    def has_time(self) -> bool:
        """Return whether enough of those that were told to end have ended, so that more may be accepted."""
        return sum(connection.ending for connection in self._open.values()) < _MOST_ENDING

    def admit(self, accepted: socket.socket, address: Any) -> bool:
        """Take a new connection in, or return that it must be closed.

        Args:
            accepted: Its socket.
            address: What the system says of the other side.
        """
        peer = (str(address[0]), int(address[1]))
        made = Connection(accepted, peer, _group(peer[0]), time.monotonic())
        ending = any(other.ending for other in self._open.values())
        staying = [other for other in self._open.values() if not other.ending]
        strangers = [other for other in staying if other.client is None and not other.busy]
        near = [other for other in strangers if other.group == made.group]
        if len(near) >= self._most_by_address:
            self._end_oldest(near)
        limit = _descriptors()
        reserve = min(RESERVE, limit // 4)
        if len(staying) >= self.most or accepted.fileno() >= limit - reserve:
            idle = [other for other in staying if other.client is not None and not other.busy]
            places = strangers or ([] if ending else idle)
            self._end_oldest(places)
            # Until the other one has ended, the new one's descriptor comes from the reserve.
            if not (places or ending) or accepted.fileno() >= limit - reserve // 2:
                return False
        self._open[peer] = made
        return True

    def forget(self, closed: socket.socket) -> None:
        """Take note that a connection is closed."""
        for peer, connection in self._open.items():
            if connection.socket is closed:
                del self._open[peer]
                return

    def _end_oldest(self, connections: list[Connection]) -> None:
        if connections:
            min(connections, key=lambda connection: connection.since).end()


class _Accepted(socket.socket):
    """The socket of a connection, which tells when it is closed."""

    def __init__(self, connections: Connections, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._connections = connections

    def close(self) -> None:
        self._connections.forget(self)
        super().close()


class _Listener(socket.socket):
    """A listening socket that accepts what the caps allow."""

    def __init__(self, connections: Connections, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._connections = connections

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection; one that is not let in is closed.

        Raises:
            BlockingIOError: If nobody waits, or others must end first.
        """
        for _ in range(_BACKLOG):
            if not self._connections.has_time():
                break
            plain, address = super().accept()
            accepted = _Accepted(self._connections, plain.detach())
            if self._connections.admit(accepted, address):
                return accepted, address
            accepted.close()
        raise BlockingIOError


def _group(address: str) -> str:
    found = ipaddress.ip_address(address.partition("%")[0])
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else found.exploded[:19]


def _descriptors() -> int:
    """Return how many descriptors this process may have."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2**31 if limit == resource.RLIM_INFINITY else limit
