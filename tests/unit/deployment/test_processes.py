from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qkd_qiskit.deployment import processes
from qkd_qiskit.deployment.processes import (
    ChildProcess,
    free_port,
    require_flower,
    safe_environment,
    wait_until,
)
from qkd_qiskit.errors import FederationError

# A process that ignores polite signals, starts a detached one, and writes both process ids.
_STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "from signal import *; import time; signal(SIGTERM, SIG_IGN); print(1, flush=True); time.sleep(600)"
other = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE)
other.stdout.readline()
with open(sys.argv[1] + ".part", "w") as file:
    file.write(f"{os.getpid()} {other.pid}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(path: Path) -> list[int]:
    deadline = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(number) for number in path.read_text().split()]


def gone(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give the supervisor a short grace."""
    text = processes._SUPERVISOR.read_text().replace("GRACE = 8.0", "GRACE = 0.5")
    assert "GRACE = 0.5" in text
    (tmp_path / "supervisor.py").write_text(text)
    monkeypatch.setattr(processes, "_SUPERVISOR", tmp_path / "supervisor.py")


@pytest.mark.usefixtures("impatient")
def test_stopping_ends_stubborn_and_detached_processes(tmp_path: Path) -> None:
    child = ChildProcess(
        "it", [sys.executable, "-c", _STUBBORN, str(tmp_path / "pids")], log=tmp_path / "log"
    )
    pids = wait_for(tmp_path / "pids")
    assert all(alive(pid) for pid in pids)
    child.stop()
    assert gone(pids, 120)
    assert child.status is not None


@pytest.mark.usefixtures("impatient")
def test_killing_whoever_started_it_ends_it(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom qkd_qiskit.deployment import processes\n"
        f"processes._SUPERVISOR = Path({str(tmp_path / 'supervisor.py')!r})\n"
        f"child = processes.ChildProcess('it', [sys.executable, '-c', {_STUBBORN!r}, "
        f"{str(tmp_path / 'pids')!r}], "
        f"log=Path({str(tmp_path / 'log')!r}))\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as parent:
        try:
            pids = wait_for(tmp_path / "pids")
        finally:
            os.kill(parent.pid, signal.SIGKILL)
    assert gone(pids, 120)


@pytest.mark.parametrize(
    ("code", "status"), [("raise SystemExit(3)", 3), ("pass", 0), ("import os; os.abort()", 1)]
)
def test_the_exit_status_comes_through(code: str, status: int, tmp_path: Path) -> None:
    with ChildProcess("it", [sys.executable, "-c", code], log=tmp_path / "log") as child:
        deadline = time.monotonic() + 300
        while child.status is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert child.status == status


def test_a_child_can_be_interrupted(tmp_path: Path) -> None:
    """The supervisor disregards interrupts; what it starts must not inherit that."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    with ChildProcess("it", [sys.executable, "-c", code], log=tmp_path / "log") as child:
        wait_until(lambda: child.status is not None, [], 300, "end")
    assert child.last_lines() == "True"


def test_waiting_tells_of_a_process_that_ended(tmp_path: Path) -> None:
    with (
        ChildProcess(
            "it", [sys.executable, "-c", "print('bad luck'); raise SystemExit(4)"], log=tmp_path / "log"
        ) as it,
        pytest.raises(FederationError, match=r"waiting: it ended with status 4 \(bad luck\); its log is"),
    ):
        wait_until(lambda: False, [it], 300, "waiting")


def test_waiting_ends() -> None:
    with pytest.raises(FederationError, match="rain: expected within 0 s, still waiting"):
        wait_until(lambda: False, [], 0.2, "rain")


def test_an_unwritable_log_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FederationError, match="cannot start it"):
        ChildProcess("it", ["true"], log=tmp_path / "file" / "log")


def test_the_environment_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLWR_TELEMETRY_ENABLED", "1")
    monkeypatch.setenv("FLWR_HOME", "/elsewhere")
    monkeypatch.setenv("no_proxy", "intranet")
    found = safe_environment(tmp_path, first_on_path=tmp_path / "bin")
    assert found["FLWR_TELEMETRY_ENABLED"] == "0"
    assert found["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert found["FLWR_HOME"] == str(tmp_path)
    assert found["no_proxy"] == "intranet,127.0.0.1,localhost"
    assert found["PATH"].split(os.pathsep)[:2] == [str(tmp_path / "bin"), str(Path(sys.executable).parent)]


def test_a_missing_extra_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "find_spec", lambda _: None)
    for name in (*processes.SAFE, "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    with pytest.raises(FederationError, match="Flower needs the extra 'flower': pip install "):
        require_flower()


def test_a_free_port_is_free() -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port()))
