"""A client of a federation: Flower's SuperNode, kept running until somebody stops it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path

from qkd_qiskit.deployment.audit_hook import install_program
from qkd_qiskit.deployment.gateway import HELLO
from qkd_qiskit.deployment.optional import ec, httpx
from qkd_qiskit.deployment.processes import Tail, require_flower
from qkd_qiskit.deployment.settings import CLIENT_LOG, CLIENT_VARIABLE, load_client
from qkd_qiskit.deployment.signatures import load_private_key, signed_headers
from qkd_qiskit.deployment.superlink import start_supernode
from qkd_qiskit.errors import FederationError
from qkd_qiskit.text import printable

RETRY_SECONDS = 3.0
_HELLO_SECONDS = 10.0
_POLL = 0.2


def run_client_node(path: Path, *, tell: Callable[[str], None]) -> None:
    """Take part until interrupted; while the server is away, wait for it.

    Args:
        path: The client's TOML file.
        tell: Called with what happens, one line each.

    Raises:
        ConfigError: If the file is wrong.
        FederationError: If the extra is missing, the server is not to be trusted, or does not know the key.
    """
    require_flower()
    settings = load_client(path)
    key = load_private_key(Path(settings.key))
    folder = Path(settings.folder)
    programs = install_program(folder / "programs")
    folder.chmod(0o700)
    tail = Tail(folder / CLIENT_LOG, tell)
    tail.skip()
    while True:
        wait_for_server(settings.server, Path(settings.authority), key, settings.client.name, tell)
        tell(f"client {settings.client.name}: connected to {settings.server}")
        with start_supernode(
            server=settings.server,
            authority=Path(settings.authority),
            key=Path(settings.key),
            state=folder,
            environment={CLIENT_VARIABLE: str(path.resolve())},
            programs=programs,
        ) as node:
            while node.status is None:
                tail.poll()
                time.sleep(_POLL)
        tell(f"client {settings.client.name}: disconnected; connecting again in {RETRY_SECONDS:g} s")
        time.sleep(RETRY_SECONDS)


def wait_for_server(
    server: str, authority: Path, key: ec.EllipticCurvePrivateKey, name: str, tell: Callable[[str], None]
) -> None:
    """Wait until the server answers and knows the key.

    Args:
        server: Its address, host:port.
        authority: Certificate to verify it with.
        key: The client's private key.
        name: Name that the server must know the key under.
        tell: Called once while the server is away.

    Raises:
        FederationError: If the certificate is not to be trusted, the key is unknown, or another's.
    """
    away = False
    while (known := hello(server, authority, key)) is None:
        if not away:
            tell(f"client {name}: no server at {server} yet; waiting")
        away = True
        time.sleep(RETRY_SECONDS)
    if known != name:
        raise FederationError(f"key: expected that of client {name}, found that of client {known}")


def hello(server: str, authority: Path, key: ec.EllipticCurvePrivateKey) -> str | None:
    """Return the name under which a server knows a key; None while there is no server.

    Args:
        server: Its address, host:port.
        authority: Certificate to verify it with.
        key: A client's private key.

    Raises:
        FederationError: If the certificate is not to be trusted, or the key is unknown.
    """
    try:
        context = ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError):
        raise FederationError(f"{authority}: expected a certificate, found something else") from None
    try:
        with httpx.Client(verify=context, timeout=_HELLO_SECONDS) as client:
            answer = client.post(f"https://{server}{HELLO}", headers=signed_headers(key, HELLO))
    except httpx.TransportError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise FederationError(
                f"the server at {server} is not to be trusted: "
                f"{authority.name} has not signed its certificate for this address"
            ) from None
        return None
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise FederationError(f"the server at {server} does not know this key (or the clocks differ)")
    # A server that has begun after the request was signed wants it signed anew: that is the next try.
    return printable(answer.text) if answer.status_code == httpx.codes.OK else None
