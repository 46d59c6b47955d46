"""Certificates and keys, made once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("flwr")

from qkd_qiskit.deployment.credentials import ServerFiles, make_client_key, make_server_files


@dataclasses.dataclass(frozen=True)
class Keys:
    """Files of a federation of two clients, A and B."""

    folder: Path
    server: ServerFiles

    def private(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def public(self, name: str) -> Path:
        return self.folder / f"{name}.pub"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    files = ServerFiles.below(folder)
    make_server_files(files, ["server.example", "::1"])
    for name in ("A", "B", "stranger"):
        make_client_key(folder / f"{name}.key", folder / f"{name}.pub", name)
    return Keys(folder, files)
