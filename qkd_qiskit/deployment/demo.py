"""The round with clients elsewhere: what the server's process runs, and a demonstration on one machine."""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qkd_qiskit.config import ExperimentSettings, load_experiment
from qkd_qiskit.deployment.processes import ChildProcess, Tail, free_port, stop_all, wait_until
from qkd_qiskit.deployment.server_app import LogProgress, make_server_app
from qkd_qiskit.deployment.settings import ServerFile
from qkd_qiskit.deployment.setup import EXPERIMENT_FILE, make_federation, with_clients
from qkd_qiskit.deployment.transport import FlowerTransport
from qkd_qiskit.errors import FederationError
from qkd_qiskit.experiment.run import run_experiment
from qkd_qiskit.federation.data_files import read_server_data

__all__ = ["app", "run_demo", "run_round"]  # noqa: F822


def run_round(told: ServerFile, transport: Callable[[tuple[str, ...]], FlowerTransport]) -> None:
    """Run the round of a server, and write its results, with the bytes that were counted on the wire.

    Args:
        told: The server's settings.
        transport: Makes the transport from the names of the clients.
    """
    settings = load_experiment(told.experiment)
    names = tuple(client.name for client in settings.clients)
    run_experiment(
        settings,
        output=told.output,
        progress=LogProgress(),
        resume=True,
        transport=transport(names),
        data=read_server_data(settings, told.public),
    )


def run_demo(
    settings: ExperimentSettings, output: Path, *, clients: int, tell: Callable[[str], None]
) -> None:
    """Run a server and its clients as processes of this machine, and remove all but the results.

    Args:
        settings: The experiment.
        output: Folder for the results; the experiment as it was run lies there too.
        clients: Number of clients.
        tell: Told how far it is, one line each.

    Raises:
        FederationError: If a process fails; it names the last lines of its log.
    """
    # Short and private: certificates and keys live here as long as the demonstration runs.
    folder = Path(tempfile.mkdtemp(prefix="qkd-"))
    children: list[ChildProcess] = []
    try:
        wanted = with_clients(settings, clients)
        federation = make_federation(folder / "federation", wanted, port=free_port())
        tell(f"made certificates, keys and data of {len(federation.names)} clients")
        server = _command("server", federation.server, folder, "--quiet")
        children.append(server)
        children += [_command("client", path, folder) for path in federation.clients]
        tail = Tail(server.log, tell)

        def ended() -> bool:
            tail.poll()
            return server.status is not None

        # The round has a time limit of its own; how long the server trains is for the experiment to say.
        wait_until(ended, children[1:], math.inf, "the demonstration")
        if server.status != 0:
            raise FederationError(f"the server ended with status {server.status}: {server.last_lines()}")
        results = folder / "federation" / "results"
        output.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "federation" / EXPERIMENT_FILE, output / EXPERIMENT_FILE)
        for path in results.iterdir():
            if path.is_file():
                shutil.copy(path, output / path.name)
    finally:
        stop_all(children)
        shutil.rmtree(folder, ignore_errors=True)


def _command(command: str, path: Path, folder: Path, *options: str) -> ChildProcess:
    return ChildProcess(
        f"{command} {path.stem}" if command == "client" else command,
        [sys.executable, "-m", "qkd_qiskit", command, str(path), *options],
        log=folder / f"{path.stem}.log",
    )


def __getattr__(name: str) -> Any:
    # Flower looks for a module attribute; made on demand, so that importing this module needs no Flower.
    if name == "app":
        return make_server_app(run_round)
    raise AttributeError(name)
