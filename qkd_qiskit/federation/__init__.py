"""The round between clients and server, in one process."""

from qkd_qiskit.federation.client import ClientRun, run_client
from qkd_qiskit.federation.context import Context, Machine
from qkd_qiskit.federation.evaluation import evaluate
from qkd_qiskit.federation.server import ServerRun, run_server

__all__ = ["ClientRun", "Context", "Machine", "ServerRun", "evaluate", "run_client", "run_server"]
