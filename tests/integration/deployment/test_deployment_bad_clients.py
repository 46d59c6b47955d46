"""A round with one honest client among liars and strangers, each a SuperNode of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qkd_qiskit.config import ExperimentSettings, load_experiment
from qkd_qiskit.deployment.credentials import ServerFiles, make_client_key, make_server_files
from qkd_qiskit.deployment.processes import ChildProcess, free_port, safe_environment, stop_all, wait_until
from qkd_qiskit.deployment.settings import CLIENT_VARIABLE
from qkd_qiskit.deployment.setup import FederationFiles, make_federation
from qkd_qiskit.deployment.superlink import start_supernode
from qkd_qiskit.distillation import make_message
from qkd_qiskit.federation.data_files import read_server_data
from qkd_qiskit.vqcnn import VQCNNSpec

HONEST = "honest"
# One answer that parses, one that does not, and two that Flower or the gateway must stop; what else the judge
# refuses is tested without the wire.
LIARS = ("nan", "header", "arrays", "huge")


def lies(federation: FederationFiles, folder: Path) -> dict[str, str]:
    """What each liar sends: a file with its answer, or a word that the liar understands."""
    settings = load_experiment(str(federation.folder / "experiment.toml"))
    public = read_server_data(settings, federation.folder / "public.npz").public
    rows, digest = public.n_answered, public.digest
    index = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", n_outcomes=3).index

    def answer(name: str, outputs: Any) -> bytes:
        return make_message(name, index, [0, 1, 2], outputs, digest).to_bytes()

    fair = np.full((rows, 3), 1 / 3)
    nan = fair.copy()
    nan[5, 1] = np.nan
    header = answer("header", fair)
    size = struct.unpack_from("<4sI", header)[1]
    lying = header[8 : 8 + size].replace(f"[{rows},3]".encode(), b"[999999999,3]")
    answers = {
        "nan": answer("nan", nan),
        "header": struct.pack("<4sI", b"QKDM", len(lying)) + lying + header[8 + size :],
    }
    found = dict.fromkeys(LIARS, "")
    for name in LIARS:
        found[name] = name
        if name in answers:
            found[name] = str(folder / f"{name}.answer")
            Path(found[name]).write_bytes(answers[name])
    return found


_SERVE = """
import sys
from pathlib import Path
from qkd_qiskit.deployment.bundle import Bundle
from qkd_qiskit.deployment.server import run_server_node
run_server_node(
    Path(sys.argv[1]), tell=lambda line: print(line, flush=True), bundle=Bundle(client_app="liars:app")
)
"""


@dataclasses.dataclass(frozen=True)
class Round:
    """A round with all its nodes, finished.

    Attributes:
        federation: What was set up.
        strangers: Processes that must not get in.
        told: What the server told.
        results: Its results.
    """

    federation: FederationFiles
    strangers: dict[str, ChildProcess]
    told: str
    results: dict[str, Any]

    def entry(self, name: str) -> dict[str, Any]:
        return next(dict(entry) for entry in self.results["participation"] if entry["client"] == name)


def settings_of(experiment: Path) -> ExperimentSettings:
    found = load_experiment(str(experiment), overrides=["data.augment.public_copies=1"])
    honest = found.clients[2].model_copy(update={"name": HONEST})
    liars = tuple(found.clients[2].model_copy(update={"name": name, "samples": 10}) for name in LIARS)
    return found.model_copy(update={"clients": (*liars, honest)})


@pytest.fixture(scope="module")
def finished(experiment: Path, folder: Path, environment: dict[str, str]) -> Iterator[Round]:
    federation = make_federation(folder / "federation", settings_of(experiment), port=free_port())
    told = lies(federation, folder)
    place = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    environment = environment | {"PYTHONPATH": place}
    address = federation.clients[0].read_text().split('server = "')[1].split('"')[0]
    server = ChildProcess(
        "server",
        [sys.executable, "-c", _SERVE, str(federation.server)],
        log=folder / "server.log",
        environment=environment,
    )
    nodes = [server]
    try:
        wait_until(lambda: "listening" in server.log.read_text(), [server], 300, "start")

        def node(name: str, more: dict[str, str]) -> ChildProcess:
            place = federation.folder
            return start_supernode(
                server=address,
                authority=place / "ca.crt",
                key=place / f"client-{name}.key",
                state=folder / name,
                environment={name: environment[name] for name in ("PYTHONPATH", "QKD_TEST_FOLDER")} | more,
            )

        strangers = {
            name: _stranger(name, address, federation, folder)
            for name in ("wrong key", "no key", "certificate")
        }
        nodes += [*strangers.values()]
        nodes += [node(name, {"QKD_TEST_LIE": lie}) for name, lie in told.items()]
        nodes.append(node(HONEST, {CLIENT_VARIABLE: str(federation.clients[-1])}))
        wait_until(lambda: server.status is not None, nodes[4:], 600, "round")
        results = json.loads((federation.folder / "results" / "results.json").read_text())
        yield Round(federation, strangers, server.log.read_text(), results)
    finally:
        stop_all(nodes)


def _stranger(name: str, address: str, federation: FederationFiles, folder: Path) -> ChildProcess:
    """A SuperNode that must not get in: with an unknown key, without any, or trusting another authority."""
    place = folder / f"stranger {name}"
    place.mkdir()
    other = ServerFiles.below(place)
    make_server_files(other, [])
    make_client_key(place / "key", place / "pub", name)
    authority = other.authority if name == "certificate" else federation.folder / "ca.crt"
    # The one that trusts another authority would be known by its key.
    key = federation.folder / f"client-{HONEST}.key" if name == "certificate" else place / "key"
    return ChildProcess(
        name,
        [
            "flower-supernode",
            *("--superlink", address, "--root-certificates", str(authority)),
            *("--port", str(free_port())),
            *([] if name == "no key" else ["--auth-supernode-private-key", str(key)]),
        ],
        log=place / "log",
        environment=safe_environment(place),
    )


def test_the_round_is_finished_with_the_honest_client(finished: Round) -> None:
    assert finished.entry(HONEST)["standing"] == "used"
    assert finished.results["models"]["global"]["accuracy"] is not None
    assert "done: global model" in finished.told


@pytest.mark.parametrize(
    ("name", "standing", "reason"),
    [
        ("nan", "refused", "expected finite numbers"),
        ("header", "refused", "bytes for shape"),
        ("arrays", "silent", "its answer holds no bytes"),
        ("huge", "silent", "its upload was refused: more than"),
    ],
)
def test_each_liar_is_named_with_the_reason(name: str, standing: str, reason: str, finished: Round) -> None:
    entry = finished.entry(name)
    assert entry["standing"] == standing
    assert reason in entry["reason"]
    assert any(f"client {name} {standing}" in line and reason in line for line in finished.told.splitlines())


@pytest.mark.parametrize("name", ["wrong key", "no key"])
def test_strangers_do_not_get_in(name: str, finished: Round) -> None:
    assert "Received" not in finished.strangers[name].log.read_text()
    assert "SuperNode ID" not in finished.strangers[name].log.read_text()
    assert "refused a peer at 127.0.0.1: not a known key" in finished.told


def test_a_server_with_an_untrusted_certificate_gets_no_word(finished: Round) -> None:
    log = finished.strangers["certificate"].log.read_text()
    assert "SSL/TLS handshake error" in log or "CERTIFICATE_VERIFY_FAILED" in log
    assert "SuperNode ID" not in log


def test_what_was_refused_at_the_gateway_did_not_pass_it_and_is_counted(finished: Round) -> None:
    wire = finished.results["communication"]["wire"]["huge"]
    assert wire["up"] - wire["refused"] < 10_000_000
    assert wire["refused"] > 64 * 2**20
    assert finished.entry("huge")["bytes_received"] > 64 * 2**20
    assert finished.results["communication"]["distillation"]["up"] > 64 * 2**20
