"""Clients in worker processes: equal to one process, bit for bit, and shown in the parent."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.errors import EstimatorError, FederationError
from qkd_qiskit.federation import LocalTransport, TaskDescription, TrainRequest, local
from qkd_qiskit.federation.worker_progress import FileProgress, WorkerProgress
from qkd_qiskit.hardware import OWN_DEVICES, Device, load_backend
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.store import StageStore

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SMALL = ["training={particles=2, iterations=1, refine=2}", "descent={steps=3}"]


class Listener:
    def __init__(self):
        self.events = []

    def start(self, label, total=None):
        self.events.append(("start", label, total))

    def advance(self, label, n=1):
        self.events.append(("advance", label, n))

    def done(self, label):
        self.events.append(("done", label, None))


def _context(workers, *, folder=None, progress=None, resume=False, overrides=()):
    settings = load_experiment(TINY, overrides=[*SMALL, f"federation.workers={workers}", *overrides])
    store = StageStore(folder, "same")
    return RunContext(settings, prepare_data(settings), store, progress or NullProgress(), resume=resume)


def _requests(context, number=1):
    task, soft = TaskDescription.of(context.settings, context.data.classes), None
    if number > 1:
        n = context.data.public.n_answered
        soft = np.random.default_rng(5).dirichlet(np.ones(3), n).astype(np.float16)
    raw = TrainRequest(task, number, context.data.public.digest, None, soft).to_bytes()
    return dict.fromkeys(range(3), raw)


def _transport(context):
    settings = context.settings
    return LocalTransport(context, ModelCompiler(noise=settings.noise.enabled, seed=settings.seed))


def _two_rounds(context):
    transport = _transport(context)
    return transport, [
        {a.position: a.raw for a in transport.exchange(_requests(context, number), timeout=1.0)}
        for number in (1, 2)
    ]


@pytest.fixture(scope="module")
def alone():
    return _two_rounds(_context(1))


def test_many_workers_end_in_the_bits_of_one(alone, tmp_path):
    listener = Listener()
    many, answers = _two_rounds(_context(3, folder=tmp_path, progress=listener))
    assert answers == alone[1]
    assert answers[0] != answers[1]
    for position in range(3):
        one, other = alone[0].clients[position], many.clients[position]
        np.testing.assert_array_equal(one.model.params, other.model.params)
        assert one.compiled.spec == other.compiled.spec
        assert one.bytes_sent == other.bytes_sent == sum(len(sent[position]) for sent in answers)
        label = f"client {one.settings.name}"
        kinds = [kind for kind, shown, _ in listener.events if shown == label]
        assert kinds[0] == "start"
        assert kinds[-1] == "done"
        assert "advance" in kinds
    # Stages of worker processes serve a run in one process.
    again = _context(1, folder=tmp_path, resume=True)
    assert _two_rounds(again)[1] == answers


def test_a_worker_s_error_is_the_error_of_the_run():
    context = _context(2, overrides=["model.n_qubits=16", "estimator.esp_floor=0.9"])
    with pytest.raises(EstimatorError, match="client .*: no gate budget"):
        list(_transport(context).exchange(_requests(context), timeout=1.0))


def test_a_worker_that_is_ended_is_one_line(monkeypatch):
    monkeypatch.setattr(local, "_work", lambda task, report, parent: os._exit(3))
    context = _context(2)
    with pytest.raises(FederationError, match="a worker process was ended from outside.*: 2 trained"):
        list(_transport(context).exchange(_requests(context), timeout=1.0))


def _only_in(process):
    if os.getpid() != process:
        raise RuntimeError("not made for travelling")


class Homesick(Device):
    """A device that no other process can make."""

    def __reduce__(self):
        return _only_in, (os.getpid(),)


class Unsendable(Device):
    """A device that cannot be pickled."""

    def __reduce__(self):
        raise TypeError("cannot pickle this device")


@pytest.mark.parametrize("kind", [Homesick, Unsendable])
def test_clients_whose_device_cannot_be_sent_train_here(alone, kind, caplog):
    shipped = load_backend("noisy_line")
    own = kind(shipped.name, shipped.description, shipped.target, shipped.source)
    context = _context(2)
    with OWN_DEVICES.lent({"noisy_line": own}):
        arrived = list(_transport(context).exchange(_requests(context), timeout=1.0))
    assert {arrival.position: arrival.raw for arrival in arrived} == alone[1][0]
    assert "cannot be sent to worker processes: clients train in this one" in caplog.text


def test_progress_of_a_worker_arrives_whole_and_in_order():
    listener = Listener()
    with WorkerProgress(listener) as relay:
        worker = FileProgress(relay.path(1))
        worker.start("work", 3)
        worker.advance("work")
        with relay.path(1).open("a") as file:
            file.write('["advance", "wo')
            file.flush()
            time.sleep(0.3)
            file.write('rk", 2]\n')
        worker.done("work")
    wanted = [("start", "work", 3), ("advance", "work", 1), ("advance", "work", 2), ("done", "work", None)]
    assert listener.events == wanted
    assert threading.active_count() >= 1
    assert not relay.path(1).exists()


def test_progress_outlives_a_shortage_of_descriptors(monkeypatch):
    listener, left, opened = Listener(), [3], Path.open

    def scarce(path, mode="r", **more):
        if path.suffix == ".jsonl" and left[0]:
            left[0] -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(path, mode, **more)

    with WorkerProgress(listener) as relay:
        worker = FileProgress(relay.path(1))
        worker.start("work", 3)
        monkeypatch.setattr(Path, "open", scarce)
        # Nobody hears of this step, and the work goes on.
        worker.advance("work", 7)
        time.sleep(0.5)
        worker.done("work")
    assert left == [0]
    assert listener.events[0] == ("start", "work", 3)
    assert listener.events[-1] == ("done", "work", None)


_ORPHAN = """
import os, sys, time
from pathlib import Path
from joblib import Parallel, delayed, parallel_config
from qkd_qiskit.federation.local import _end_with

def linger(parent, path):
    _end_with(parent)
    Path(path + ".part").write_text(str(os.getpid()))
    os.rename(path + ".part", path)
    time.sleep(600)

with parallel_config(backend="loky", n_jobs=2):
    Parallel()(delayed(linger)(os.getpid(), f"{sys.argv[1]}/{k}") for k in range(2))
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "orphans.py"
    script.write_text(_ORPHAN)
    folder = tmp_path / "pids"
    folder.mkdir()
    parent = subprocess.Popen(
        [sys.executable, script, folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    places = [folder / "0", folder / "1"]
    while not all(place.exists() for place in places) and time.monotonic() < deadline:
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    workers = [int(place.read_text()) for place in places]
    while any(_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_alive(pid) for pid in workers)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie whom nobody has waited for yet is dead.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
