"""Strangers who hold connections and say nothing: the server keeps descriptors, and clients get through."""

from __future__ import annotations

import json
import os
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from qkd_qiskit.deployment import connections as module
from qkd_qiskit.deployment.client_node import hello
from qkd_qiskit.deployment.connections import HEAD_SECONDS, IDLE_SECONDS, MOST_BY_CLIENT, Connections
from qkd_qiskit.deployment.processes import Tail, free_port
from qkd_qiskit.deployment.scarce import when_readable
from qkd_qiskit.deployment.signatures import load_private_key
from qkd_qiskit.errors import FederationError
from qkd_qiskit.store import read_bytes

# A gateway with few descriptors and short deadlines, and the watcher of progress beside it.
_SERVE = """
import json, resource, sys, time
from pathlib import Path
from qkd_qiskit.deployment import connections
from qkd_qiskit.deployment.credentials import ServerFiles
from qkd_qiskit.deployment.gateway import Gateway
from qkd_qiskit.deployment.processes import Tail
from qkd_qiskit.deployment.signatures import load_public_key

folder, public, state, port, descriptors, most, seconds = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
connections.HEAD_SECONDS = seconds
clients = {load_public_key(Path(public)): "A"}
gateway = Gateway(
    "127.0.0.1", port, ServerFiles.below(Path(folder)), port, clients, 10**6, Path(state), connections=most
)
gateway.start()
print("ready", flush=True)
tail = Tail(Path(state) / "progress.log", lambda line: print(line, flush=True))
while not (Path(state) / "stop").exists():
    tail.poll()
    time.sleep(0.05)
gateway.stop()
"""


class Server:
    """The process of a gateway."""

    def __init__(self, keys: Any, state: Path, *, descriptors: int, most: int, seconds: float) -> None:
        self.port, self.state = free_port(), state
        told = [keys.folder, keys.public("A"), state, self.port, descriptors, most, seconds]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, json.dumps(told, default=str)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def told(self, line: str) -> str:
        """What the watcher passes on when a line is added to the progress."""
        with (self.state / "progress.log").open("a") as file:
            file.write(line + "\n")
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def stop(self) -> None:
        (self.state / "stop").touch()
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0


