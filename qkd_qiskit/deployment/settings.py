"""Settings of a server and of a client of a federation, from their TOML files; unknown keys are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from qkd_qiskit.config import RemoteClientSettings, Settings, load_settings, parse_settings
from qkd_qiskit.errors import ConfigError, FederationError

MIB = 2**20

# Where a client's process finds its file. Not in Flower's configurations: one of them travels, the other
# shows in the list of processes.
CLIENT_VARIABLE = "QKD_FEDERATION_CLIENT"
CLIENT_LOG = "client.log"
# The same for a server's process, and for a client on a SuperNode that somebody else has set up.
SERVER_VARIABLE = "QKD_FEDERATION_SERVER"
NODE_KEY = "client"
PROGRESS = "progress.log"


class RoundSettings(Settings):
    """What a server runs, and where its files are."""

    experiment: str = Field("experiment.toml", description="a shipped experiment or a TOML file")
    public: str = Field("public.npz", description="public samples, and the server's test samples")
    output: str = Field("results", description="folder for the results and the run's database")
    state: str = Field("server-state", description="folder for logs and what Flower writes")


class ServerFile(RoundSettings):
    """A server: where it listens, whom it knows, what it runs. Paths start at the file's folder."""

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0 for all")
    port: int = Field(9092, ge=1, le=65535, description="port to listen on")
    authority: str = Field("ca.crt", description="certificate of the authority")
    certificate: str = Field("server.crt", description="the server's certificate")
    key: str = Field("server.key", description="the server's key")
    clients: dict[str, str] = Field(min_length=1, description="public key files by name of the client")
    upload_limit: int = Field(
        64 * MIB, ge=1024, description="most bytes that a client may upload at once, and each minute"
    )
    connections: int = Field(
        512, ge=8, description="most connections at once; of strangers, the oldest give way to new ones"
    )


class ClientFile(Settings):
    """A client: where the server is, how to know it, and what the client brings."""

    server: str = Field(description="address of the server, host:port")
    authority: str = Field("ca.crt", description="certificate of the authority that signed the server's")
    key: str = Field(description="the client's private key")
    folder: str = Field(description="folder for its model, stages and logs")
    client: RemoteClientSettings


def load_server(path: Path) -> ServerFile:
    """Return a server's settings, paths made absolute.

    Raises:
        ConfigError: If the file cannot be read, or a key or value is wrong.
        FederationError: If a certificate, key or sample file is missing.
    """
    found = load_settings(ServerFile, path)
    values: dict[str, Any] = _round_paths(path, found)
    for name in ("authority", "certificate", "key"):
        values[name] = str(_existing(path, getattr(found, name), name))
    values["clients"] = {
        name: str(_existing(path, key, f"clients.{name}")) for name, key in found.clients.items()
    }
    return found.model_copy(update=values)


def round_settings(config: Mapping[str, object]) -> RoundSettings:
    """Return the settings of a round from Flower's run configuration, paths made absolute.

    Args:
        config: The fields of `RoundSettings`, and `folder`, where relative paths start; the working folder of
            the process when omitted.

    Raises:
        ConfigError: If a key or value is wrong.
        FederationError: If a file is missing.
    """
    values = dict(config)
    start = Path(str(values.pop("folder", "."))) / "run configuration"
    found = parse_settings(RoundSettings, values, "run configuration")
    return found.model_copy(update=_round_paths(start, found))


def _round_paths(path: Path, found: RoundSettings) -> dict[str, str]:
    """Return the files and folders of a round as absolute paths that start beside another file."""
    values = {name: str(_beside(path, getattr(found, name))) for name in ("output", "state")}
    values["public"] = str(_existing(path, found.public, "public"))
    if found.experiment.endswith(".toml"):
        values["experiment"] = str(_existing(path, found.experiment, "experiment"))
    return values


def load_client(path: Path) -> ClientFile:
    """Return a client's settings, paths made absolute.

    Raises:
        ConfigError: If the file cannot be read, or a key or value is wrong.
        FederationError: If a certificate, key or sample file is missing.
    """
    found = load_settings(ClientFile, path)
    host, sign, port = found.server.rpartition(":")
    if not (sign and host and port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigError(f"{path}: server: expected host:port, found {found.server!r}")
    client = found.client.model_copy(update={"path": str(_existing(path, found.client.path, "client.path"))})
    return found.model_copy(
        update={
            "authority": str(_existing(path, found.authority, "authority")),
            "key": str(_existing(path, found.key, "key")),
            "folder": str(_beside(path, found.folder)),
            "client": client,
        }
    )


def _beside(path: Path, name: str) -> Path:
    return (path.parent / Path(name).expanduser()).resolve()


def _existing(path: Path, name: str, key: str) -> Path:
    found = _beside(path, name)
    if not found.exists():
        raise FederationError(f"{path}: {key}: expected a file, found nothing at {found}")
    return found
