"""Who sends a request: clients sign its method, path, body and time with their key, each request once.

Flower's SuperNodes sign the time alone, so that a signature fits any request of its five minutes. These
headers stand beside Flower's, which the SuperLink checks for itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from qkd_qiskit.deployment.optional import InvalidSignature, ec, hashes, serialization
from qkd_qiskit.errors import FederationError
from qkd_qiskit.store.reading import read_bytes

KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER = "qkd-public-key", "qkd-signature", "qkd-time"
DIGEST_HEADER, NONCE_HEADER = "qkd-digest", "qkd-nonce"
# Flower's own bounds on the age of a signature, in seconds.
YOUNGEST, OLDEST = -5.0, 305.0

# Nothing else that is signed with these keys begins so.
_PURPOSE = "qkd-qiskit federation request 1"
_NONCE = re.compile("[0-9a-f]{32}")
_DIGEST = re.compile("[0-9a-f]{64}")
_MOST_KEY_BYTES = 2**16


@dataclass(frozen=True)
class SignedHead:
    """What a request's head proves, before anything else of it is read.

    Attributes:
        name: Name of the client that signed it.
        digest: SHA-256 of the body that the signature is for, in hexadecimal.
        nonce: A number that the client uses once.
        time: When it was signed, in seconds since 1970.
    """

    name: str
    digest: str
    nonce: str
    time: float

    def is_of(self, body: bytes) -> bool:
        """Return whether the signature is for this body."""
        return hashlib.sha256(body).hexdigest() == self.digest


def load_public_key(path: Path) -> bytes:
    """Return a client's public key as it stands in the headers, from its OpenSSH file.

    Raises:
        FederationError: If the file cannot be read, or holds no ECDSA key on P-384.
    """
    key, content = None, read_bytes(path, FederationError, "key ", most=_MOST_KEY_BYTES)
    with suppress(Exception):
        key = serialization.load_ssh_public_key(content)
    return _header_form(_on_p384(key, path))


def load_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return a client's private key from its OpenSSH file.

    Raises:
        FederationError: If the file cannot be read, or holds no ECDSA key on P-384.
    """
    key, content = None, read_bytes(path, FederationError, "key ", most=_MOST_KEY_BYTES)
    with suppress(Exception):
        key = serialization.load_ssh_private_key(content, None)
    _on_p384(key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else None, path)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def signed_headers(
    key: ec.EllipticCurvePrivateKey, path: str, body: bytes = b"", *, method: str = "POST"
) -> dict[str, str]:
    """Return the headers that prove who sends a request; each call makes others.

    Args:
        key: The client's private key.
        path: Path of the request, without the address before it.
        body: Its body.
        method: Its method.
    """
    digest, nonce = hashlib.sha256(body).hexdigest(), secrets.token_hex(16)
    now = datetime.now(UTC).isoformat()
    signature = key.sign(_signed_text(method, path, digest, now, nonce), ec.ECDSA(hashes.SHA256()))
    return {
        KEY_HEADER: base64.b64encode(_header_form(key.public_key())).decode("ascii"),
        DIGEST_HEADER: digest,
        TIME_HEADER: now,
        NONCE_HEADER: nonce,
        SIGNATURE_HEADER: base64.b64encode(signature).decode("ascii"),
    }


def signed_head(
    headers: Mapping[str, str], clients: Mapping[bytes, str], path: str, *, method: str = "POST"
) -> SignedHead | None:
    """Return what the head of a request proves; None if no known client signed it a short while ago.

    Args:
        headers: Of the request, names in lower case.
        clients: Names by public key, as `load_public_key` gives it.
        path: Path of the request.
        method: Its method.
    """
    try:
        raw = base64.b64decode(headers[KEY_HEADER], validate=True)
        name = clients[raw]
        signature = base64.b64decode(headers[SIGNATURE_HEADER], validate=True)
        digest, nonce, signed = (headers[key] for key in (DIGEST_HEADER, NONCE_HEADER, TIME_HEADER))
        if not (_DIGEST.fullmatch(digest) and _NONCE.fullmatch(nonce)):
            return None
        when = datetime.fromisoformat(signed)
        age = (datetime.now(UTC) - when).total_seconds()
        key = serialization.load_pem_public_key(raw)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(signature, _signed_text(method, path, digest, signed, nonce), ec.ECDSA(hashes.SHA256()))
    except (KeyError, ValueError, TypeError, OverflowError, binascii.Error, InvalidSignature):
        return None
    return SignedHead(name, digest, nonce, when.timestamp()) if YOUNGEST < age < OLDEST else None


def _signed_text(method: str, path: str, digest: str, time: str, nonce: str) -> bytes:
    return "\n".join((_PURPOSE, method, path, digest, time, nonce)).encode()


def _on_p384(key: object, path: Path) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise FederationError(f"{path}: expected an ECDSA key on P-384 in OpenSSH's format, found none")
    return key


def _header_form(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
