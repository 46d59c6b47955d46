"""What a server may ask of a client, and what becomes of a request for more."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from qkd_qiskit.config import RemoteClientSettings, load_experiment, shipped_experiments
from qkd_qiskit.data import prepare_data, public_maker
from qkd_qiskit.data.public import make_public
from qkd_qiskit.distillation import ClientMessage
from qkd_qiskit.errors import StoreError
from qkd_qiskit.federation import (
    RejectionCode,
    RemoteClient,
    RequestRejected,
    TaskDescription,
    TrainRequest,
    encode_rejection,
    run_rounds,
    write_data_files,
)
from qkd_qiskit.federation.grants import GRANTS_FILE, Grants
from qkd_qiskit.federation.work_limits import (
    Deadline,
    check_work,
    memory_bytes,
    public_set,
    training_steps,
)
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import StageStore, folder_lock

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
FAST = [
    "training={particles=2, iterations=0, refine=1}",
    "data.augment={copies=1, public_copies=1, mixup=0}",
]
SETS = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture(scope="module")
def settings():
    return load_experiment(TINY, overrides=FAST)


@pytest.fixture(scope="module")
def files(settings, tmp_path_factory):
    return write_data_files(settings, tmp_path_factory.mktemp("data"))


class Asked(Exception):
    """Ends a round as soon as its requests are there."""


class Listener:
    """Takes the requests of a round, and ends it."""

    clients = None

    def exchange(self, requests, *, timeout):
        raise Asked(requests[0])

    def traffic(self):
        return None


@pytest.fixture(scope="module")
def request_of(settings):
    """Makes the first request of an experiment like the settings, with changes."""
    run = RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())
    with pytest.raises(Asked) as found:
        run_rounds(run, Listener())
    samples = TrainRequest.from_bytes(found.value.args[0]).originals

    def make(*overrides, originals=samples, seed=None):
        changed = load_experiment(TINY, overrides=[*FAST, *overrides], seed=seed)
        task = TaskDescription.of(changed, (0, 1, 2))
        maker = public_maker(task.seed, task.augment, task.model, originals)
        return TrainRequest(task, 1, make_public(maker, originals).digest, originals)

    return make


def _limits(files, **more):
    values = {"name": "one class", "backend": "noisy_line", "path": str(files.clients[0])}
    return RemoteClientSettings(**values | more)


def _client(files, folder, **more):
    return RemoteClient(_limits(files, **more), folder / "client")


HEAVY = [
    ("training.refine=1000000000", "expected at most 100000 steps, found 1000000000"),
    ("training.iterations=1000000000", "steps, found"),
    ("training={particles=2, iterations=1, refine=1, sweeps=1000000000}", "steps, found 1000000001"),
    ("descent.steps=1000000000", "expected at most 100000 steps, found 1000000001"),
    ("descent.steps=" + "9" * 400, "steps, found 1000"),
    ("training.structure={enabled=true, steps=100000000}", "steps, found"),
    ("training.structure={enabled=true, moves=100000000}", "steps, found"),
    ("training.structure={enabled=true, iterations=100000000}", "steps, found"),
    ("training.structure={enabled=true, finalists=100000000}", "found"),
    ("training.particles=10000000", "expected at most 1000 particles, found 10000000"),
    ("training.structure.particles=10000000", "particles of a structure search, found 10000000"),
    ("training.structure.starts=10000000", "starts of a structure search, found 10000000"),
    ("training.structure.finalists=10000000", "finalists of a structure search, found 10000000"),
]


@pytest.mark.parametrize(("override", "reason"), HEAVY)
def test_more_work_than_is_granted_has_a_code_of_its_own(
    override, reason, request_of, files, tmp_path, caplog
):
    request, client = request_of(override), _client(files, tmp_path)
    start = time.perf_counter()
    with caplog.at_level(logging.ERROR, "qkd_qiskit.federation"):
        assert client.reply(request.to_bytes()) == encode_rejection(RejectionCode.OVER_LIMITS)
    assert time.perf_counter() - start < 5
    assert "over_limits" in caplog.text
    with pytest.raises(RequestRejected, match=reason):
        client.answer(request.to_bytes())
    # Nothing was made for it, neither a folder nor an entry.
    assert not (tmp_path / "client").exists()


def test_what_ships_is_granted(files):
    """Every shipped experiment, and the larger one of the documentation."""
    limits = _limits(files)
    for name in shipped_experiments():
        experiment = load_experiment(name)
        task = TaskDescription.of(experiment, tuple(range(10)))
        assert training_steps(task) <= limits.max_steps / 5
        assert experiment.training.particles <= limits.max_particles
        assert experiment.distillation.rounds <= limits.max_rounds


def test_memory_is_estimated_from_everything_that_grows(request_of, files):
    request = request_of()
    originals, task = request.originals, request.task
    base = memory_bytes(task, originals, 30)
    for override in (
        "training.particles=900",
        "data.augment.copies=900",
        "model={encoding='amplitude', n_qubits=14}",
        "model={n_qubits=16}",
    ):
        more = load_experiment(TINY, overrides=[*FAST, override])
        heavier = TaskDescription.of(more, (0, 1, 2))
        assert memory_bytes(heavier, originals, 30) > base
    small = _limits(files, max_memory_bytes=base)
    check_work(small, request, originals, 30)
    with pytest.raises(RequestRejected, match=f"expected at most {base - 1} bytes of memory") as found:
        check_work(_limits(files, max_memory_bytes=base - 1), request, originals, 30)
    assert found.value.code is RejectionCode.OVER_LIMITS


def test_rounds_are_limited(request_of, files):
    request = dataclasses.replace(request_of(), round=101)
    with pytest.raises(RequestRejected, match="expected at most 100 rounds, found 101"):
        check_work(_limits(files), request, request.originals, 30)


def test_the_first_public_set_is_the_only_one(request_of, files, tmp_path):
    client, first = _client(files, tmp_path), request_of()
    changed = first.originals.features.copy()
    changed[3, 7] += 1 / 16
    other = request_of(originals=dataclasses.replace(first.originals, features=changed))
    answer = client.answer(first.to_bytes())
    with pytest.raises(RequestRejected, match="one of the 1 public sets .* found another one") as found:
        client.answer(other.to_bytes())
    assert found.value.code is RejectionCode.UNKNOWN_PUBLIC_SET
    # Another seed makes other copies of the same images.
    again = request_of(seed=12)
    assert again.public_digest != first.public_digest
    assert client.answer(again.to_bytes()) != answer
    # The client's own file decides otherwise.
    assert _client(files, tmp_path, max_public_sets=2).answer(other.to_bytes())
    named = _client(files, tmp_path, public_digest=other.public_digest)
    assert named.answer(other.to_bytes())
    with pytest.raises(RequestRejected, match="expected the public set"):
        named.answer(first.to_bytes())


def test_a_public_set_that_is_not_what_it_is_said_to_be_pins_nothing(request_of, files, tmp_path):
    client, good = _client(files, tmp_path), request_of()
    changed = dataclasses.replace(good.originals, features=1 - good.originals.features)
    lying = dataclasses.replace(good, originals=changed)
    with pytest.raises(RequestRejected, match="expected public inputs with digest"):
        client.answer(lying.to_bytes())
    assert client.answer(good.to_bytes())


def test_a_public_set_is_known_in_any_order(request_of):
    originals = request_of().originals
    order = np.random.default_rng(0).permutation(len(originals.features))
    mixed = dataclasses.replace(originals, features=originals.features[order], labels=originals.labels[order])
    twice = np.vstack([originals.features[:-1], originals.features[:1]])
    assert public_set(mixed) == public_set(originals)
    assert public_set(dataclasses.replace(originals, features=twice)) != public_set(originals)
    assert public_set(dataclasses.replace(originals, image_shape=None)) != public_set(originals)


def _train(grants, name, public=SETS[0]):
    with grants.training(name, public, NullProgress()) as progress:
        grants.pin(public)
        progress.start("work")


def test_queries_of_a_day_are_limited(files, tmp_path):
    grants = Grants(_limits(files, max_queries=3), tmp_path)
    for _ in range(3):
        _train(grants, "one")
    with pytest.raises(RequestRejected, match="expected at most 3 queries in 24 hours, found 4") as found:
        _train(grants, "one")
    assert found.value.code is RejectionCode.OVER_LIMITS
    with patch("qkd_qiskit.federation.grants.time.time", return_value=time.time() + 86_401):
        _train(Grants(_limits(files, max_queries=3), tmp_path), "one")


def test_answers_are_limited_over_all_experiments(request_of, files, tmp_path):
    request = request_of()
    # Each listed image and its one copy.
    rows = 2 * (len(request.originals.labels) - request.originals.n_examples)
    client = _client(files, tmp_path, max_answers=2 * rows - 1)
    answer = client.answer(request.to_bytes())
    assert client.answer(request.to_bytes()) == answer
    with pytest.raises(RequestRejected, match=f"at most {2 * rows - 1} public inputs .* found {2 * rows}"):
        client.answer(request_of(seed=5).to_bytes())
    assert _client(files, tmp_path, max_answers=2 * rows).answer(request_of(seed=5).to_bytes())


def test_noise_on_outputs_follows_from_a_secret_of_the_client(request_of, files, tmp_path):
    raw = request_of().to_bytes()
    plain = ClientMessage.from_bytes(_client(files, tmp_path / "plain").answer(raw))
    noisy = ClientMessage.from_bytes(_client(files, tmp_path / "one", output_noise=0.3).answer(raw))
    other = ClientMessage.from_bytes(_client(files, tmp_path / "two", output_noise=0.3).answer(raw))
    assert np.abs(noisy.probabilities - plain.probabilities).mean() > 0.05
    assert np.abs(noisy.probabilities - other.probabilities).mean() > 0.05
    np.testing.assert_allclose(noisy.probabilities.sum(axis=1), 1, atol=2e-3)
    # Who loses the answer, not the secret, gives the same again: a second one would tell more.
    folder = tmp_path / "one" / "client"
    for child in folder.iterdir():
        if child.is_dir():
            shutil.rmtree(child)
    again = _client(files, tmp_path / "one", output_noise=0.3).answer(raw)
    assert again == noisy.to_bytes()
    secret = Grants(_limits(files), folder).secret()
    assert len(secret) == 64
    assert secret.encode() not in again


def test_an_answer_that_is_kept_costs_no_query(request_of, files, tmp_path):
    client, raw = _client(files, tmp_path, max_queries=1), request_of().to_bytes()
    assert client.answer(raw) == client.answer(raw)
    assert client.reply(request_of(seed=4).to_bytes()) == encode_rejection(RejectionCode.OVER_LIMITS)


def test_experiments_are_limited_and_seeds_make_them(request_of, files, tmp_path):
    client = _client(files, tmp_path, max_experiments=2)
    for seed in (1, 2):
        assert client.answer(request_of(seed=seed).to_bytes())
    with pytest.raises(RequestRejected, match="expected at most 2 experiments, found 3"):
        client.answer(request_of(seed=3).to_bytes())
    folders = [path for path in (tmp_path / "client").iterdir() if path.is_dir()]
    assert len(folders) == 2


def test_seconds_of_an_experiment_are_limited_over_all_requests(request_of, files, tmp_path):
    client, raw = _client(files, tmp_path, max_seconds=1e-6), request_of().to_bytes()
    for reason in ("1e-06 seconds of training in all", "1e-06 seconds of training in all"):
        with pytest.raises(RequestRejected, match=reason) as found:
            client.answer(raw)
        assert found.value.code is RejectionCode.OVER_LIMITS
    # What was spent counts; a larger grant goes on.
    assert _client(files, tmp_path, max_seconds=1000).answer(raw)


def test_a_deadline_passes_on_what_it_is_told():
    told = []

    class Told(NullProgress):
        def start(self, label, total=None):
            told.append((label, total))

        def advance(self, label, n=1):
            told.append((label, n))

        def done(self, label):
            told.append((label, "done"))

    deadline = Deadline(Told(), 100.0, 100.0)
    deadline.start("a", 3)
    deadline.advance("a", 2)
    deadline.done("a")
    assert told == [("a", 3), ("a", 2), ("a", "done")]
    assert 0 <= deadline.spent < 100


def _fill(folder, name, n_bytes):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "stages").write_bytes(bytes(n_bytes))


def test_folders_of_old_experiments_give_way(files, tmp_path):
    grants = Grants(_limits(files, max_disk_bytes=2**20, max_public_sets=3), tmp_path)
    (tmp_path / "programs").mkdir()
    for number, name in enumerate(("old", "locked", "young")):
        with patch("qkd_qiskit.federation.grants.time.time", return_value=1000.0 + number):
            _train(grants, name)
        _fill(tmp_path, name, 400_000)
    with folder_lock(tmp_path / "locked"):
        _train(grants, "new")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "locked",
        "programs",
        "young",
    ]
    _fill(tmp_path, "programs", 2**20)
    with pytest.raises(RequestRejected, match="expected at most 1048576 bytes on disk, found"):
        _train(grants, "new")
    # Neither the program nor the experiment that is wanted was deleted.
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["programs"]


def test_folders_of_old_public_sets_are_bounded(files, tmp_path):
    for number in range(9):
        public = f"{number:064x}"
        grants = Grants(_limits(files, public_digest=public), tmp_path)
        with patch("qkd_qiskit.federation.grants.time.time", return_value=1000.0 + number):
            _train(grants, f"experiment {number}", public)
        _fill(tmp_path, f"experiment {number}", 10)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 4


def test_an_account_that_cannot_be_read_is_an_error_and_no_new_beginning(files, tmp_path):
    grants = Grants(_limits(files), tmp_path)
    for content in (b"", b"{", b'{"public_sets": 3}', b"\xff" * 10, b"[" * 10_000):
        (tmp_path / GRANTS_FILE).write_bytes(content)
        with pytest.raises(StoreError, match=r"grants\.json"):
            _train(grants, "one")
    (tmp_path / GRANTS_FILE).unlink()
    (tmp_path / GRANTS_FILE).mkdir()
    with pytest.raises(StoreError, match="cannot read .*grants.json"):
        _train(grants, "one")


def test_memory_that_is_not_there_is_told_by_the_same_code(files, tmp_path):
    client = _client(files, tmp_path)
    with patch.object(client, "answer", side_effect=MemoryError("Unable to allocate 34 GiB")):
        assert client.reply(b"") == encode_rejection(RejectionCode.OVER_LIMITS)


def test_the_documentation_names_every_limit_with_its_default():
    page = (Path(__file__).parents[3] / "docs" / "trust.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    told = {row[1].strip(" `"): row[2].strip() for row in rows if row[1].strip().endswith("`")}
    units = {"MiB": 2**20, "GiB": 2**30, "": 1}
    for name, field in RemoteClientSettings.model_fields.items():
        if name.startswith("max_"):
            number, _, unit = told[name].partition(" ")
            assert int(number) * units[unit] == field.default, name