@pytest.fixture
def serve(keys: Any, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def serve(**limits: Any) -> Server:
        made.append(Server(keys, tmp_path, **limits))
        return made[-1]

    yield serve
    for server in made:
        server.process.kill()
        server.process.communicate()


def idle_connections(server: Server, keys: Any, count: int) -> list[socket.socket]:
    """Connections that say nothing, in turn before, after the handshake and in the midst of a head."""
    context = ssl.create_default_context(cafile=str(keys.server.authority))
    found: list[socket.socket] = []
    for number in range(count):
        made = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        with suppress(OSError):
            if number % 3:
                made = context.wrap_socket(made, server_hostname="127.0.0.1")
            if number % 3 == 2:
                made.sendall(b"POST /v1/hello HTTP/1.1\r\nhost: x\r\nx-slow: ")
        found.append(made)
    return found


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except (TimeoutError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


@pytest.mark.parametrize("most", [512, 40])
def test_idle_strangers_end_neither_the_server_nor_its_watcher(
    most: int, serve: Callable[..., Server], keys: Any
) -> None:
    """More than the descriptors that the server has, and more than the connections that it allows."""
    server = serve(descriptors=128, most=most, seconds=600.0)
    idle = idle_connections(server, keys, 200)
    try:
        assert server.descriptors() < 128
        key = load_private_key(keys.private("A"))
        for number in range(3):
            assert hello(f"127.0.0.1:{server.port}", keys.server.authority, key) == "A"
            assert server.told(f"line {number}") == f"line {number}"
        server.stop()
    finally:
        for connection in idle:
            connection.close()


def test_a_head_has_a_deadline(serve: Callable[..., Server], keys: Any) -> None:
    server = serve(descriptors=256, most=512, seconds=1.0)
    before = server.descriptors()
    idle = idle_connections(server, keys, 30)
    try:
        deadline = time.monotonic() + 30
        while not all(map(is_closed, idle)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        while server.descriptors() > before + 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        for connection in idle:
            connection.close()


class Side:
    """One accepted connection, as the caps see it."""

    def __init__(self, port: int, address: str = "10.0.0.1", descriptor: int = 10) -> None:
        self.address, self.descriptor, self.ended = (address, port), descriptor, False

    def fileno(self) -> int:
        return self.descriptor

    def shutdown(self, how: int) -> None:
        self.ended = True


def admitted(table: Connections, side: Side) -> bool:
    return table.admit(side, side.address)  # type: ignore[arg-type]


def close_ended(table: Connections, sides: list[Side]) -> None:
    for side in sides:
        if side.ended:
            table.forget(side)  # type: ignore[arg-type]


def test_a_new_stranger_takes_the_place_of_the_oldest() -> None:
    table, sides = Connections(3), [Side(port, f"10.0.0.{port}") for port in range(5)]
    assert all(admitted(table, side) for side in sides)
    assert [side.ended for side in sides] == [True, True, False, False, False]
    close_ended(table, sides)
    assert len(table) == 3


def test_no_client_loses_its_place_to_a_stranger() -> None:
    table, sides = Connections(3), [Side(port, f"10.0.0.{port}") for port in range(30)]
    for side in sides[:2]:
        assert admitted(table, side)
        with table.request(side.address) as connection:
            assert connection is not None
            assert table.belongs(connection, "A")
    for side in sides[2:]:
        assert admitted(table, side)
        close_ended(table, sides)
    assert [side.ended for side in sides] == [False] * 2 + [True] * 27 + [False]


@pytest.mark.parametrize(
    ("addresses", "kept"),
    [
        (["10.0.0.1"], 4),
        (["10.0.0.1", "10.0.0.2"], 8),
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"], 4),
        (["2001:db8::1", "2001:db8:0:1::1"], 8),
        (["::ffff:10.0.0.1", "10.0.0.1"], 4),
        (["fe80::1%eth0", "fe80::2%eth1"], 4),
    ],
)
def test_strangers_of_one_address_have_a_cap(addresses: list[str], kept: int) -> None:
    table = Connections(100, most_by_address=4)
    sides = [Side(port, address) for port in range(20) for address in addresses]
    for side in sides:
        assert admitted(table, side)
        close_ended(table, sides)
    assert len(table) == kept


def test_without_any_place_a_stranger_is_refused() -> None:
    table, sides = Connections(2), [Side(port) for port in range(3)]
    for side in sides[:2]:
        assert admitted(table, side)
    with table.request(sides[0].address), table.request(sides[1].address):
        assert not admitted(table, sides[2])
    assert admitted(table, sides[2])


def test_descriptors_are_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = (400, resource.RLIM_INFINITY)
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: limits)
    table, old, last, beyond = Connections(10**6), Side(1), Side(2, descriptor=336), Side(3, descriptor=368)
    assert admitted(table, old)
    assert not old.ended
    assert admitted(table, last)
    assert old.ended
    assert not admitted(table, beyond)
    limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert admitted(table, Side(4, descriptor=10**6))


def test_a_client_has_a_cap_of_its_own_and_a_longer_deadline() -> None:
    table, sides = Connections(500), [Side(port) for port in range(MOST_BY_CLIENT + 1)]
    for side in sides:
        assert admitted(table, side)
        with table.request(side.address) as connection:
            assert connection is not None
            assert table.belongs(connection, "A")
    assert [side.ended for side in sides] == [True] + [False] * MOST_BY_CLIENT
    stranger = Side(999)
    assert admitted(table, stranger)
    now = time.monotonic()
    table.end_overdue(now + HEAD_SECONDS + 1)
    assert (stranger.ended, sides[1].ended) == (True, False)
    with table.request(sides[2].address):
        table.end_overdue(now + IDLE_SECONDS + 1)
    assert (sides[1].ended, sides[2].ended) == (True, False)


def test_an_established_connection_ends_whatever_it_has_to_write() -> None:
    table, side, aborted = Connections(5), Side(1), []

    class Transport:
        def abort(self) -> None:
            aborted.append(True)

    assert admitted(table, side)
    transport: Any = Transport()
    table.established(("10.0.0.9", 1), transport)
    table.established(side.address, transport)
    table.end_overdue(time.monotonic() + HEAD_SECONDS + 1)
    assert aborted == [True]


def test_what_is_closed_meanwhile_is_nobodys() -> None:
    table = Connections(5)
    with table.request(("10.0.0.9", 1)) as connection:
        assert connection is None
    with table.request(None) as connection:
        assert connection is None


def test_an_address_that_is_taken_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Connections(5).listen("127.0.0.1", taken.getsockname()[1])


def test_a_watcher_survives_a_shortage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    log = tmp_path / "log"
    log.write_text("one\n")
    tail = Tail(log, told.append)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        tail.poll()
        with pytest.raises(OSError, match="Too many open files"):
            when_readable(log.read_bytes, patience=0.3)
        start = time.monotonic()
        with pytest.raises(FederationError, match="Too many open files"):
            when_readable(lambda: read_bytes(log, FederationError), patience=0.3)
        assert time.monotonic() - start > 0.3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert told == []
    tail.poll()
    assert told == ["one"]
    with log.open("a") as file:
        file.write("\x1b[2Jtwo\n")
    tail.poll()
    assert told == ["one", r"\x1b[2Jtwo"]
    log.write_text("3\n")
    tail.poll()
    assert told[-1] == "3"
    assert when_readable(log.read_text) == "3\n"
    with pytest.raises(OSError, match="No such file"):
        when_readable((tmp_path / "nothing").read_bytes)
    with pytest.raises(FederationError, match="cannot read .*nothing: No such file"):
        when_readable(lambda: read_bytes(tmp_path / "nothing", FederationError))
