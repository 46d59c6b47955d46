from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from qkd_qiskit.deployment import connections
from qkd_qiskit.deployment.client_node import hello
from qkd_qiskit.deployment.credentials import ServerFiles, make_server_files
from qkd_qiskit.deployment.gateway import NOTICES, TRAFFIC, Gateway
from qkd_qiskit.deployment.processes import free_port
from qkd_qiskit.deployment.replays import SeenRequests
from qkd_qiskit.deployment.signatures import load_private_key, load_public_key, signed_headers
from qkd_qiskit.errors import FederationError

LIMIT = 200_000


class Backend:
    """Stands for the SuperLink: remembers what it was asked, answers with as many bytes as it got."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], int]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["path"], headers, len(body)))
        await send({"type": "http.response.start", "status": 207, "headers": [(b"flwr-told", b"yes")]})
        await send({"type": "http.response.body", "body": body[::-1]})


@pytest.fixture
def backend(keys: Any) -> Iterator[tuple[Backend, int]]:
    app, port = Backend(), free_port()
    config = uvicorn.Config(
        app,
        port=port,
        lifespan="off",
        ws="none",
        interface="asgi3",
        timeout_graceful_shutdown=1,
        log_config=None,
        ssl_certfile=keys.server.certificate,
        ssl_keyfile=keys.server.key,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    yield app, port
    server.should_exit = True
    thread.join()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def gateway(keys: Any, backend: tuple[Backend, int], tmp_path: Path, lines: list[str]) -> Iterator[Gateway]:
    known = {load_public_key(keys.public(name)): name for name in ("A", "B")}
    made = Gateway("127.0.0.1", free_port(), keys.server, backend[1], known, LIMIT, tmp_path, lines.append)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def ask(gateway: Gateway, keys: Any) -> Iterator[Any]:
    context = ssl.create_default_context(cafile=str(keys.server.authority))
    with httpx.Client(verify=context, base_url=f"https://127.0.0.1:{gateway.port}") as client:

        def ask(path: str, name: str | None = "A", **more: Any) -> httpx.Response:
            request = client.build_request(more.pop("method", "POST"), path, **more)
            if name is not None:
                body = request.read()
                key = load_private_key(keys.private(name))
                request.headers.update(signed_headers(key, request.url.path, body, method=request.method))
            return client.send(request)

        yield ask


def test_a_known_client_reaches_the_fleet_interface(ask: Any, backend: tuple[Backend, int]) -> None:
    own = {"flwr-signature": "of Flower"}
    answer = ask("/v1/fleet/pull-messages", content=b"abc", headers=own)
    assert (answer.status_code, answer.content, answer.headers["flwr-told"]) == (207, b"cba", "yes")
    path, headers, size = backend[0].asked[0]
    assert (path, size) == ("/v1/fleet/pull-messages", 3)
    assert headers["flwr-signature"] == "of Flower"


@pytest.mark.parametrize(
    "path", ["/v1/control/start-run", "/v1/runtime/acquire-task", "/", "/docs", "/openapi.json", "/v1/fleet"]
)
def test_nothing_else_is_reached(path: str, ask: Any, backend: tuple[Backend, int]) -> None:
    assert ask(path).status_code == 404
    assert backend[0].asked == []


@pytest.mark.parametrize("path", ["/v1/fleet/../control/start-run", "/v1/fleet/%2e%2e/control/start-run"])
def test_no_detour_leads_to_the_control_interface(path: str, ask: Any, backend: tuple[Backend, int]) -> None:
    answer = ask(path)
    assert answer.status_code == 404
    assert backend[0].asked == []


def test_other_methods_are_not_here(ask: Any, backend: tuple[Backend, int]) -> None:
    assert ask("/v1/fleet/pull-messages", method="GET").status_code == 404
    assert backend[0].asked == []


@pytest.mark.parametrize("name", [None, "stranger"])
def test_strangers_are_refused_before_they_are_read(
    name: str | None, ask: Any, backend: tuple[Backend, int], lines: list[str]
) -> None:
    for _ in range(3):
        assert ask("/v1/fleet/push-object", name, content=b"x" * 1000).status_code == 401
    assert backend[0].asked == []
    # Told once, or strangers fill the disk.
    assert lines == ["refused a peer at 127.0.0.1: not a known key"]


@pytest.mark.parametrize("chunked", [False, True])
def test_too_much_is_refused_and_reported(
    chunked: bool, ask: Any, backend: tuple[Backend, int], lines: list[str], tmp_path: Path
) -> None:
    body = b"x" * (LIMIT + 1)
    pieces = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
    assert ask("/v1/fleet/push-object", content=pieces if chunked else body).status_code == 413
    assert backend[0].asked == []
    assert lines == [f"client A: its upload was refused: more than {LIMIT} bytes"]
    notice = json.loads((tmp_path / NOTICES).read_text())
    reason = f"its upload was refused: more than {LIMIT} bytes"
    assert notice == {"client": "A", "reason": reason, "bytes": LIMIT + 1}
    counts = json.loads((tmp_path / TRAFFIC).read_text())["A"]
    assert counts["refused"] == LIMIT + 1
    assert LIMIT + 1 < counts["up"] < LIMIT + 5000


def test_small_pieces_do_not_add_up_to_too_much(ask: Any, backend: tuple[Backend, int]) -> None:
    statuses = [ask("/v1/fleet/push-object", content=b"x" * (LIMIT // 4)).status_code for _ in range(8)]
    assert statuses[:4] == [207] * 4
    assert 413 in statuses[4:]
    # Another client's allowance is its own.
    assert ask("/v1/fleet/push-object", "B", content=b"x" * (LIMIT // 4)).status_code == 207


def test_bytes_are_counted_by_client_and_kind(ask: Any, tmp_path: Path) -> None:
    ask("/v1/fleet/push-object", content=b"x" * 1000)
    ask("/v1/fleet/pull-messages", "B", content=b"z" * 20)
    ask("/v1/fleet/pull-object", content=b"y" * 300)
    counts = json.loads((tmp_path / TRAFFIC).read_text())
    assert counts["A"]["objects_up"] == 1000
    assert counts["A"]["objects_down"] == 300
    assert 1300 < counts["A"]["up"] < 5000
    assert 1300 < counts["A"]["down"] < 2000
    assert (counts["B"]["objects_up"], counts["B"]["requests"]) == (0, 1)


def test_a_replay_is_refused(ask: Any, gateway: Gateway, keys: Any, backend: tuple[Backend, int]) -> None:
    path, key = "/v1/fleet/push-object", load_private_key(keys.private("A"))
    context = ssl.create_default_context(cafile=str(keys.server.authority))
    with httpx.Client(verify=context, base_url=f"https://127.0.0.1:{gateway.port}") as client:
        headers = signed_headers(key, path, b"once")
        assert client.post(path, content=b"once", headers=headers).status_code == 207
        for _ in range(2):
            assert client.post(path, content=b"once", headers=headers).status_code == 401
        for other, body in ((path, b"other"), ("/v1/fleet/pull-object", b"once")):
            fresh = signed_headers(key, path, b"once")
            assert client.post(other, content=body, headers=fresh).status_code == 401
        assert client.post(path, content=b"once", headers=signed_headers(key, path, b"once")).is_success
    assert [asked[0] for asked in backend[0].asked] == [path, path]


def test_a_replay_from_before_the_start_is_refused(
    gateway: Gateway, keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new server does not know what the one before it has taken; the client's next try is signed anew."""
    address, key = f"127.0.0.1:{gateway.port}", load_private_key(keys.private("A"))
    kept = signed_headers(key, "/v1/hello")
    monkeypatch.setattr(gateway, "_seen", SeenRequests(since=time.time()))
    monkeypatch.setattr("qkd_qiskit.deployment.client_node.signed_headers", lambda *_: kept)
    assert hello(address, keys.server.authority, key) is None
    monkeypatch.undo()
    assert hello(address, keys.server.authority, key) == "A"


