from __future__ import annotations

import contextlib
import os
import socket
import ssl
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from qkd_qiskit.deployment.credentials import ServerFiles, make_client_key, make_server_files, write_private
from qkd_qiskit.errors import FederationError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def handshake(files: ServerFiles, authority: Path, name: str) -> None:
    """Connect over TLS, as a client that trusts `authority` and calls the server `name`."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    client = ssl.create_default_context(cafile=str(authority))
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs, contextlib.suppress(ssl.SSLError, OSError):
            server.wrap_socket(theirs, server_side=True).close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours:
            client.wrap_socket(ours, server_hostname=name).close()
    finally:
        thread.join()


def test_secrets_are_for_their_owner_alone(keys: Any) -> None:
    secret = [keys.server.key, keys.server.authority_key, keys.private("A")]
    assert [mode(path) for path in secret] == [0o600] * 3
    assert [mode(path) for path in (keys.server.certificate, keys.public("A"))] == [0o644] * 2


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "server.example", "::1"])
def test_the_server_is_trusted_under_its_names(keys: Any, name: str) -> None:
    handshake(keys.server, keys.server.authority, name)


def test_the_server_is_not_trusted_under_another_name(keys: Any) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(keys.server, keys.server.authority, "other.example")


def test_another_authority_is_not_trusted(keys: Any, tmp_path: Path) -> None:
    other = ServerFiles.below(tmp_path)
    make_server_files(other, [])
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(keys.server, other.authority, "localhost")


def test_the_server_certificate_signs_nothing(keys: Any) -> None:
    certificate = x509.load_pem_x509_certificate(keys.server.certificate.read_bytes())
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not basic.value.ca
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days <= 366


def test_ssh_reads_the_client_keys(keys: Any) -> None:
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    key = load_ssh_private_key(keys.private("A").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp384r1"
    assert keys.public("A").read_text().startswith("ecdsa-sha2-nistp384 ")


@pytest.mark.parametrize("host", ["a b", "", "host:9092", "1.2.3", "-".join(["x" * 200] * 2), "ä.example"])
def test_what_is_no_host_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(FederationError, match="expected a name or an address without port"):
        make_server_files(ServerFiles.below(tmp_path), [host])
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(keys: Any) -> None:
    before = keys.private("A").read_bytes()
    with pytest.raises(FederationError, match="expected no such file yet"):
        make_client_key(keys.private("A"), keys.public("A"), "A")
    with pytest.raises(FederationError, match="expected no such file yet"):
        make_server_files(keys.server, [])
    assert keys.private("A").read_bytes() == before


def test_an_unwritable_place_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FederationError, match="cannot write .*No such file"):
        write_private(tmp_path / "nowhere" / "key", b"")


def test_a_private_file_ignores_a_generous_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", b"x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "key") == 0o600
