"""The round between clients and server, in one process."""

from qkd_qiskit.federation.client import ClientRun, refine_client, run_client
from qkd_qiskit.federation.context import Context, Machine
from qkd_qiskit.federation.evaluation import Answers, answer_all, evaluate
from qkd_qiskit.federation.fitting import fit_model
from qkd_qiskit.federation.rounds import Tamper, run_rounds
from qkd_qiskit.federation.server import (
    Distilled,
    ServerRun,
    distil,
    run_server,
    teach,
    together,
    train_supervised,
)

__all__ = [
    "Answers",
    "ClientRun",
    "Context",
    "Distilled",
    "Machine",
    "ServerRun",
    "Tamper",
    "answer_all",
    "distil",
    "evaluate",
    "fit_model",
    "refine_client",
    "run_client",
    "run_rounds",
    "run_server",
    "teach",
    "together",
    "train_supervised",
]