def test_an_upload_that_breaks_off_is_counted_and_nobody_is_blamed(
    gateway: Gateway, keys: Any, backend: tuple[Backend, int], tmp_path: Path
) -> None:
    path = "/v1/fleet/push-object"
    headers = signed_headers(load_private_key(keys.private("A")), path, b"x" * 5000)
    lines = [f"POST {path} HTTP/1.1", "host: here", "content-length: 5000"]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items())]) + "\r\n\r\n"
    context = ssl.create_default_context(cafile=str(keys.server.authority))
    with (
        socket.create_connection(("127.0.0.1", gateway.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as upload,
    ):
        upload.sendall(head.encode() + b"x" * 3000)
        while not gateway.traffic:
            time.sleep(0.01)
    deadline = time.monotonic() + 20
    while not (counts := json.loads((tmp_path / TRAFFIC).read_text()).get("A", {})).get("refused"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert counts["refused"] <= 3000 <= counts["up"]
    assert backend[0].asked == []
    assert not (tmp_path / NOTICES).exists()


def test_one_client_cannot_have_all_answered_at_once(
    gateway: Gateway, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_REQUESTS", 0)
    answer = ask("/v1/fleet/pull-messages")
    assert (answer.status_code, answer.headers["connection"]) == (503, "close")


def test_a_state_that_cannot_be_written_ends_no_request(ask: Any, tmp_path: Path) -> None:
    (tmp_path / TRAFFIC).unlink()
    (tmp_path / TRAFFIC).mkdir()
    (tmp_path / NOTICES).mkdir()
    assert ask("/v1/fleet/pull-object").status_code == 207
    assert ask("/v1/fleet/push-object", content=b"x" * (LIMIT + 1)).status_code == 413


def test_a_client_learns_under_which_name_it_is_known(ask: Any) -> None:
    assert ask("/v1/hello", "B").text == "B"
    assert ask("/v1/hello", "stranger").status_code == 401


def test_a_missing_superlink_is_a_reason_to_try_again(keys: Any, tmp_path: Path) -> None:
    known = {load_public_key(keys.public("A")): "A"}
    gateway = Gateway("127.0.0.1", free_port(), keys.server, free_port(), known, LIMIT, tmp_path)
    gateway.start()
    try:
        context = ssl.create_default_context(cafile=str(keys.server.authority))
        answer = httpx.post(
            f"https://127.0.0.1:{gateway.port}/v1/fleet/pull-messages",
            headers=signed_headers(load_private_key(keys.private("A")), "/v1/fleet/pull-messages"),
            verify=context,
        )
    finally:
        gateway.stop()
    assert answer.status_code == 503


def test_a_taken_port_is_reported(keys: Any, gateway: Gateway, tmp_path: Path) -> None:
    other = Gateway("127.0.0.1", gateway.port, keys.server, 1, {}, LIMIT, tmp_path)
    with pytest.raises(FederationError, match="cannot listen on 127.0.0.1:.*taken"):
        other.start()


def test_the_gateway_answers_no_lifespan_and_no_websocket(gateway: Gateway) -> None:
    async def never(*_: Any) -> Any:
        raise AssertionError("expected no word")

    asyncio.run(gateway._answer({"type": "websocket"}, never, never))


def test_hello_tells_the_name(gateway: Gateway, keys: Any) -> None:
    address = f"127.0.0.1:{gateway.port}"
    assert hello(address, keys.server.authority, load_private_key(keys.private("B"))) == "B"


def test_hello_refuses_what_is_not_to_be_trusted(gateway: Gateway, keys: Any, tmp_path: Path) -> None:
    address = f"127.0.0.1:{gateway.port}"
    other = ServerFiles.below(tmp_path)
    make_server_files(other, [])
    with pytest.raises(FederationError, match="is not to be trusted: ca.crt has not signed"):
        hello(address, other.authority, load_private_key(keys.private("A")))
    with pytest.raises(FederationError, match="does not know this key"):
        hello(address, keys.server.authority, load_private_key(keys.private("stranger")))
    with pytest.raises(FederationError, match="expected a certificate, found something else"):
        hello(address, keys.private("A"), load_private_key(keys.private("A")))


def test_hello_to_nobody_is_nothing(keys: Any) -> None:
    key = load_private_key(keys.private("A"))
    assert hello(f"127.0.0.1:{free_port()}", keys.server.authority, key) is None
