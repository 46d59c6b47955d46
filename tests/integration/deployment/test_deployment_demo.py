"""One demonstration: a server and three clients as processes, looked at from all sides."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord

from qkd_qiskit.experiment import ExperimentResult, run_experiment
from qkd_qiskit.federation import write_data_files

HOOK = Path(__file__).with_name("hook")


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client sent, without encryption."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def raw(self) -> bytes:
        return json.dumps(self.headers).encode() + self.body


def requests(path: Path) -> Iterator[Request]:
    data = path.read_bytes()
    while data:
        size = int.from_bytes(data[:4], "big")
        url, headers, length = json.loads(data[4 : 4 + size])
        yield Request(re.sub("^https://[^/]*", "", url), headers, data[4 + size : 4 + size + length])
        data = data[4 + size + length :]


@pytest.fixture(scope="module")
def record(folder: Path) -> Path:
    return folder / "record"


@pytest.fixture(scope="module")
def demo(
    run: Callable[..., subprocess.CompletedProcess[str]], experiment: Path, folder: Path, record: Path
) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(HOOK), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = run(
        "federation",
        *("demo", "--experiment", experiment, "--output", folder / "results", "--json", folder / "copy.json"),
        PYTHONPATH=paths,
        QKD_TEST_RECORD=str(record),
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def results(demo: subprocess.CompletedProcess[str], folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "results" / "results.json").read_text()))


@pytest.fixture(scope="module")
def local(experiment: Path, folder: Path) -> ExperimentResult:
    return run_experiment(str(experiment), output=folder / "local")


def test_the_global_model_is_that_of_the_run_in_one_process(
    demo: subprocess.CompletedProcess[str], local: ExperimentResult, folder: Path
) -> None:
    found = (folder / "results" / "global_model.npz").read_bytes()
    assert found == (folder / "local" / "global_model.npz").read_bytes()
    weights = local.server.global_model.params
    with np.load(folder / "results" / "global_model.npz") as file:
        assert any(np.array_equal(file[key], weights) for key in file.files)


def test_progress_and_table_are_reported(
    demo: subprocess.CompletedProcess[str], results: dict[str, Any]
) -> None:
    assert "listening on 127.0.0.1:" in demo.stderr
    for name in ("one class", "two classes", "all"):
        assert f"client {name} used" in demo.stderr
    assert "done: global model" in demo.stderr
    assert "Models on the test samples" in demo.stdout
    assert demo.stdout.count("Models on the test samples") == 1
    assert [entry["standing"] for entry in results["participation"]] == ["used"] * 3


def test_the_table_is_written_as_json_too(results: dict[str, Any], folder: Path) -> None:
    assert json.loads((folder / "copy.json").read_text()) == results


@pytest.mark.usefixtures("demo")
def test_nothing_is_left(folder: Path) -> None:
    left = [path.name for path in (folder / "tmp").iterdir()]
    assert [name for name in left if name.startswith("qkd-")] == []
    assert sorted(path.name for path in (folder / "results").iterdir()) == [
        "experiment.toml",
        "global_model.npz",
        "predictions.json",
        "report.html",
        "results.json",
        "samples.json",
        "settings.json",
    ]
    # No process either: the fixture `folder` looks for them at the end.


@pytest.mark.usefixtures("demo")
def test_the_bytes_on_the_wire_are_those_of_the_report(results: dict[str, Any], record: Path) -> None:
    counted = dict.fromkeys(results["communication"]["wire"], 0)
    names = _names_by_key(record, results)
    for request in requests(record):
        if request.path == "/v1/fleet/push-object":
            counted[names[request.headers["flwr-public-key"]]] += len(request.body)
    for client in results["clients"]:
        wire = results["communication"]["wire"][client["name"]]
        assert counted[client["name"]] == wire["objects_up"]
        assert client["bytes_sent"] <= counted[client["name"]] <= 1.05 * client["bytes_sent"]
    up = results["communication"]["distillation"]["up"]
    assert up <= sum(counted.values()) <= 1.05 * up
    down = sum(wire["objects_down"] for wire in results["communication"]["wire"].values())
    assert results["communication"]["distillation"]["down"] <= down
    assert down <= 1.05 * results["communication"]["distillation"]["down"]


def _names_by_key(record: Path, results: dict[str, Any]) -> dict[str, str]:
    """Whose key a header bears: told by the name that the client's own answer bears."""
    found = {}
    for request in requests(record):
        for client in results["clients"]:
            if f'"client":"{client["name"]}"'.encode() in request.body:
                found[request.headers["flwr-public-key"]] = client["name"]
    assert sorted(found.values()) == sorted(client["name"] for client in results["clients"])
    return found


