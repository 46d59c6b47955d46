"""A demonstration: a server and its clients as processes of this machine."""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.deployment.processes import ChildProcess, Tail, free_port, stop_all, wait_until
from qkd_qiskit.deployment.setup import EXPERIMENT_FILE, make_federation, with_clients
from qkd_qiskit.errors import FederationError


def run_demo(
    settings: ExperimentSettings, output: Path, *, clients: int, tell: Callable[[str], None]
) -> None:
    """Run a server and its clients as processes of this machine, and remove all but the results.

    Args:
        settings: The experiment.
        output: Folder for the results; the experiment as it was run lies there too.
        clients: Number of clients.
        tell: Called with how far it is, one line each.

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
