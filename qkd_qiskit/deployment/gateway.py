"""The only way in to the server: known clients reach Flower's fleet interface through it, and nothing else.

Flower serves everything on one port, also the interface through which code is submitted. So the SuperLink
listens on the loopback address, and this gateway stands before it: it knows each client by its key before it
reads what it sends, bounds how much that may be and how many connections there are, and counts the bytes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qkd_qiskit.deployment.connections import Connection, Connections
from qkd_qiskit.deployment.credentials import ServerFiles
from qkd_qiskit.deployment.optional import H11Protocol, httpx, uvicorn
from qkd_qiskit.deployment.processes import LOOPBACK
from qkd_qiskit.deployment.replays import Freshness, SeenRequests
from qkd_qiskit.deployment.signatures import SignedHead, signed_head
from qkd_qiskit.errors import FederationError, StoreError
from qkd_qiskit.store.files import write_atomic

NOTICES = "notices.jsonl"
TRAFFIC = "traffic.json"
HELLO = "/v1/hello"
# A client may send this much at once, and as much again every minute.
REFILL_SECONDS = 60.0
_FLEET_CALL = re.compile(r"/v1/fleet/[a-z-]+")
_HOP_BY_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}
_START_SECONDS = 60.0
_BACKEND_SECONDS = 60.0
_QUIET_FLUSH = 1.0
_LAST_TURNS = 0.1
# What is too large is read to its end, as its sender would not hear the answer otherwise, but not for ever.
_PATIENCE = 8
# A request must end in this time, and its next bytes must come in that.
_REQUEST_SECONDS = 1800.0
_CHUNK_SECONDS = 30.0
_MOST_TO_LINK = 32
MOST_CONNECTIONS = 512
# The status of a request that may be a replay; its sender may sign anew.
TOO_EARLY = 425

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class ClientTraffic:
    """Bytes of one client, without the encryption around them.

    Attributes:
        up: All that it sent, heads of requests included.
        down: All that it was sent, heads of responses included.
        objects_up: Of these, parts of its answers.
        objects_down: Of these, parts of queries.
        refused: Of those that it sent, bytes of requests that were refused.
        requests: Number of requests.
    """

    up: int = 0
    down: int = 0
    objects_up: int = 0
    objects_down: int = 0
    refused: int = 0
    requests: int = 0


@dataclass
class _Allowance:
    """How much a client may send right now; it grows back with time."""

    limit: int
    left: float
    since: float

    def take(self, n_bytes: int, now: float) -> bool:
        self.left = min(self.limit, self.left + (now - self.since) * self.limit / REFILL_SECONDS)
        self.since = now
        if n_bytes > self.left:
            return False
        self.left -= n_bytes
        return True


@dataclass(frozen=True)
class _Upload:
    """The body of a request: None if it is too large, or broke off before its end."""

    body: bytes | None
    n_bytes: int
    ended: bool


@dataclass
class Gateway:
    """A server in a thread of this process.

    Attributes:
        host: Address to listen on.
        port: Port to listen on.
        files: Certificates and keys; the ones of the SuperLink.
        link_port: Where the SuperLink listens, on the loopback address.
        clients: Names by public key.
        limit: Most bytes of one upload, and of a minute's uploads of one client.
        state: Folder for `traffic.json` and `notices.jsonl`.
        tell: Called with what is refused, one line each.
        connections: Most connections at once.
    """

    host: str
    port: int
    files: ServerFiles
    link_port: int
    clients: Mapping[bytes, str]
    limit: int
    state: Path
    tell: Callable[[str], None] = lambda _line: None
    connections: int = MOST_CONNECTIONS
    traffic: dict[str, ClientTraffic] = field(default_factory=dict)
    _allowances: dict[str, _Allowance] = field(default_factory=dict)
    _reported: dict[str, float] = field(default_factory=dict)
    _flushed: float = 0.0
    _file: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Listen, in a thread.

        Raises:
            FederationError: If the address is taken, or not of this machine.
        """
        # Its messages are of no use here; without any handler they would go to standard error.
        logging.getLogger("uvicorn").addHandler(logging.NullHandler())
        self._connections = Connections(self.connections)
        config = uvicorn.Config(
            self._answer,
            host=self.host,
            port=self.port,
            http=self._protocol(),
            lifespan="off",
            ws="none",
            interface="asgi3",
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=2,
            ssl_certfile=self.files.certificate,
            ssl_keyfile=self.files.key,
        )
        self._server = uvicorn.Server(config)
        self._seen = SeenRequests(time.time())
        try:
            self._sockets = self._connections.listen(self.host, self.port)
        except OSError:
            raise FederationError(
                f"cannot listen on {self.host}:{self.port}: the address is taken, or not of this machine"
            ) from None
        self._thread = threading.Thread(target=self._serve, name="gateway", daemon=True)
        self._flush()
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise FederationError(f"cannot serve on {self.host}:{self.port}")
            time.sleep(0.05)

    def _protocol(self) -> type[asyncio.Protocol]:
        """Return what speaks HTTP on a connection, and bounds the head of a request."""
        connections = self._connections

        class Protocol(H11Protocol):
            """Tells of a connection whose handshake is over."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                connections.established(transport.get_extra_info("peername"), transport)

        return Protocol

    def stop(self) -> None:
        """Listen no longer, and write the last counts."""
        self._server.should_exit = True
        self._thread.join(10.0)
        self._flush()

    def _serve(self) -> None:
        asyncio.run(self._serve_all())

    async def _serve_all(self) -> None:
        context = ssl.create_default_context(cafile=str(self.files.authority))
        pool = httpx.Limits(max_connections=_MOST_TO_LINK, max_keepalive_connections=_MOST_TO_LINK)
        async with httpx.AsyncClient(
            verify=context, timeout=_BACKEND_SECONDS, trust_env=False, limits=pool
        ) as link:
            self._link = link
            watch = asyncio.create_task(self._connections.watch())
            await self._server.serve(self._sockets)
            watch.cancel()
        # The loop closes encrypted connections in its next turns.
        await asyncio.sleep(_LAST_TURNS)

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        with self._connections.request(scope.get("client")) as connection:
            try:
                async with asyncio.timeout(_REQUEST_SECONDS):
                    await self._answer_on(connection, scope, receive, send)
            except TimeoutError:
                if connection is not None:
                    connection.end()

    async def _answer_on(
        self, connection: Connection | None, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        path = str(scope["path"])
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        if scope["method"] != "POST" or not (_FLEET_CALL.fullmatch(path) or path == HELLO):
            await _refuse(send, 404, b"not here")
            return
        head = signed_head(headers, self.clients, path)
        if head is None:
            self._tell_seldom(f"refused a peer at {(scope.get('client') or ['?'])[0]}: not a known key")
            await _refuse(send, 401, b"not a known key")
            return
        freshness = self._seen.take(head, time.time())
        if freshness is Freshness.SEEN:
            self._tell_seldom(f"client {head.name}: refused a request that had come before")
            await _refuse(send, 401, b"a request that has come before")
            return
        if freshness is Freshness.TOO_EARLY:
            await _refuse(send, TOO_EARLY, b"signed before this server began; sign anew")
            return
        counts = self.traffic.setdefault(head.name, ClientTraffic())
        counts.requests += 1
        counts.up += len(path) + 16 + sum(len(k) + len(v) + 4 for k, v in headers.items())
        if connection is not None and not self._connections.belongs(connection, head.name):
            await _refuse(send, 503, b"too many requests at once; try again")
            return
        body = await self._body(receive, send, headers, head)
        if body is None:
            return
        if path == HELLO:
            await _reply(send, 200, head.name.encode())
            return
        status, returned, content = await self._forward(path, headers, body)
        counts.down += sum(len(k) + len(v) + 4 for k, v in returned) + 17 + len(content)
        if path.endswith("/push-object"):
            counts.objects_up += len(body)
        elif path.endswith("/pull-object"):
            counts.objects_down += len(content)
        if path.endswith("-object") or time.monotonic() - self._flushed > _QUIET_FLUSH:
            await asyncio.to_thread(self._flush)
        await _reply(send, status, content, returned)

    async def _body(
        self, receive: Receive, send: Send, headers: Mapping[str, str], head: SignedHead
    ) -> bytes | None:
        """Return the body of a request; None if it is refused, which its sender is told, or breaks off."""
        upload = await self._read(receive, headers, head.name)
        counts = self.traffic[head.name]
        counts.up += upload.n_bytes
        if upload.body is not None and head.is_of(upload.body):
            return upload.body
        counts.refused += upload.n_bytes
        await asyncio.to_thread(self._flush)
        if upload.body is not None:
            self._tell_seldom(f"client {head.name}: refused a body that its signature is not for")
            await _refuse(send, 401, b"the signature is for another body")
        elif upload.ended:
            reason = f"its upload was refused: more than {self.limit} bytes"
            self._notice(head.name, reason, upload.n_bytes)
            await _refuse(send, 413, b"too large")
        return None

    async def _read(self, receive: Receive, headers: Mapping[str, str], name: str) -> _Upload:
        """Read the body of a request; one that is too large is read to its end, but not kept."""
        allowance = self._allowances.setdefault(name, _Allowance(self.limit, self.limit, time.monotonic()))
        length = headers.get("content-length", "")
        fits = not length.isdecimal() or int(length) <= self.limit
        chunks: list[bytes] = []
        read = 0
        while True:
            try:
                event = await asyncio.wait_for(receive(), _CHUNK_SECONDS)
            except TimeoutError:
                return _Upload(None, read, ended=False)
            if event["type"] != "http.request":
                return _Upload(None, read, ended=False)
            chunk = event.get("body", b"")
            read += len(chunk)
            fits = fits and read <= self.limit and allowance.take(len(chunk), time.monotonic())
            if fits:
                chunks.append(chunk)
            else:
                chunks.clear()
            if not event.get("more_body", False) or read > _PATIENCE * self.limit:
                return _Upload(b"".join(chunks) if fits else None, read, ended=True)

    async def _forward(
        self, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        kept = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
        try:
            response = await self._link.post(
                f"https://{LOOPBACK}:{self.link_port}{path}", content=body, headers=kept
            )
        except httpx.HTTPError:
            # Clients try again after this status, as the SuperLink may be back by then.
            return 503, [], b"try again"
        returned = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers.items()
            if name.lower() not in _HOP_BY_HOP
        ]
        return response.status_code, returned, response.content

    def _notice(self, name: str, reason: str, n_bytes: int) -> None:
        self.tell(f"client {name}: {reason}")
        line = json.dumps({"client": name, "reason": reason, "bytes": n_bytes})
        # The round goes on without a word that cannot be written.
        with suppress(OSError), (self.state / NOTICES).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _tell_seldom(self, line: str) -> None:
        """Report a line at most once a minute: strangers must not fill the disk."""
        now = time.monotonic()
        if now - self._reported.get(line, -REFILL_SECONDS) >= REFILL_SECONDS and len(self._reported) < 1000:
            self._reported[line] = now
            self.tell(line)

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        with self._file:
            counts = {name: asdict(traffic) for name, traffic in list(self.traffic.items())}
            # The next time writes them again.
            with suppress(OSError, StoreError):
                write_atomic(self.state / TRAFFIC, json.dumps(counts))


async def _refuse(send: Send, status: int, why: bytes) -> None:
    """Answer a request that is not wanted, and ask for no other on its connection."""
    await _reply(send, status, why, [(b"content-type", b"text/plain"), (b"connection", b"close")])


async def _reply(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    whole = [*(headers or [(b"content-type", b"text/plain")]), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": whole})
    await send({"type": "http.response.body", "body": body})
