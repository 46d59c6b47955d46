"""Packages that only the extra `flower` installs, Flower itself aside; no other module imports them.

Raises:
    FederationError: If the extra is missing, when this module is imported.
"""

from __future__ import annotations

from qkd_qiskit.errors import FederationError
from qkd_qiskit.extras import missing_extra

try:
    import httpx
    import tomli_w
    import uvicorn
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ModuleNotFoundError:
    raise FederationError(missing_extra("a federation over Flower", "flower")) from None

__all__ = [
    "H11Protocol",
    "InvalidSignature",
    "ec",
    "hashes",
    "httpx",
    "serialization",
    "tomli_w",
    "uvicorn",
    "x509",
]
