"""The rounds between clients and server: in one process, or between machines.

The public names are imported when they are first used: a client that waits for its server needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qkd_qiskit.federation.aggregation import (
        Aggregate,
        aggregate_messages,
        screen_and_aggregate,
        screen_message,
    )
    from qkd_qiskit.federation.client import ClientRun, refine_client, run_client
    from qkd_qiskit.federation.data_files import DataFiles, read_server_data, write_data_files
    from qkd_qiskit.federation.entry import Tamper, run_local_federation, run_remote_federation
    from qkd_qiskit.federation.local import LocalTransport
    from qkd_qiskit.federation.rejection import (
        RejectionCode,
        RequestRejected,
        decode_rejection,
        encode_rejection,
    )
    from qkd_qiskit.federation.remote_client import RemoteClient
    from qkd_qiskit.federation.rounds import Participation, RoundsResult, run_rounds
    from qkd_qiskit.federation.server import (
        Distilled,
        PublicRun,
        ServerRun,
        distil,
        distil_aggregate,
        together,
        train_supervised,
    )
    from qkd_qiskit.federation.train_request import MAX_QUERY_BYTES, TaskDescription, TrainRequest
    from qkd_qiskit.federation.transport import Arrival, Transport

_HOMES = {
    "Aggregate": "aggregation",
    "Arrival": "transport",
    "ClientRun": "client",
    "DataFiles": "data_files",
    "Distilled": "server",
    "LocalTransport": "local",
    "MAX_QUERY_BYTES": "train_request",
    "Participation": "rounds",
    "PublicRun": "server",
    "RejectionCode": "rejection",
    "RemoteClient": "remote_client",
    "RequestRejected": "rejection",
    "RoundsResult": "rounds",
    "ServerRun": "server",
    "Tamper": "entry",
    "TaskDescription": "train_request",
    "TrainRequest": "train_request",
    "Transport": "transport",
    "aggregate_messages": "aggregation",
    "decode_rejection": "rejection",
    "distil": "server",
    "distil_aggregate": "server",
    "encode_rejection": "rejection",
    "read_server_data": "data_files",
    "refine_client": "client",
    "run_client": "client",
    "run_local_federation": "entry",
    "run_remote_federation": "entry",
    "run_rounds": "rounds",
    "screen_and_aggregate": "aggregation",
    "screen_message": "aggregation",
    "together": "server",
    "train_supervised": "server",
    "write_data_files": "data_files",
}

__all__ = [
    "MAX_QUERY_BYTES",
    "Aggregate",
    "Arrival",
    "ClientRun",
    "DataFiles",
    "Distilled",
    "LocalTransport",
    "Participation",
    "PublicRun",
    "RejectionCode",
    "RemoteClient",
    "RequestRejected",
    "RoundsResult",
    "ServerRun",
    "Tamper",
    "TaskDescription",
    "TrainRequest",
    "Transport",
    "aggregate_messages",
    "decode_rejection",
    "distil",
    "distil_aggregate",
    "encode_rejection",
    "read_server_data",
    "refine_client",
    "run_client",
    "run_local_federation",
    "run_remote_federation",
    "run_rounds",
    "screen_and_aggregate",
    "screen_message",
    "together",
    "train_supervised",
    "write_data_files",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qkd_qiskit.federation' has no attribute {name!r}")
    return getattr(import_module(f"qkd_qiskit.federation.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
