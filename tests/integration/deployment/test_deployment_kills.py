"""Clients and servers that are killed in the middle of a round, and come back."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.deployment.processes import ChildProcess, free_port, stop_all
from qkd_qiskit.deployment.setup import FederationFiles, make_federation
from qkd_qiskit.experiment.run import run_experiment
from qkd_qiskit.reporting import read_results
from qkd_qiskit.store import Database
from qkd_qiskit.store.database import DATABASE_FILE

pytestmark = pytest.mark.long


class Machines:
    """Commands that run, as on machines of their own."""

    def __init__(self, federation: FederationFiles, environment: dict[str, str], folder: Path) -> None:
        self.federation = federation
        self.running: dict[str, ChildProcess] = {}
        self._environment = environment
        self._folder = folder

    def start(self, command: str, path: Path) -> ChildProcess:
        arguments = [sys.executable, "-m", "qkd_qiskit", command, str(path)]
        log = self._folder / f"{path.stem}.log"
        self.running[path.stem] = ChildProcess(path.stem, arguments, log=log, environment=self._environment)
        return self.running[path.stem]

    def server(self) -> ChildProcess:
        return self.start("server", self.federation.server)

    def client(self, number: int) -> ChildProcess:
        return self.start("client", self.federation.clients[number])

    def node_log(self, number: int) -> str:
        path = self.federation.clients[number].with_suffix("") / "supernode.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""


def wait(ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def process(*words: str) -> int:
    """The one process whose command line holds all words, and that Python runs directly."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if all(word in line for word in words) and "supervisor.py" not in line:
            found.append(int(place.name))
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def machines(
    experiment: Path, folder: Path, environment: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[Machines]:
    place = folder / request.node.name
    settings = load_experiment(str(experiment), overrides=["federation.timeout=900"])
    made = Machines(make_federation(place, settings, port=free_port()), environment, place)
    yield made
    stop_all([*made.running.values()])


@pytest.fixture(scope="module")
def expected(experiment: Path, folder: Path) -> bytes:
    run_experiment(str(experiment), output=folder / "local")
    return (folder / "local" / "global_model.npz").read_bytes()


def test_a_client_killed_in_mid_round_rejoins(machines: Machines, expected: bytes) -> None:
    server = machines.server()
    clients = [machines.client(number) for number in range(3)]
    wait(lambda: "Received successfully" in machines.node_log(2), 900)
    key = machines.federation.clients[2].with_suffix(".key")
    os.kill(process("flower-supernode", str(key)), signal.SIGKILL)
    wait(lambda: server.status is not None, 1200)
    assert server.status == 0, server.last_lines(20)
    assert "disconnected; connecting again" in clients[2].log.read_text()
    # It could not come back before the server had given it up: about a minute.
    assert machines.node_log(2).count("Received successfully") == 2
    results = machines.federation.folder / "results"
    assert (results / "global_model.npz").read_bytes() == expected
    entries = read_results(results / "results.json").dump()["participation"]
    assert [entry["standing"] for entry in entries] == ["used"] * 3


def _messages(folder: Path) -> int:
    """How many answers the server has stored."""
    if not (folder / DATABASE_FILE).exists():
        return 0
    with Database(folder) as database:
        return int(database.rows("SELECT count(*) FROM message")[0][0])


def test_a_killed_server_goes_on_with_the_answers_it_has(machines: Machines, expected: bytes) -> None:
    server = machines.server()
    for number in range(2):
        machines.client(number)
    results = machines.federation.folder / "results"
    wait(lambda: _messages(results) >= 2, 600)
    os.kill(process("qkd_qiskit server", str(machines.federation.server)), signal.SIGKILL)
    wait(lambda: server.status is not None, 120)
    server.stop()
    server = machines.server()
    machines.client(2)
    wait(lambda: server.status is not None, 1200)
    assert server.status == 0, server.last_lines(20)
    assert (results / "global_model.npz").read_bytes() == expected
    assert [machines.node_log(number).count("Received successfully") for number in range(3)] == [1, 1, 1]
