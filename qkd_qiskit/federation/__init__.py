"""Rounds between clients and server, wherever the clients are.

The public names are imported when they are first used: a client that waits for its server needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qkd_qiskit.lazy import lazy_names

if TYPE_CHECKING:
    from qkd_qiskit.federation.client import ClientOutcome, run_client
    from qkd_qiskit.federation.data_files import DataFiles, read_server_data, write_data_files
    from qkd_qiskit.federation.local import LocalTransport
    from qkd_qiskit.federation.message_store import MessageStore
    from qkd_qiskit.federation.public_model import PublicModel
    from qkd_qiskit.federation.rejection import (
        RejectionCode,
        RequestRejected,
        decode_rejection,
        encode_rejection,
    )
    from qkd_qiskit.federation.remote_client import RemoteClient
    from qkd_qiskit.federation.rounds import RoundsResult, decode_answer, run_rounds
    from qkd_qiskit.federation.server import ServerResult, distil, distil_messages, run_server
    from qkd_qiskit.federation.student import Student
    from qkd_qiskit.federation.train_request import MAX_QUERY_BYTES, TaskDescription, TrainRequest
    from qkd_qiskit.federation.transport import Arrival, RecordedTransport, Transport

_HOMES = {
    "MAX_QUERY_BYTES": "train_request",
    "Arrival": "transport",
    "ClientOutcome": "client",
    "DataFiles": "data_files",
    "LocalTransport": "local",
    "MessageStore": "message_store",
    "PublicModel": "public_model",
    "RecordedTransport": "transport",
    "RejectionCode": "rejection",
    "RemoteClient": "remote_client",
    "RequestRejected": "rejection",
    "RoundsResult": "rounds",
    "ServerResult": "server",
    "Student": "student",
    "TaskDescription": "train_request",
    "TrainRequest": "train_request",
    "Transport": "transport",
    "decode_answer": "rounds",
    "decode_rejection": "rejection",
    "distil": "server",
    "distil_messages": "server",
    "encode_rejection": "rejection",
    "read_server_data": "data_files",
    "run_client": "client",
    "run_rounds": "rounds",
    "run_server": "server",
    "write_data_files": "data_files",
}

__all__ = [
    "MAX_QUERY_BYTES",
    "Arrival",
    "ClientOutcome",
    "DataFiles",
    "LocalTransport",
    "MessageStore",
    "PublicModel",
    "RecordedTransport",
    "RejectionCode",
    "RemoteClient",
    "RequestRejected",
    "RoundsResult",
    "ServerResult",
    "Student",
    "TaskDescription",
    "TrainRequest",
    "Transport",
    "decode_answer",
    "decode_rejection",
    "distil",
    "distil_messages",
    "encode_rejection",
    "read_server_data",
    "run_client",
    "run_rounds",
    "run_server",
    "write_data_files",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
