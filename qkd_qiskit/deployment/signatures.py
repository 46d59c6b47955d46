"""Who sends a request: clients sign the time with their key, as Flower's SuperNodes do."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from qkd_qiskit.deployment.optional import InvalidSignature, UnsupportedAlgorithm, ec, hashes, serialization
from qkd_qiskit.errors import FederationError

KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER = "flwr-public-key", "flwr-signature", "flwr-timestamp"
# Flower's own bounds on the age of a signature, in seconds.
_YOUNGEST, _OLDEST = -5.0, 305.0


def load_public_key(path: Path) -> bytes:
    """Return a client's public key as it stands in the headers, from its OpenSSH file.

    Raises:
        FederationError: If the file cannot be read, or holds no ECDSA key on P-384.
    """
    try:
        key = serialization.load_ssh_public_key(_content(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    return _header_form(_on_p384(key, path))


def load_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return a client's private key from its OpenSSH file.

    Raises:
        FederationError: If the file cannot be read, or holds no ECDSA key on P-384.
    """
    try:
        key = serialization.load_ssh_private_key(_content(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    _on_p384(key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else None, path)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def signed_headers(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Headers that prove who sends a request."""
    now = datetime.now(UTC).isoformat()
    return {
        KEY_HEADER: base64.b64encode(_header_form(key.public_key())).decode("ascii"),
        TIME_HEADER: now,
        SIGNATURE_HEADER: base64.b64encode(key.sign(now.encode(), ec.ECDSA(hashes.SHA256()))).decode("ascii"),
    }


def sender(headers: Mapping[str, str], clients: Mapping[bytes, str]) -> str | None:
    """Name of the client that sent a request; None if it proves to be none of them.

    Args:
        headers: Of the request, names in lower case.
        clients: Names by public key, as `load_public_key` gives it.
    """
    try:
        raw = base64.b64decode(headers[KEY_HEADER], validate=True)
        name = clients[raw]
        signature = base64.b64decode(headers[SIGNATURE_HEADER], validate=True)
        signed = headers[TIME_HEADER]
        age = (datetime.now(UTC) - datetime.fromisoformat(signed)).total_seconds()
        key = serialization.load_pem_public_key(raw)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(signature, signed.encode("ascii"), ec.ECDSA(hashes.SHA256()))
    except (KeyError, ValueError, TypeError, binascii.Error, InvalidSignature):
        return None
    return name if _YOUNGEST < age < _OLDEST else None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FederationError(f"cannot read key {path}: {error.strerror}") from None


def _on_p384(key: object, path: Path) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise FederationError(f"{path}: expected an ECDSA key on P-384 in OpenSSH's format, found none")
    return key


def _header_form(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