def needles(weights: Mapping[str, Any], samples: Mapping[str, Any], places: list[str]) -> dict[bytes, str]:
    """What must not be among the bytes that clients send, and what it would be.

    Args:
        weights: Trained numbers by client, [W].
        samples: Private images by client, [N, ...].
        places: Parts of file paths.
    """
    found = {place.encode(): f"path {place}" for place in places}
    for name, values in weights.items():
        for kind in ("<f8", "<f4", "<f2", ">f8", ">f4"):
            raw = np.asarray(values).astype(kind).tobytes()
            width = np.dtype(kind).itemsize
            # Eight bytes are found by chance once in 10^14 messages; fewer too often.
            found |= {raw[start : start + 8]: f"weight of {name}" for start in range(0, len(raw) - 7, width)}
        found |= {f"{value:.9g}".encode(): f"weight of {name}, as text" for value in values}
    for name, images in samples.items():
        for kind in ("<f8", "<f4", "<f2", "u1"):
            for image in np.asarray(images).reshape(len(images), -1).astype(kind):
                rich = [i for i in range(0, image.size - 16, 8) if len(set(image[i : i + 16].tolist())) > 6]
                found |= {image[i : i + 16].tobytes(): f"sample of {name}" for i in rich}
    return {needle: what for needle, what in found.items() if len(set(needle)) > 2}


def leaks(sent: bytes, wanted: Mapping[bytes, str]) -> set[str]:
    return {what for needle, what in wanted.items() if needle in sent}


@pytest.fixture(scope="module")
def wanted(
    local: ExperimentResult, experiment: Path, folder: Path, results: dict[str, Any]
) -> dict[bytes, str]:
    parts = write_data_files(local.settings, folder / "parts")
    samples = {}
    for path in parts.clients:
        with np.load(path) as file:
            samples[path.stem] = max((file[key] for key in file.files), key=lambda values: values.size)
    weights = {client.settings.name: client.model.params for client in local.clients}
    places = [
        str(folder),
        "federation/",
        "/tmp",
        ".npz",
        ".toml",
        "client-",
        "checkpoint",
        str(Path.home()) + "/",
    ]
    return needles(weights, samples, places)


@pytest.mark.usefixtures("demo")
def test_clients_send_neither_weights_nor_samples_nor_paths(record: Path, wanted: dict[bytes, str]) -> None:
    sent = [request.raw for request in requests(record)]
    assert sum(b"QKDM" in raw for raw in sent) == 3
    assert set().union(*(leaks(raw, wanted) for raw in sent)) == set()


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("<f8", "weight"),
        ("<f4", "weight"),
        ("<f2", "weight"),
        ("text", "weight"),
        ("u1", "sample"),
        ("path", "path"),
    ],
)
def test_a_planted_secret_is_found(
    kind: str, what: str, local: ExperimentResult, wanted: dict[bytes, str], folder: Path
) -> None:
    """The search itself is put to the test: what travels is packed by Flower, as a client's answer is."""
    weights = local.clients[2].model.params
    secret = {
        "text": lambda: json.dumps(list(weights)).encode(),
        "u1": lambda: max(
            (n for n, w in wanted.items() if w.startswith("sample")), key=lambda n: len(n) == 16
        ),
        "path": lambda: str(folder / "x.npz").encode(),
    }.get(kind, lambda: np.asarray(weights).astype(kind).tobytes())()
    sent = ConfigRecord({"raw": b"QKDM" + b"\0" * 100 + secret}).deflate()
    assert any(found.startswith(what) for found in leaks(sent, wanted))


@pytest.mark.parametrize(
    ("number", "status", "when"),
    [
        (signal.SIGINT, 130, "made certificates"),
        pytest.param(signal.SIGTERM, 143, "listening", marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, -9, "listening", marks=pytest.mark.long),
    ],
)
def test_however_it_is_ended_nothing_is_left(
    number: signal.Signals,
    status: int,
    when: str,
    experiment: Path,
    environment: dict[str, str],
    folder: Path,
    processes: Callable[[Path], list[str]],
) -> None:
    place = folder / number.name
    place.mkdir()
    command = [sys.executable, "-m", "qkd_qiskit", "federation", "demo", "--experiment", str(experiment)]
    with subprocess.Popen(
        [*command, "--output", str(folder / "ended")],
        env=environment | {"TMPDIR": str(place), "QKD_TEST_FOLDER": str(place)},
        stderr=subprocess.PIPE,
        text=True,
        # A suite in the background of a shell ignores interrupts, and so would its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as demo:
        try:
            assert demo.stderr is not None
            assert any(when in line for line in demo.stderr)
            # The demonstration itself, and at least the server.
            wait(lambda: len(processes(place)) > 1)
            demo.send_signal(number)
            demo.wait(300)
        finally:
            demo.kill()
    assert demo.returncode == status
    wait(lambda: not processes(place))
    # Killed outright, it cannot remove its folder.
    assert bool([path for path in place.iterdir() if path.name.startswith("qkd-")]) == (status < 0)


def wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)
