"""Flower's interface for apps, for the modules that run inside its processes; no other module imports it."""

from __future__ import annotations

from qkd_qiskit.errors import FederationError
from qkd_qiskit.extras import missing_extra

try:
    from flwr.app import ConfigRecord, Context, Message, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import Grid, ServerApp
except ModuleNotFoundError:
    raise FederationError(missing_extra("a federation over Flower", "flower")) from None

__all__ = ["ClientApp", "ConfigRecord", "Context", "Grid", "Message", "RecordDict", "ServerApp"]
