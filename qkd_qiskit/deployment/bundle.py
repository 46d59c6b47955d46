"""The app bundle that Flower sends around: a single file that names modules of the installed package.

Server and clients install the package themselves; no code travels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qkd_qiskit.store.files import write_atomic

SERVER_APP = "qkd_qiskit.deployment.server_app:app"
CLIENT_APP = "qkd_qiskit.deployment.client_app:app"
MANIFEST = "pyproject.toml"
PUBLISHER, NAME, VERSION = "qkd-qiskit", "qkd-federation", "1.0.0"


@dataclass(frozen=True)
class Bundle:
    """What Flower runs.

    Attributes:
        server_app: Module and attribute of the ServerApp.
        client_app: Module and attribute of the ClientApp.
        config: Settings of the round, for a SuperLink that this package has not started.
    """

    server_app: str = SERVER_APP
    client_app: str = CLIENT_APP
    config: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the bundle's only file.

        Args:
            folder: Where to.

        Returns:
            The folder.
        """
        write_atomic(
            folder / MANIFEST,
            "[project]\n"
            f'name = "{NAME}"\nversion = "{VERSION}"\n'
            'description = "Names the installed modules of qkd-qiskit"\nlicense = "Apache-2.0"\n'
            "dependencies = []\n\n"
            f'[tool.flwr.app]\npublisher = "{PUBLISHER}"\n\n'
            "[tool.flwr.app.components]\n"
            f'serverapp = "{self.server_app}"\nclientapp = "{self.client_app}"\n\n'
            "[tool.flwr.app.config]\n"
            + "".join(f"{key} = {json.dumps(value)}\n" for key, value in self.config.items()),
        )
        return folder
