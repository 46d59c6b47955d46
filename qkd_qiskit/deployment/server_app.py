"""What runs in the server's process: the round, over Flower's messages."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qkd_qiskit.deployment.settings import ServerFile, load_server
from qkd_qiskit.deployment.transport import FlowerTransport
from qkd_qiskit.errors import FederationError, QKDError
from qkd_qiskit.store.files import write_atomic

if TYPE_CHECKING:
    from flwr.app import Context
    from flwr.serverapp import Grid, ServerApp

SERVER_VARIABLE = "QKD_FEDERATION_SERVER"
OUTCOME = "outcome.json"
PROGRESS = "progress.log"
LOGGER = logging.getLogger("qkd_qiskit.federation")

Work = Callable[[ServerFile, Callable[..., FlowerTransport]], None]


def make_server_app(work: Work) -> ServerApp:
    """The ServerApp.

    Args:
        work: Runs the round with the server's settings, and with a function that makes the transport from
            the names of the clients; writes the results.
    """
    from flwr.serverapp import ServerApp

    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        told = load_server(Path(os.environ[SERVER_VARIABLE]))
        state = Path(told.state)
        LOGGER.setLevel(logging.INFO)
        LOGGER.addHandler(logging.FileHandler(state / PROGRESS, encoding="utf-8"))

        def transport(names: tuple[str, ...]) -> FlowerTransport:
            return FlowerTransport(grid, names, state)

        try:
            work(told, transport)
        except QKDError as error:
            write_outcome(state, str(error))
        except Exception:
            LOGGER.exception("the round failed")
            write_outcome(state, "the round failed; the SuperLink's log tells where")
        else:
            write_outcome(state, None)

    return app


class LogProgress:
    """Writes a line into the log for each piece of work that is done."""

    def start(self, label: str, total: int | None = None) -> None:
        """Write nothing yet."""

    def advance(self, label: str, n: int = 1) -> None:
        """Write nothing yet."""

    def done(self, label: str) -> None:
        """Write the line."""
        LOGGER.info("done: %s", label)


def write_outcome(state: Path, error: str | None) -> None:
    """Tell the process that waits how the round ended: with an error, or well."""
    write_atomic(state / OUTCOME, json.dumps({"error": error}))


def read_outcome(state: Path) -> bool:
    """Whether the round has ended well; not ended yet is False.

    Raises:
        FederationError: If it ended with an error.
    """
    path = state / OUTCOME
    if not path.exists():
        return False
    error = json.loads(path.read_text("utf-8"))["error"]
    if error is not None:
        raise FederationError(str(error))
    return True
