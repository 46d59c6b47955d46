from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from qkd_qiskit.deployment.replays import Freshness, SeenRequests
from qkd_qiskit.deployment.signatures import (
    DIGEST_HEADER,
    KEY_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIME_HEADER,
    SignedHead,
    load_private_key,
    load_public_key,
    signed_head,
    signed_headers,
)
from qkd_qiskit.deployment.supernode import sign_whole_requests
from qkd_qiskit.errors import FederationError


@pytest.fixture
def known(keys: Any) -> dict[bytes, str]:
    return {load_public_key(keys.public(name)): name for name in ("A", "B")}


PATH = "/v1/fleet/pull-messages"


def resigned(keys: Any, when: str) -> dict[str, str]:
    """Headers that A has signed at another time."""
    key = load_private_key(keys.private("A"))
    clock = Mock(wraps=datetime)
    clock.now.return_value = Mock(isoformat=lambda: when)
    with patch("qkd_qiskit.deployment.signatures.datetime", clock):
        return signed_headers(key, PATH, b"body")


def proved(headers: dict[str, str], known: dict[bytes, str], path: str = PATH, **more: str) -> str | None:
    head = signed_head(headers, known, path, **more)
    return None if head is None else head.name


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_client_is_known_by_its_signature(name: str, keys: Any, known: dict[bytes, str]) -> None:
    head = signed_head(signed_headers(load_private_key(keys.private(name)), PATH, b"body"), known, PATH)
    assert head is not None
    assert head.name == name
    assert head.is_of(b"body")
    assert not head.is_of(b"bodY")
    assert abs(head.time - time.time()) < 5


def test_a_signature_is_for_one_method_path_and_body(keys: Any, known: dict[bytes, str]) -> None:
    good = signed_headers(load_private_key(keys.private("A")), PATH, b"body")
    other = signed_headers(load_private_key(keys.private("A")), PATH, b"other")
    assert proved(good, known) == "A"
    assert proved(good, known, "/v1/fleet/push-object") is None
    assert proved(good, known, method="PUT") is None
    for name in (DIGEST_HEADER, NONCE_HEADER, TIME_HEADER, SIGNATURE_HEADER):
        assert good[name] != other[name]
        assert proved(good | {name: other[name]}, known) is None


@pytest.mark.parametrize("name", ["A", "B"])
def test_flowers_supernode_signs_whole_requests(name: str, keys: Any, known: dict[bytes, str]) -> None:
    """As its program is run here: with the headers of this package beside Flower's own."""
    from flwr.supernode import fleet_http_connection

    module = SimpleNamespace(**vars(fleet_http_connection))
    sign_whole_requests(module)
    key = load_private_key(keys.private(name))

    class Asked:
        request = httpx.Request("POST", f"https://localhost{PATH}", content=b"abc")

    module.NodeAuthHttpInterceptor(key, key.public_key()).intercept(Asked(), lambda _: httpx.Response(200))
    headers = {name.lower(): value for name, value in Asked.request.headers.items()}
    head = signed_head(headers, known, PATH)
    assert head is not None
    assert (head.name, head.is_of(b"abc")) == (name, True)
    assert {"flwr-signature", "flwr-timestamp", "flwr-public-key"} < set(headers)


def test_another_flower_is_reported() -> None:
    with pytest.raises(FederationError, match="expected NodeAuthHttpInterceptor in nowhere, found none"):
        sign_whole_requests(SimpleNamespace(__name__="nowhere"))


def test_flowers_own_signature_alone_proves_nothing(keys: Any, known: dict[bytes, str]) -> None:
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    key = load_private_key(keys.private("A"))

    class Asked:
        request = httpx.Request("POST", f"https://localhost{PATH}")

    NodeAuthHttpInterceptor(key, key.public_key()).intercept(Asked(), lambda _: httpx.Response(200))  # type: ignore[arg-type]
    assert proved({name.lower(): value for name, value in Asked.request.headers.items()}, known) is None


