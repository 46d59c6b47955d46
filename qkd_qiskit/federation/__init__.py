"""The round between clients and server: in one process, or between machines.

The public names are imported when they are first used: a client that waits for its server needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not on first use: the function and its module have one name, and the module would hide the function.
from qkd_qiskit.federation.refusal import QueryRefused, RefusalCode, refusal, refusal_code

if TYPE_CHECKING:
    from qkd_qiskit.federation.announcement import MAX_QUERY_BYTES, Announcement, Task
    from qkd_qiskit.federation.client import ClientRun, refine_client, run_client
    from qkd_qiskit.federation.context import Context, Machine
    from qkd_qiskit.federation.evaluation import Answers, answer_all, evaluate
    from qkd_qiskit.federation.fitting import fit_model
    from qkd_qiskit.federation.local import LocalTransport
    from qkd_qiskit.federation.parts import Parts, read_server_data, write_parts
    from qkd_qiskit.federation.party import Party
    from qkd_qiskit.federation.remote_evaluation import client_specs, evaluate_server
    from qkd_qiskit.federation.rounds import Tamper, run_rounds, run_server_rounds
    from qkd_qiskit.federation.server import (
        Distilled,
        PublicRun,
        ServerRun,
        distil,
        distil_taught,
        together,
        train_supervised,
    )
    from qkd_qiskit.federation.teaching import Taught, judge, learn, teach
    from qkd_qiskit.federation.transport import Arrival, Transport
    from qkd_qiskit.federation.turns import Lesson, Participation, hold_turns

_HOMES = {
    "Announcement": "announcement",
    "Answers": "evaluation",
    "Arrival": "transport",
    "ClientRun": "client",
    "Context": "context",
    "Distilled": "server",
    "Lesson": "turns",
    "LocalTransport": "local",
    "MAX_QUERY_BYTES": "announcement",
    "Machine": "context",
    "Participation": "turns",
    "Parts": "parts",
    "Party": "party",
    "PublicRun": "server",
    "ServerRun": "server",
    "Tamper": "rounds",
    "Task": "announcement",
    "Taught": "teaching",
    "Transport": "transport",
    "answer_all": "evaluation",
    "client_specs": "remote_evaluation",
    "distil": "server",
    "distil_taught": "server",
    "evaluate": "evaluation",
    "evaluate_server": "remote_evaluation",
    "fit_model": "fitting",
    "hold_turns": "turns",
    "judge": "teaching",
    "learn": "teaching",
    "read_server_data": "parts",
    "refine_client": "client",
    "run_client": "client",
    "run_rounds": "rounds",
    "run_server_rounds": "rounds",
    "teach": "teaching",
    "together": "server",
    "train_supervised": "server",
    "write_parts": "parts",
}

__all__ = [
    "MAX_QUERY_BYTES",
    "Announcement",
    "Answers",
    "Arrival",
    "ClientRun",
    "Context",
    "Distilled",
    "Lesson",
    "LocalTransport",
    "Machine",
    "Participation",
    "Parts",
    "Party",
    "PublicRun",
    "QueryRefused",
    "RefusalCode",
    "ServerRun",
    "Tamper",
    "Task",
    "Taught",
    "Transport",
    "answer_all",
    "client_specs",
    "distil",
    "distil_taught",
    "evaluate",
    "evaluate_server",
    "fit_model",
    "hold_turns",
    "judge",
    "learn",
    "read_server_data",
    "refine_client",
    "refusal",
    "refusal_code",
    "run_client",
    "run_rounds",
    "run_server_rounds",
    "teach",
    "together",
    "train_supervised",
    "write_parts",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qkd_qiskit.federation' has no attribute {name!r}")
    return getattr(import_module(f"qkd_qiskit.federation.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
