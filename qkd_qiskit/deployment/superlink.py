"""Flower's own programs with safe settings: SuperLink, SuperNode, and the calls of its command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qkd_qiskit.deployment import node_registration, supernode
from qkd_qiskit.deployment.bundle import Bundle
from qkd_qiskit.deployment.credentials import ServerFiles
from qkd_qiskit.deployment.processes import (
    LOOPBACK,
    ChildProcess,
    answers,
    free_port,
    safe_environment,
    wait_until,
)
from qkd_qiskit.errors import FederationError
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.store.reading import parse_json

_CONNECTION = "federation"
# A few seconds on a machine that is not busy.
START_SECONDS = 180.0
_CALL_SECONDS = 180.0
_KEY_SECONDS = 10.0


@dataclass(frozen=True)
class SuperLink:
    """A running SuperLink, reachable from this machine only.

    Attributes:
        child: Its process.
        port: Where all its interfaces listen, on the loopback address.
        environment: Environment of its process, and of calls to it.
        home: Folder for what Flower itself writes.
    """

    child: ChildProcess
    port: int
    environment: Mapping[str, str]
    home: Path

    @classmethod
    def start(cls, files: ServerFiles, state: Path, environment: Mapping[str, str]) -> SuperLink:
        """Start one, and wait until it listens.

        Args:
            files: Certificates and keys.
            state: Folder for its log and for what Flower writes.
            environment: Variables for the ServerApp, besides those that make Flower safe.

        Raises:
            FederationError: If it does not come up.
        """
        home, port = state / "flower", free_port()
        _write_connection(home, port, files.authority)
        child = ChildProcess(
            "SuperLink",
            [
                "flower-superlink",
                *("--host", LOOPBACK, "--port", str(port)),
                *("--ssl-ca-certfile", str(files.authority.resolve())),
                *("--ssl-certfile", str(files.certificate.resolve())),
                *("--ssl-keyfile", str(files.key.resolve())),
                "--enable-supernode-auth",
                "--disable-runtime-dependency-installation",
            ],
            log=state / "superlink.log",
            environment=(whole := {**safe_environment(home), **environment}),
        )
        link = cls(child, port, whole, home)
        try:
            wait_until(lambda: answers(LOOPBACK, port), [child], START_SECONDS, "start of the SuperLink")
        except BaseException:
            child.stop()
            raise
        return link

    def register(self, keys: Mapping[str, Path]) -> None:
        """Let clients in.

        Args:
            keys: Files of their public keys by name.

        Raises:
            FederationError: If Flower refuses a key.
        """
        pairs = [word for name, key in keys.items() for word in (str(key.resolve()), name)]
        command = [sys.executable, "-P", str(node_registration.__file__), _CONNECTION, *pairs]
        done = self._done(command, "keys of clients", _CALL_SECONDS + _KEY_SECONDS * len(keys))
        answers = done.stdout.split(node_registration.SEPARATOR)
        for position, name in enumerate(keys):
            said = answers[position] if position < len(answers) - 1 else ""
            _checked(said, done.stderr, f"key of client {name}")

    def run(self, bundle: Bundle) -> str:
        """Start the round.

        Args:
            bundle: What Flower runs.

        Returns:
            Flower's number of the run.

        Raises:
            FederationError: If Flower does not start it.
        """
        folder = bundle.write(self.home / "bundle").resolve()
        return str(self._call(["run", str(folder), _CONNECTION], "start of the round")["run-id"])

    def run_status(self, run: str) -> str:
        """Return how far Flower says a run is: pending, starting, running, or finished:HOW.

        Args:
            run: Its number.

        Raises:
            FederationError: If Flower does not say.
        """
        reply = self._call(["list", _CONNECTION, "--run-id", run], "status of the round")
        try:
            return str(reply["runs"][0]["status"])
        except (KeyError, IndexError, TypeError):
            raise FederationError("status of the round: expected one from Flower, found none") from None

    def _call(self, arguments: list[str], what: str) -> dict[str, Any]:
        program = _program("flwr", self.environment)
        done = self._done([program, *arguments, "--format", "json"], what)
        return _checked(done.stdout, done.stderr, what)

    def _done(
        self, command: list[str], what: str, seconds: float = _CALL_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FederationError(f"{what}: {type(error).__name__} when calling Flower") from None


def _checked(said: str, besides: str, what: str) -> dict[str, Any]:
    """Return what Flower says in JSON, if that is that all went well."""
    try:
        reply = parse_json(said, FederationError, what)
    except FederationError:
        reply = None
    if isinstance(reply, dict) and reply.get("success") is True:
        return reply
    why = reply.get("error-message", "") if isinstance(reply, dict) else said + besides
    raise FederationError(f"{what}: Flower refused: {' '.join(str(why).split())[:300]}")


def start_supernode(
    *,
    server: str,
    authority: Path,
    key: Path,
    state: Path,
    environment: Mapping[str, str],
    programs: Path | None = None,
) -> ChildProcess:
    """Start a SuperNode.

    Args:
        server: Address of the server, host:port.
        authority: Certificate to verify the server with.
        key: The client's private key.
        state: Folder for its log and for what Flower writes.
        environment: Variables for the ClientApp, besides those that make Flower safe.
        programs: Folder whose programs take precedence over Flower's.
    """
    home = state / "flower"
    home.mkdir(parents=True, exist_ok=True)
    return ChildProcess(
        "SuperNode",
        [
            *(sys.executable, "-P", "-m", supernode.__name__, supernode.PROGRAM),
            *("--superlink", server),
            *("--root-certificates", str(authority.resolve())),
            *("--auth-supernode-private-key", str(key.resolve())),
            *("--host", LOOPBACK, "--port", str(free_port())),
        ],
        log=state / "supernode.log",
        environment={**safe_environment(home, first_on_path=programs), **environment},
    )


def _program(name: str, environment: Mapping[str, str]) -> str:
    import shutil

    found = shutil.which(name, path=environment["PATH"])
    if found is None:
        raise FederationError(f"expected Flower's program {name} beside Python's, found none")
    return found


def _write_connection(home: Path, port: int, authority: Path) -> None:
    write_atomic(
        home / "config.toml",
        f'[superlink]\ndefault = "{_CONNECTION}"\n\n[superlink.{_CONNECTION}]\n'
        f'address = "{LOOPBACK}:{port}"\nroot-certificates = {json.dumps(str(authority.resolve()))}\n',
    )
    home.chmod(0o700)