def test_strangers_and_spoilt_headers_are_nobody(keys: Any, known: dict[bytes, str]) -> None:
    good = signed_headers(load_private_key(keys.private("A")), PATH)
    other = signed_headers(load_private_key(keys.private("B")), PATH)
    assert proved(signed_headers(load_private_key(keys.private("stranger")), PATH), known) is None
    assert proved({}, known) is None
    for name in good:
        assert proved({key: value for key, value in good.items() if key != name}, known) is None
        for bad in ("?", "", "9" * 5000, "\xff"):
            assert proved(good | {name: bad}, known) is None
    assert proved(good | {KEY_HEADER: other[KEY_HEADER]}, known) is None


@pytest.mark.parametrize(("seconds", "name"), [(0, "A"), (-290, "A"), (-310, None), (60, None)])
def test_a_signature_ages(seconds: int, name: str | None, keys: Any, known: dict[bytes, str]) -> None:
    when = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    assert proved(resigned(keys, when), known) == name


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "now"])
def test_a_time_that_is_none_is_nobody(when: str, keys: Any, known: dict[bytes, str]) -> None:
    assert proved(resigned(keys, when), known) is None


def test_a_time_without_zone_is_nobody(keys: Any, known: dict[bytes, str]) -> None:
    assert proved(resigned(keys, datetime.now(UTC).replace(tzinfo=None).isoformat()), known) is None


def heads(count: int, start: float = 1000.0) -> list[SignedHead]:
    return [SignedHead("A", "0" * 64, f"{number:032x}", start + number) for number in range(count)]


def test_each_request_counts_once() -> None:
    seen = SeenRequests(since=999.0)
    first = heads(5)
    assert [seen.take(head, 1010.0) for head in first] == [Freshness.FRESH] * 5
    assert [seen.take(head, 1010.0) for head in first] == [Freshness.SEEN] * 5
    # Another client's numbers are its own; an earlier time is no reason to refuse what has not come yet.
    assert seen.take(replace(first[0], name="B"), 1010.0) is Freshness.FRESH
    assert seen.take(replace(first[0], nonce="f" * 32), 1010.0) is Freshness.FRESH


def test_what_was_signed_before_the_server_began_may_be_a_replay() -> None:
    seen = SeenRequests(since=1002.0)
    taken = [seen.take(head, 1010.0) for head in heads(5)]
    assert taken == [Freshness.TOO_EARLY] * 3 + [Freshness.FRESH] * 2


def test_memory_is_bounded_and_what_is_forgotten_does_not_come_again() -> None:
    seen = SeenRequests(since=0.0, most=10)
    many = heads(40)
    assert all(seen.take(head, 1040.0) is Freshness.FRESH for head in many)
    assert sum(map(len, seen._nonces.values())) <= 10
    assert not any(seen.take(head, 1040.0) is Freshness.FRESH for head in many)
    # With time the old ones go, as their signatures do.
    late = SignedHead("A", "0" * 64, "a" * 32, 2000.0)
    assert seen.take(late, 2000.0) is Freshness.FRESH
    assert sum(map(len, seen._nonces.values())) == 1


def test_keys_of_other_kinds_are_refused(keys: Any, tmp_path: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    short = ec.generate_private_key(ec.SECP256R1())
    for number, key in enumerate((other, short)):
        private, public = tmp_path / f"{number}.key", tmp_path / f"{number}.pub"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            )
        )
        public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        )
        with pytest.raises(FederationError, match="expected an ECDSA key on P-384"):
            load_private_key(private)
        with pytest.raises(FederationError, match="expected an ECDSA key on P-384"):
            load_public_key(public)
    for load in (load_private_key, load_public_key):
        with pytest.raises(FederationError, match="expected an ECDSA key on P-384"):
            load(keys.server.certificate)
        with pytest.raises(FederationError, match="cannot read key .*No such file"):
            load(tmp_path / "nothing")
