"""The server of a federation: Flower's SuperLink, the gateway before it, and one round."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from qkd_qiskit.config import load_experiment
from qkd_qiskit.deployment.bundle import Bundle
from qkd_qiskit.deployment.credentials import ServerFiles
from qkd_qiskit.deployment.gateway import NOTICES, TRAFFIC, Gateway
from qkd_qiskit.deployment.outcome import OUTCOME, read_outcome
from qkd_qiskit.deployment.processes import Tail, require_flower, wait_until
from qkd_qiskit.deployment.settings import PROGRESS, SERVER_VARIABLE, ServerFile, load_server
from qkd_qiskit.deployment.signatures import load_public_key
from qkd_qiskit.deployment.superlink import SuperLink
from qkd_qiskit.errors import FederationError

Tell = Callable[[str], None]
# Asking Flower for the run's status takes a second of computing.
_LOOK_SECONDS = 20.0
_MOST_FAILURES = 15


def run_server_node(path: Path, *, tell: Tell, bundle: Bundle | None = None) -> Path:
    """Run one round with clients elsewhere; a round that was interrupted goes on where it stopped.

    Args:
        path: The server's TOML file.
        tell: Called with how far it is, one line each.
        bundle: What Flower runs; this package's own apps when omitted.

    Returns:
        The folder of the results.

    Raises:
        ConfigError: If the file or the experiment is wrong.
        FederationError: If the extra is missing, keys or certificates are wrong, or the round fails.
    """
    require_flower()
    settings = load_server(path)
    clients = _known_clients(settings)
    state = _fresh_state(Path(settings.state))
    files = ServerFiles(
        Path(settings.authority), Path("unused"), Path(settings.certificate), Path(settings.key)
    )
    with ExitStack() as stack:
        link = SuperLink.start(files, state, {SERVER_VARIABLE: str(path.resolve())})
        stack.callback(link.child.stop)
        link.register({name: Path(key) for name, key in settings.clients.items()})
        gateway = Gateway(
            settings.host,
            settings.port,
            files,
            link.port,
            clients,
            settings.upload_limit,
            state,
            tell,
            settings.connections,
        )
        gateway.start()
        stack.callback(gateway.stop)
        tell(f"listening on {settings.host}:{settings.port} for {', '.join(settings.clients)}")
        run = link.run(bundle or Bundle())
        tail = Tail(state / PROGRESS, tell)
        watch = _Watch(link, run, state, tail)
        wait_until(watch.ended, [link.child], math.inf, "the round")
        tail.poll()
    return Path(settings.output)


@dataclass
class _Watch:
    """Looks whether the ServerApp has ended, well or not."""

    link: SuperLink
    run: str
    state: Path
    tail: Tail
    _looked: float = 0.0
    _failures: int = 0

    def ended(self) -> bool:
        self.tail.poll()
        if read_outcome(self.state):
            return True
        now = time.monotonic()
        self._looked = self._looked or now
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            status = self._status()
            if status.startswith("finished") and not read_outcome(self.state):
                raise FederationError(
                    f"the round ended without an outcome ({status}); its log is {self.link.child.log}"
                )
        return False

    def _status(self) -> str:
        """Ask Flower how far the run is; one answer that fails to come is no reason to end the round."""
        try:
            status = self.link.run_status(self.run)
        except FederationError:
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                raise
            return "unknown"
        self._failures = 0
        return status


def _known_clients(settings: ServerFile) -> dict[bytes, str]:
    """Return the names of the clients by public key."""
    expected = [client.name for client in load_experiment(settings.experiment).clients]
    strangers = set(expected) ^ set(settings.clients)
    if strangers:
        raise FederationError(
            f"clients: expected keys of exactly {', '.join(expected)}, found {', '.join(settings.clients)}"
        )
    found = {load_public_key(Path(key)): name for name, key in settings.clients.items()}
    if len(found) < len(settings.clients):
        raise FederationError("clients: expected different keys, found one twice")
    return found


def _fresh_state(state: Path) -> Path:
    try:
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)
        for name in (OUTCOME, PROGRESS, NOTICES, TRAFFIC):
            (state / name).unlink(missing_ok=True)
    except OSError as error:
        raise FederationError(f"cannot write into {state}: {error.strerror}") from None
    return state
