"""Flower's SuperNode program, which signs each of its requests whole.

Flower's own headers sign the time alone. Run in the place of Flower's program, with its name and arguments,
this one puts the headers of `signatures` beside them.
"""

from __future__ import annotations

import sys
from typing import Any

from qkd_qiskit.deployment.optional import ec, httpx
from qkd_qiskit.deployment.signatures import signed_headers
from qkd_qiskit.errors import FederationError

PROGRAM = "flower-supernode"
_SIGNS = "NodeAuthHttpInterceptor"


def sign_whole_requests(connection: Any) -> None:
    """Let Flower's module that calls the server sign whole requests.

    Args:
        connection: The module; its name for what signs gets another meaning.

    Raises:
        FederationError: If the installed Flower has no such name there.
    """
    flowers: Any = getattr(connection, _SIGNS, None)
    if flowers is None:
        raise FederationError(f"Flower: expected {_SIGNS} in {connection.__name__}, found none")

    class WholeRequests(flowers):  # type: ignore[misc]
        """Signs method, path, body and time of a request, besides what Flower signs."""

        def __init__(self, private_key: ec.EllipticCurvePrivateKey, public_key: Any) -> None:
            super().__init__(private_key, public_key)
            self._key = private_key

        def intercept(self, context: Any, call_next: Any) -> Any:
            """Add the headers, and send the request."""
            request: httpx.Request = context.request
            own = signed_headers(self._key, request.url.path, request.read(), method=request.method)
            request.headers.update(own)
            return super().intercept(context, call_next)

    setattr(connection, _SIGNS, WholeRequests)


def main() -> None:
    """Run Flower's program."""
    from flwr.supernode import fleet_http_connection
    from flwr.supernode.cli import flower_supernode

    sign_whole_requests(fleet_http_connection)
    del sys.argv[0]
    flower_supernode()


if __name__ == "__main__":
    main()
