"""Make a federation's folder: certificates, keys, sample configurations, and sample data to try it with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qkd_qiskit.config import ClientSettings, ExperimentSettings, RemoteClientSettings
from qkd_qiskit.deployment.bundle import Bundle
from qkd_qiskit.deployment.credentials import ServerFiles, make_client_key, make_server_files
from qkd_qiskit.deployment.optional import tomli_w
from qkd_qiskit.deployment.processes import LOOPBACK, require_flower
from qkd_qiskit.errors import FederationError
from qkd_qiskit.federation.data_files import read_server_data, write_data_files
from qkd_qiskit.store.files import write_atomic

PORT = 9092
SERVER_FILE = "server.toml"
EXPERIMENT_FILE = "experiment.toml"
# For `flwr run` on a SuperLink of one's own; this package's own server writes its bundle itself.
APP_FOLDER = "app"


@dataclass(frozen=True)
class FederationFiles:
    """What was made.

    Attributes:
        folder: Where it lies.
        server: The server's TOML file.
        clients: The clients' TOML files, by position.
        names: The clients' names, by position.
    """

    folder: Path
    server: Path
    clients: tuple[Path, ...]
    names: tuple[str, ...]


def with_clients(settings: ExperimentSettings, count: int | None) -> ExperimentSettings:
    """Give the experiment as many clients as wanted: the first ones, then the same again with other names.

    Args:
        settings: The experiment.
        count: Number of clients; those of the experiment when omitted.
    """
    own = settings.clients
    taken = {client.name for client in own}

    def client(number: int) -> ClientSettings:
        if number < len(own):
            return own[number]
        base = own[number % len(own)]
        name = next(n for i in range(2, 10**6) if (n := f"{base.name}{i}") not in taken)
        taken.add(name)
        return base.model_copy(update={"name": name})

    clients = tuple(client(number) for number in range(len(own) if count is None else count))
    return settings.model_copy(update={"clients": clients})


def make_federation(
    folder: Path, settings: ExperimentSettings, *, hosts: Sequence[str] = (), port: int = PORT
) -> FederationFiles:
    """Make all that a server and its clients need, in a new folder.

    Args:
        folder: Where to; it must be new or empty.
        settings: The experiment, with its clients.
        hosts: Names or addresses of the server; clients use the first. This machine alone when empty.
        port: Port of the server.

    Raises:
        FederationError: If the folder holds anything, a host is no name or address, or the extra is missing.
        DataError: If the experiment's data cannot be had.
    """
    require_flower()
    _new_folder(folder)
    make_server_files(ServerFiles.below(folder), hosts)
    files = _file_names([client.name for client in settings.clients])
    for _name, file in files.items():
        make_client_key(folder / f"{file}.key", folder / f"{file}.pub", file)
    _write_experiment(settings, folder / EXPERIMENT_FILE)
    parts = write_data_files(settings, folder)
    digest = read_server_data(settings, parts.public).public.digest
    clients = []
    for client, data in zip(settings.clients, parts.clients, strict=True):
        path = folder / f"{files[client.name]}.toml"
        address = (hosts or (LOOPBACK,))[0]
        server = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        text = _client_text(client, files[client.name], server, data.name, digest)
        clients.append(write_atomic(path, text))
    listen = "0.0.0.0" if hosts else LOOPBACK
    server_file = write_atomic(folder / SERVER_FILE, _server_text(files, listen, port, parts.public.name))
    config = {"folder": str(folder.resolve()), "experiment": EXPERIMENT_FILE, "public": parts.public.name}
    Bundle(config=config).write(folder / APP_FOLDER)
    return FederationFiles(folder, server_file, tuple(clients), tuple(files))


def _new_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        held = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise FederationError(f"cannot write into {folder}: {error.strerror}") from None
    if held:
        raise FederationError(f"{folder}: expected a new or empty folder, found {held[0]}")


def _file_names(names: Sequence[str]) -> dict[str, str]:
    """Return the names of files without characters that file systems dislike, all different."""
    found: dict[str, str] = {}
    for name in names:
        plain = "client-" + "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)
        while plain.lower() in {other.lower() for other in found.values()}:
            plain += "-"
        found[name] = plain
    return found


def _write_experiment(settings: ExperimentSettings, path: Path) -> None:
    write_atomic(path, tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True)))


def _server_text(files: dict[str, str], listen: str, port: int, public: str) -> str:
    clients = "".join(f"{json.dumps(name)} = {json.dumps(file + '.pub')}\n" for name, file in files.items())
    return f"""# The server. Paths start at this file's folder.
host = "{listen}"
port = {port}
authority = "ca.crt"
certificate = "server.crt"
key = "server.key"
experiment = "{EXPERIMENT_FILE}"
# Public samples, and samples to test the global model with.
public = {json.dumps(public)}
output = "results"
state = "server-state"

# Public keys of the clients that are let in.
[clients]
{clients}"""


def _client_text(client: ClientSettings, file: str, server: str, data: str, digest: str) -> str:
    limits = RemoteClientSettings(name=client.name, backend=client.backend, path=data)
    names = [name for name in RemoteClientSettings.model_fields if name.startswith("max_")]
    granted = "".join(f"{name} = {getattr(limits, name)}\n" for name in names)
    return f"""# A client. It needs this file, its key and ca.crt. Paths start at this file's folder.
server = {json.dumps(server)}
authority = "ca.crt"
key = {json.dumps(file + ".key")}
# Its model, stages and logs; nothing of it leaves this machine.
folder = {json.dumps(file)}

[client]
name = {json.dumps(client.name)}
backend = {json.dumps(client.backend)}
# Samples to try it with; put your own data here.
path = {json.dumps(data)}
# labels = "labels.npy"
# Answer for one public set alone: this is the digest of public.npz, as it was made with this file. Without it
# the first public set that comes is the one.
# public_digest = "{digest}"
# What the server may ask for; beyond these it gets a refusal.
{granted}"""
