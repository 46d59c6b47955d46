"""Certificates and keys of a federation: an authority, the server's certificate, a key for each client.

The authority signs one server certificate and is needed never again until that expires. Clients prove who
they are with keys of their own; the server knows only the public halves.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from qkd_qiskit.deployment.optional import ec, hashes, serialization, x509
from qkd_qiskit.errors import FederationError

VALID = timedelta(days=365)
SECRET, PUBLIC = 0o600, 0o644
# The server's own processes reach it under these, whatever the clients call it.
_LOCAL = ("127.0.0.1", "localhost")
# Clocks of different machines differ.
_SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class ServerFiles:
    """Where the server's certificates and keys lie.

    Attributes:
        authority: Certificate of the authority; clients need a copy.
        authority_key: Key of the authority; secret, and best kept away from the server.
        certificate: The server's certificate.
        key: The server's key; secret.
    """

    authority: Path
    authority_key: Path
    certificate: Path
    key: Path

    @classmethod
    def below(cls, folder: Path) -> ServerFiles:
        """Return the usual places below a folder."""
        return cls(folder / "ca.crt", folder / "ca.key", folder / "server.crt", folder / "server.key")


def write_private(path: Path, content: bytes, mode: int = SECRET) -> Path:
    """Write a new file that is never readable for more people than `mode` says, not even for a moment.

    Args:
        path: The file; the folders above it must exist.
        content: What it holds.
        mode: Its permissions.

    Raises:
        FederationError: If the file is there already, or cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise FederationError(f"{path}: expected no such file yet, found one") from None
    except OSError as error:
        raise FederationError(f"cannot write {path}: {error.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
    return path


def make_server_files(files: ServerFiles, hosts: Sequence[str]) -> None:
    """Make an authority, and a server certificate that it signs.

    Args:
        files: Where to; nothing may be there yet.
        hosts: Names and addresses under which clients reach the server, besides those of this machine.

    Raises:
        FederationError: If a host is no name or address, or a file is there already.
    """
    names = _alternative_names(hosts)
    authority_key, key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    issuer = _name("qkd-qiskit federation authority")
    authority = _signed(
        _certificate(issuer, issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False),
        authority_key,
    )
    certificate = _signed(
        _certificate(_name("qkd-qiskit federation server"), issuer, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False),
        authority_key,
    )
    write_private(files.authority_key, _pem_key(authority_key))
    write_private(files.authority, authority, PUBLIC)
    write_private(files.key, _pem_key(key))
    write_private(files.certificate, certificate, PUBLIC)


def make_client_key(private: Path, public: Path, comment: str) -> None:
    """Make the key pair with which a client proves who it is: ECDSA on P-384, in OpenSSH's formats.

    Args:
        private: File of the private key, for the client alone.
        public: File of the public key, for the server.
        comment: Written behind the public key.

    Raises:
        FederationError: If a file is there already.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    write_private(private, secret)
    write_private(public, line + f" {comment}\n".encode(), PUBLIC)


def _alternative_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in dict.fromkeys((*_LOCAL, *hosts)):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            labels = host.removeprefix("*.").split(".")
            plain = all(label and label.replace("-", "").isalnum() and label.isascii() for label in labels)
            if not plain or host.replace(".", "").isdecimal() or len(host) > 253:
                raise FederationError(
                    f"host: expected a name or an address without port, found {host!r}"
                ) from None
            names.append(x509.DNSName(host))
    return names


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + VALID)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
