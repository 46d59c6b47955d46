"""The app bundle that Flower sends around: a single file that names modules of the installed package.

Every party installs the package itself; no code travels.
"""

from __future__ import annotations

from pathlib import Path

from qkd_qiskit.store.files import write_atomic

SERVER_APP = "qkd_qiskit.deployment.demo:app"
CLIENT_APP = "qkd_qiskit.deployment.client_app:app"
MANIFEST = "pyproject.toml"
PUBLISHER, NAME, VERSION = "qkd-qiskit", "qkd-federation", "1.0.0"


def write_bundle(folder: Path, *, server_app: str = SERVER_APP, client_app: str = CLIENT_APP) -> Path:
    """Write the bundle's only file.

    Args:
        folder: Where to.
        server_app: Module and attribute of the ServerApp.
        client_app: Module and attribute of the ClientApp.

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
        f'[tool.flwr.app.components]\nserverapp = "{server_app}"\nclientapp = "{client_app}"\n\n'
        "[tool.flwr.app.config]\n",
    )
    return folder
