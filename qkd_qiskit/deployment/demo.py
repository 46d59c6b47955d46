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
from qkd_qiskit.store.database import DATABASE_FILE, LOCK_FILE


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
        copy_results(folder / "federation", output)
    finally:
        stop_all(children)
        shutil.rmtree(folder, ignore_errors=True)


def copy_results(federation: Path, output: Path) -> None:
    """Copy what a server has found, and its experiment, into a folder.

    Args:
        federation: Folder of the federation.
        output: Where to; a database that lies there stays as it is, as it may hold jobs that were paid for.

    Raises:
        FederationError: If the folder cannot be written.
    """
    results = [path for path in sorted((federation / "results").iterdir()) if path.is_file()]
    try:
        output.mkdir(parents=True, exist_ok=True)
        for path in (federation / EXPERIMENT_FILE, *results):
            if not path.name.startswith((DATABASE_FILE, LOCK_FILE)):
                shutil.copy(path, output / path.name)
    except OSError as error:
        raise FederationError(f"cannot write into {output}: {error.strerror or error}") from None


def _command(command: str, path: Path, folder: Path, *options: str) -> ChildProcess:
    return ChildProcess(
        f"{command} {path.stem}" if command == "client" else command,
        [sys.executable, "-m", "qkd_qiskit", command, str(path), *options],
        log=folder / f"{path.stem}.log",
    )
