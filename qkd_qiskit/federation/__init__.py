"""The round between clients and server: in one process, or between machines."""

from qkd_qiskit.federation.announcement import MAX_QUERY_BYTES, Announcement, Task
from qkd_qiskit.federation.client import ClientRun, refine_client, run_client
from qkd_qiskit.federation.context import Context, Machine
from qkd_qiskit.federation.evaluation import Answers, answer_all, evaluate
from qkd_qiskit.federation.fitting import fit_model
from qkd_qiskit.federation.local import LocalTransport
from qkd_qiskit.federation.party import Party
from qkd_qiskit.federation.refusal import QueryRefused, RefusalCode, refusal, refusal_code
from qkd_qiskit.federation.rounds import Tamper, run_rounds
from qkd_qiskit.federation.server import Distilled, ServerRun, distil, run_server, teach
from qkd_qiskit.federation.transport import Arrival, Transport

__all__ = [
    "MAX_QUERY_BYTES",
    "Announcement",
    "Answers",
    "Arrival",
    "ClientRun",
    "Context",
    "Distilled",
    "LocalTransport",
    "Machine",
    "Party",
    "QueryRefused",
    "RefusalCode",
    "ServerRun",
    "Tamper",
    "Task",
    "Transport",
    "answer_all",
    "distil",
    "evaluate",
    "fit_model",
    "refine_client",
    "refusal",
    "refusal_code",
    "run_client",
    "run_rounds",
    "run_server",
    "teach",
]
