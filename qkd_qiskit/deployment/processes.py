"""Child processes of a federation: started with safe settings, ended together, never left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from qkd_qiskit.deployment.supervisor import GRACE
from qkd_qiskit.errors import FederationError
from qkd_qiskit.extras import missing_extra
from qkd_qiskit.store import added_lines
from qkd_qiskit.text import printable

LOOPBACK = "127.0.0.1"
# These make Flower call nobody and install nothing.
SAFE = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "UV_OFFLINE": "1",
}
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_POLL = 0.1
_LONGEST_LINE = 2000
_END_OF_LOG = 2**16
# A busy machine may need long to do what takes a moment.
_PATIENCE = 120.0


def require_flower() -> None:
    """Make sure that Flower is there, and that importing it in this process calls nobody.

    Raises:
        FederationError: If the extra is not installed.
    """
    os.environ.update({**SAFE, **_no_proxy()})
    if find_spec("flwr") is None:
        raise FederationError(missing_extra("a federation over Flower", "flower"))


def safe_environment(home: Path, *, first_on_path: Path | None = None) -> dict[str, str]:
    """Environment of Flower's processes.

    Args:
        home: Folder for what Flower itself writes.
        first_on_path: Folder whose programs take precedence.
    """
    folders = [str(folder) for folder in (first_on_path, Path(sys.executable).parent) if folder is not None]
    return {
        **os.environ,
        **SAFE,
        **_no_proxy(),
        "FLWR_HOME": str(home.resolve()),
        "PATH": os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)]),
    }


def _no_proxy() -> dict[str, str]:
    """Keep what this machine's own processes tell each other away from proxies."""
    names = ("NO_PROXY", "no_proxy")
    return {name: f"{os.environ.get(name, '')},{LOOPBACK},localhost".strip(",") for name in names}


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class ChildProcess:
    """A process under a supervisor: it ends when stopped, or when this process ends, however that ends."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start the process.

        Args:
            name: Its name in messages.
            command: Program and arguments.
            log: File that its output is appended to.
            environment: Its environment; that of this process when omitted.
            folder: Its working folder; that of this process when omitted.

        Raises:
            FederationError: If the log cannot be written.
        """
        self.name = name
        self.log = log
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", str(_SUPERVISOR), *command],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=None if environment is None else dict(environment),
                    cwd=folder,
                    start_new_session=True,
                )
        except OSError as error:
            raise FederationError(f"cannot start {name}: {error.strerror}") from None

    def __enter__(self) -> Self:
        """Return the running process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, whatever happened."""
        self.stop()

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll()

    def last_lines(self, count: int = 5) -> str:
        """Return the end of its log, as one line."""
        with suppress(OSError, FederationError):
            start = max(0, self.log.stat().st_size - _END_OF_LOG)
            lines, _ = added_lines(self.log, FederationError, start)
            told = [line.decode("utf-8", "replace").strip() for line in lines if line.strip()]
            return printable(" | ".join(told[-count:]), 1000)
        return ""

    def let_go(self) -> None:
        """Ask it to end, without waiting."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def stop(self) -> None:
        """End it and all that it started."""
        self.let_go()
        try:
            # The supervisor kills what does not end in its grace; without it nothing would be killed.
            self._process.wait(GRACE + _PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def stop_all(children: Sequence[ChildProcess]) -> None:
    """End several processes, all at once."""
    for child in children:
        child.let_go()
    for child in children:
        child.stop()


def wait_until(
    ready: Callable[[], bool], children: Sequence[ChildProcess], seconds: float, what: str
) -> None:
    """Wait until something is the case.

    Args:
        ready: Whether it is.
        children: Processes that must not end meanwhile.
        seconds: Longest wait.
        what: What is waited for, for the error.

    Raises:
        FederationError: If a process ends first, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        for child in children:
            if child.status is not None:
                raise FederationError(
                    f"{what}: {child.name} ended with status {child.status} ({child.last_lines()}); "
                    f"its log is {child.log}"
                )
        if time.monotonic() > deadline:
            raise FederationError(f"{what}: expected within {seconds:.0f} s, still waiting")
        time.sleep(_POLL)


def answers(host: str, port: int) -> bool:
    """Return whether somebody listens on a port."""
    with suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False


@dataclass
class Tail:
    """Passes on the lines that are added to a file.

    Attributes:
        path: The file; it need not be there yet.
        tell: Called with each line.
    """

    path: Path
    tell: Callable[[str], None]
    _read: int = 0

    def skip(self) -> None:
        """Leave out what the file holds already."""
        self._read = self.path.stat().st_size if self.path.exists() else 0

    def poll(self) -> None:
        """Pass on the whole lines that are new, made printable; what cannot be read now is read later."""
        try:
            if not self.path.exists():
                return
            lines, self._read = added_lines(self.path, FederationError, self._read)
        except (OSError, FederationError):
            return
        for line in lines:
            self.tell(printable(line.decode("utf-8", "replace"), _LONGEST_LINE))
