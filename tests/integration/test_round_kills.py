"""Rounds that are killed with SIGKILL in every stage, of clients and server, end as if they were not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TINY = str(Path(__file__).parent / "tiny.toml")

# One process imports everything; each attempt at the round is a child of it, which is killed or finishes.
_ROUND = """
import json, os, random, signal, sys, threading, time
from pathlib import Path

from qkd_qiskit.config import RemoteClientSettings, load_experiment
from qkd_qiskit.experiment.run import run_experiment
from qkd_qiskit.federation import Arrival, RemoteClient, read_server_data, write_data_files

tiny, place, wanted = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
settings = load_experiment(tiny, overrides=[
    "distillation.rounds=2",
    "distillation.student_blocks=8",
    "descent={steps=6, server_steps=6, batch=50}",
    "training={particles=2, iterations=1, refine=2}",
    "training.structure={enabled=true, particles=2, iterations=1, samples=20, starts=2, steps=2}",
])
files = write_data_files(settings, place / "data")


class Killing:
    # Counts what it is told by label, and ends the process at the numbers of a label, one of them an attempt.
    def __init__(self, folder, numbers=None):
        self.events, self._numbers, self._kills = {}, numbers or {}, folder / "kills"

    def _tell(self, label):
        self.events[label] = self.events.get(label, 0) + 1
        before = self._kills.read_text().splitlines().count(label) if self._kills.exists() else 0
        left = self._numbers.get(label, [])[before:]
        if left and self.events[label] >= left[0]:
            with self._kills.open("a") as file:
                file.write(label + "\\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def start(self, label, total=None):
        self._tell(label)

    def advance(self, label, n=1):
        self._tell(label)

    def done(self, label):
        self._tell(label)


class Clients:
    clients = None

    def __init__(self, folder, progress):
        self.remote = [
            RemoteClient(
                RemoteClientSettings(name=client.name, backend=client.backend, path=str(path)),
                folder / f"client-{number}",
                progress=progress,
            )
            for number, (client, path) in enumerate(zip(settings.clients, files.clients))
        ]

    def exchange(self, requests, *, timeout):
        for position in sorted(requests):
            yield Arrival(position, self.remote[position].reply(requests[position]))

    def traffic(self):
        return None


def work(folder, progress):
    output = folder / "server"
    run_experiment(
        settings,
        output=output,
        progress=progress,
        resume=True,
        transport=Clients(folder, progress),
        data=read_server_data(settings, files.public),
    )
    (folder / "events.json").write_text(json.dumps(progress.events))


def attempt(folder, progress, seconds=None):
    # Returns whether the attempt was killed.
    child = os.fork()
    if child == 0:
        try:
            if seconds is not None:
                killer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
                killer.daemon = True
                killer.start()
            work(folder, progress)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, f"ended by signal {os.WTERMSIG(status)}"
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


whole, killed = place / "whole", place / "killed"
for folder in (whole, killed):
    folder.mkdir()
began = time.monotonic()
assert not attempt(whole, Killing(whole))
took = time.monotonic() - began
events = json.loads((whole / "events.json").read_text())
# Every stage is killed at its first event and, where it has more, within.
share = -(-wanted // len(events))
numbers = {
    label: sorted({1 + part * many // share for part in range(share)}) for label, many in events.items()
}
while attempt(killed, Killing(killed, numbers)):
    pass
kills = (killed / "kills").read_text().splitlines()
# At any moment, whatever is just being written: in a folder of its own, as the other one is nearly finished.
chance, moment = place / "chance", random.Random(5)
chance.mkdir()
by_chance = 0
while by_chance < wanted // 4 and attempt(chance, Killing(chance), took * moment.uniform(0.05, 0.6)):
    by_chance += 1
assert not attempt(chance, Killing(chance))
print(json.dumps({"stages": list(events), "kills": kills, "by_chance": by_chance}))
"""


def _found(folder: Path) -> tuple[bytes, dict[str, Any]]:
    results = json.loads((folder / "server" / "results.json").read_text())
    del results["timings"]
    return (folder / "server" / "global_model.npz").read_bytes(), results


def _check(tmp_path: Path, wanted: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _ROUND, TINY, str(tmp_path), str(wanted)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert set(told["kills"]) == set(told["stages"])
    whole = _found(tmp_path / "whole")
    assert _found(tmp_path / "killed") == whole
    assert _found(tmp_path / "chance") == whole
    return told


@pytest.mark.long
def test_kills_in_every_stage_of_a_round(tmp_path: Path) -> None:
    told = _check(tmp_path, 44)
    assert len(told["kills"]) + told["by_chance"] >= 40
    # Searches and trainings of every client in both rounds, and the server's own.
    assert len(told["stages"]) >= 8
