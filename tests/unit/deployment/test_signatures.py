from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from qkd_qiskit.deployment.signatures import (
    KEY_HEADER,
    SIGNATURE_HEADER,
    TIME_HEADER,
    load_private_key,
    load_public_key,
    sender,
    signed_headers,
)
from qkd_qiskit.errors import FederationError


@pytest.fixture
def known(keys: Any) -> dict[bytes, str]:
    return {load_public_key(keys.public(name)): name for name in ("A", "B")}


def resigned(keys: Any, when: str, signer: str = "A") -> dict[str, str]:
    key = load_private_key(keys.private(signer))
    signature = key.sign(when.encode(), ec.ECDSA(hashes.SHA256()))
    headers = signed_headers(load_private_key(keys.private("A")))
    return headers | {TIME_HEADER: when, SIGNATURE_HEADER: base64.b64encode(signature).decode()}


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_client_is_known_by_its_signature(name: str, keys: Any, known: dict[bytes, str]) -> None:
    assert sender(signed_headers(load_private_key(keys.private(name))), known) == name


def test_flowers_own_signature_is_understood(keys: Any, known: dict[bytes, str]) -> None:
    """Flower's SuperNode signs with its own code; the gateway must know it by that."""
    import httpx
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    key = load_private_key(keys.private("B"))

    class Asked:
        request = httpx.Request("POST", "https://localhost/v1/fleet/pull-messages")

    NodeAuthHttpInterceptor(key, key.public_key()).intercept(Asked(), lambda _: httpx.Response(200))  # type: ignore[arg-type]
    assert sender({name.lower(): value for name, value in Asked.request.headers.items()}, known) == "B"


def test_strangers_and_spoilt_headers_are_nobody(keys: Any, known: dict[bytes, str]) -> None:
    good = signed_headers(load_private_key(keys.private("A")))
    other = signed_headers(load_private_key(keys.private("B")))
    assert sender(signed_headers(load_private_key(keys.private("stranger"))), known) is None
    assert sender({}, known) is None
    for name in good:
        assert sender({key: value for key, value in good.items() if key != name}, known) is None
        assert sender(good | {name: "?"}, known) is None
        assert sender(good | {name: ""}, known) is None
    assert sender(good | {SIGNATURE_HEADER: other[SIGNATURE_HEADER]}, known) is None
    assert sender(good | {KEY_HEADER: other[KEY_HEADER]}, known) is None


@pytest.mark.parametrize(("seconds", "name"), [(0, "A"), (-290, "A"), (-310, None), (60, None)])
def test_a_signature_ages(seconds: int, name: str | None, keys: Any, known: dict[bytes, str]) -> None:
    when = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    assert sender(resigned(keys, when), known) == name


def test_a_time_without_zone_is_nobody(keys: Any, known: dict[bytes, str]) -> None:
    assert sender(resigned(keys, datetime.now(UTC).replace(tzinfo=None).isoformat()), known) is None


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
