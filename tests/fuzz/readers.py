"""The readers of the program, each with whole files of its kind and what a right result is."""

from __future__ import annotations

import gzip
import io
import json
import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import damage
import numpy as np
from damage import Rng
from numpy.typing import NDArray

from qkd_qiskit.config import ExperimentSettings, load_experiment
from qkd_qiskit.data import load_client_samples, load_dataset
from qkd_qiskit.data.unlabelled import load_features
from qkd_qiskit.deployment.settings import load_client, load_server
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import QKDError, SubmissionError
from qkd_qiskit.estimator import load_coefficients
from qkd_qiskit.estimator.calibration import load_plan, read_records
from qkd_qiskit.evaluation import REQUIRED_MODELS
from qkd_qiskit.evaluation.results import Results
from qkd_qiskit.experiment import ExperimentResult
from qkd_qiskit.federation import read_server_data, write_data_files
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.hardware.descriptor import descriptor_folder
from qkd_qiskit.interop import export_circuit
from qkd_qiskit.models import MODEL_FILE, SavedModel, load_model
from qkd_qiskit.reporting import check_results
from qkd_qiskit.runtime.ledger import Ledger, Submission
from qkd_qiskit.runtime.local import LocalService
from qkd_qiskit.runtime.service import JobCounts, JobRequest, ServiceUncertain
from qkd_qiskit.store import Database, RecordStore, open_store
from qkd_qiskit.store.database import DATABASE_FILE
from qkd_qiskit.sweep import load_sweep
from qkd_qiskit.vqcnn import VQCNNSpec, build_circuit

logging.getLogger("qkd_qiskit").setLevel(logging.CRITICAL)

Case = Callable[[Path, Rng], None]
Damage = Callable[[bytes, Rng], bytes]

IMAGES = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3) * 3
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def _saved(save: Callable[..., None], *arrays: NDArray[np.generic], **named: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


def _file(name: str, content: bytes, change: Damage, read: Callable[[Path], None]) -> Case:
    """Return a case that damages one file and reads it."""

    def case(folder: Path, rng: Rng) -> None:
        path = folder / name
        path.write_bytes(change(content, rng))
        read(path)

    return case


def models(whole: Path) -> Case:
    """Saved models: those that load have a spec, parameters and an encoder that fit each other."""
    rng = np.random.default_rng(0)
    kinds = []
    for encoding in ("angle", "amplitude"):
        spec = VQCNNSpec(3, encoding, "conv, conv", "one_cx", n_outcomes=3)
        encoder = make_encoder(encoding, 3, image_shape=(4, 4)).fit(rng.random((20, 16)))
        params = rng.normal(size=spec.n_weights + 1)
        kinds.append(SavedModel(spec, params, (3, 5, 8), encoder, "ibm_torino", True, 7).to_bytes())

    def read(path: Path) -> None:
        model = load_model(path)
        assert model.params.shape == (model.spec.n_weights + 1,)
        assert np.isfinite(model.logit_scale)
        assert 2 <= len(model.classes) <= model.spec.n_outcomes
        features = np.ones((2, 16))
        try:
            encoded = model.encoder.transform(features)
        except QKDError:
            return
        assert encoded.shape == (2, model.spec.n_features)

    cases = [_file(MODEL_FILE, content, damage.of_archive, read) for content in kinds]
    return lambda folder, rng: cases[int(rng.integers(2))](folder, rng)


def tables(whole: Path) -> Case:
    """Data files of all formats, read as a dataset, as features alone and as a client's samples."""
    idx = struct.pack(">BBBB3I", 0, 0, 8, 3, *IMAGES.shape) + IMAGES.tobytes()
    text = b"a,b,label\n" + b"".join(b"%d,2.5,%d\n" % (row, row % 3) for row in range(20))
    names = b"f,kind\n" + b"".join(b'1e-3,"%s"\n' % name for name in (b"ant", b"bee", "cät".encode()) * 4)
    labels = b"label\n" + b"0\n1\n2\n" * 2
    npz = _saved(np.savez_compressed, images=IMAGES, labels=LABELS)
    npy = _saved(np.save, IMAGES)
    packed = damage.of_packed
    files: list[tuple[str, bytes, Damage, str | None]] = [
        ("my-images.idx", idx, damage.of_bytes, "labels.npy"),
        ("my-images.gz", gzip.compress(idx, mtime=0), packed(damage.of_bytes), "labels.npy"),
        ("my-images.npy", npy, damage.of_array, "labels.npy"),
        ("set.npz", npz, damage.of_archive, None),
        (
            "set.npz",
            _saved(np.savez, X=IMAGES, y=np.array(["ant", "bee", "cat"] * 2)),
            damage.of_archive,
            None,
        ),
        ("set.csv", text, damage.of_text, None),
        ("set.csv", names, damage.of_text, "kind"),
        ("set.csv.gz", gzip.compress(text, mtime=0), packed(damage.of_text), None),
        ("labels.txt", labels, damage.of_text, "labels.txt"),
        ("labels.npy", _saved(np.save, LABELS), damage.of_array, "labels.npy"),
    ]

    def case(folder: Path, rng: Rng) -> None:
        name, content, change, labels_file = files[int(rng.integers(len(files)))]
        (folder / "labels.npy").write_bytes(_saved(np.save, LABELS))
        samples = folder / name
        if name.startswith("labels"):
            samples = folder / "X.npy"
            samples.write_bytes(npy)
        (folder / name).write_bytes(change(content, rng))
        kind = int(rng.integers(3))
        if kind == 0:
            data = load_dataset(path=samples, labels=labels_file)
            assert data.features.shape[0] == data.labels.shape[0]
            assert np.isfinite(data.features).all()
        elif kind == 1:
            features = load_features(samples).features
            assert features.ndim == 2
            assert np.isfinite(features).all()
        else:
            own = load_client_samples(samples, labels_file)
            assert len(own.values) == len(own.labels)
            assert len(own.digest) == 32

    return case


def settings(whole: Path) -> Case:
    """TOML of all kinds: experiments, overrides, sweeps, calibration plans, servers, clients, devices."""
    config = resources.files("qkd_qiskit.config")
    experiments = [
        (config / "experiments" / f"{name}.toml").read_bytes()
        for name in ("quickstart", "heterogeneity", "mnist4")
    ]
    sweeps = [file.read_bytes() for file in (config / "sweeps").iterdir() if file.name.endswith(".toml")]
    plan = (resources.files("qkd_qiskit.estimator.calibration") / "plan.toml").read_bytes()
    fakes = [(descriptor_folder() / f"{name}.toml").read_bytes() for name in ("ibm_torino", "noisy_line")]
    ring = (
        b'name = "ring"\nsource = "custom"\ntopology = { kind = "ring", n_qubits = 6 }\n'
        b"timing = { dt = 1e-9 }\n"
        b"qubits = { t1 = 200e-6, t2 = 150e-6, readout_error = 0.01, readout_duration = 1e-6 }\n"
        b"[gates]\nrz = { error = 0.0, duration = 0.0 }\nsx = { error = 2e-4, duration = 40e-9 }\n"
        b"x = { error = 2e-4, duration = 40e-9 }\ncz = { error = 4e-3, duration = 80e-9 }\n"
    )
    server = (
        b'host = "127.0.0.1"\nport = 9092\nexperiment = "quickstart"\npublic = "there"\nauthority = "there"\n'
        b'certificate = "there"\nkey = "there"\nclients = { a = "there", b = "there" }\n'
    )
    client = (
        b'server = "localhost:9092"\nauthority = "there"\nkey = "there"\nfolder = "f"\n[client]\nname = "a"\n'
        b'backend = "ibm_torino"\npath = "there"\nlimits = { values = 1000 }\n'
    )

    def experiment(path: Path) -> None:
        assert load_experiment(str(path)).clients

    def device(path: Path) -> None:
        assert load_backend(path).n_qubits >= 1

    readers: list[tuple[str, list[bytes], Callable[[Path], object]]] = [
        ("e.toml", experiments, experiment),
        ("s.toml", sweeps, lambda path: load_sweep(str(path))),
        ("p.toml", [plan], load_plan),
        ("ring.toml", [ring], device),
        ("ibm_torino.toml", fakes[:1], device),
        ("noisy_line.toml", fakes[1:], device),
        ("server.toml", [server], load_server),
        ("client.toml", [client], load_client),
    ]

    def case(folder: Path, rng: Rng) -> None:
        (folder / "there").write_bytes(b"")
        kind = int(rng.integers(len(readers) + 1))
        if kind == len(readers):
            keys = (
                "seed",
                "data.classes",
                "clients.0.samples",
                "data.path",
                "limits.values",
                "a.b.c",
                "clients",
            )
            token = damage.TOKENS[int(rng.integers(len(damage.TOKENS)))]
            load_experiment("quickstart", overrides=[f"{keys[int(rng.integers(len(keys)))]}={token}"])
            return
        name, contents, read = readers[kind]
        (folder / name).write_bytes(damage.of_text(contents[int(rng.integers(len(contents)))], rng))
        read(folder / name)

    return case


def _results() -> Results:
    """Return the smallest record of a run."""
    entry = {"accuracy": 0.9, "accuracy_ideal": 0.91, "interval": [0.85, 0.94], "noise": "ibm_torino"}
    entry |= {"weights": 9, "two_qubit_gates": 3}
    unknown = ("backend", "samples", "budget", "model_index", "gates", "accuracy", "seconds")
    traffic = {"up": 1, "down": 1, "rounds": 1}
    return check_results(
        {
            "schema": 1,
            "experiment": "quickstart",
            "seed": 1,
            "versions": {"qiskit": "2.3.0"},
            "data": {"dataset": "mnist5000", "classes": [0, 1], "public": 9, "test": 200},
            "clients": [dict.fromkeys(unknown) | {"name": "a", "classes": [0], "bytes_sent": 1}],
            "models": dict.fromkeys(REQUIRED_MODELS, entry),
            "absent": {},
            "communication": {"distillation": traffic, "fedavg": traffic},
            "timings": {"total": 1.0},
        }
    )


def records(whole: Path) -> Case:
    """JSON of all kinds: a finished run, coefficients, calibration records."""
    coefficients = (resources.files("qkd_qiskit.estimator") / "coefficients.json").read_bytes()
    run_settings = load_experiment("quickstart").model_dump_json().encode()
    results = json.dumps(_results().dump(), indent=2).encode()
    shipped = resources.files("qkd_qiskit.estimator.calibration") / "records.jsonl"
    lines = b"".join(shipped.read_bytes().splitlines(keepends=True)[:4])
    plan = load_plan()

    def case(folder: Path, rng: Rng) -> None:
        kind = int(rng.integers(4))
        if kind < 2:
            for name, content, damaged in (("results.json", results, 0), ("settings.json", run_settings, 1)):
                (folder / name).write_bytes(damage.of_text(content, rng) if kind == damaged else content)
            assert isinstance(ExperimentResult.load(folder).settings, ExperimentSettings)
        elif kind == 2:
            (folder / "c.json").write_bytes(damage.of_text(coefficients, rng))
            load_coefficients(folder / "c.json")
        else:
            (folder / "r.jsonl").write_bytes(damage.of_text(lines, rng))
            read_records(folder / "r.jsonl", plan)

    return case


@dataclass(frozen=True, eq=False)
class Stage:
    """What a stage keeps."""

    numbers: NDArray[np.float64]
    names: tuple[str, ...]
    loss: float


def stores(whole: Path) -> Case:
    """Databases of runs: a stage comes back whole or not at all, answers too, and a run can go on."""
    stage = Stage(np.random.default_rng(0).random((40, 30)), ("a", "b"), 0.25)
    keys = [f"client {number}" for number in range(5)]
    with open_store(whole / "run", "fingerprint") as store:
        for key in keys:
            store.save(key, stage)
        with store.answers("training", resume=False) as answers:
            for number in range(60):
                answers.answer(np.array([number]), lambda number=number: (np.full(30, number),))
    RecordStore(whole / "run").save("sweep", "cell", "f", {"right": 1.0})
    _settle(whole / "run")
    content = (whole / "run" / DATABASE_FILE).read_bytes()

    def case(folder: Path, rng: Rng) -> None:
        path = folder / DATABASE_FILE
        path.write_bytes(content)
        damage.of_database(path, rng)
        with open_store(folder, "fingerprint", resume=True) as store:
            for key in keys:
                found = store.load(key, Stage)
                if found is None:
                    store.save(key, stage)
                    found = store.load(key, Stage)
                assert found is not None
                np.testing.assert_array_equal(found.numbers, stage.numbers)
                assert (found.names, found.loss) == (stage.names, stage.loss)
            with store.answers("training", resume=True) as answers:
                for number in range(60):
                    (answer,) = answers.answer(
                        np.array([number]), lambda number=number: (np.full(30, number),)
                    )
                    np.testing.assert_array_equal(answer, np.full(30, number))
        assert RecordStore(folder).load("sweep", "cell", "f") in (None, {"right": 1.0})

    return case


def jobs(whole: Path) -> Case:
    """Ledgers of jobs: counts come back as they were, or their damage is told."""
    spec = VQCNNSpec(2, plan="conv", kernels="one_cx", n_outcomes=4)
    counts = np.arange(40).reshape(10, 4)
    ready = Submission(
        "sub-1", "2026-01-01T00:00:00", "ibm_torino", {"shots": 10, "fingerprint": "f"}, build_circuit(spec),
        (), np.zeros((30, 4)), np.zeros(30, dtype=np.int64),
    )  # fmt: skip
    with Ledger(whole / "jobs") as ledger:
        ledger.add(ready, [(0, 10), (10, 20), (20, 30)])
        for batch in ledger.batches("sub-1")[:2]:
            ledger.intend(batch, 1.0)
            ledger.accepted(ledger.batches("sub-1")[batch.number], f"job-{batch.number}")
            ledger.finished(ledger.batches("sub-1")[batch.number], JobCounts(counts, counts[:2], 1.5))
        expected = ledger.batches("sub-1")
    _settle(whole / "jobs")
    content = (whole / "jobs" / DATABASE_FILE).read_bytes()

    def case(folder: Path, rng: Rng) -> None:
        path = folder / DATABASE_FILE
        path.write_bytes(content)
        damage.of_database(path, rng)
        with Ledger(folder) as ledger:
            for submission in ledger.submissions():
                assert submission.inputs.shape[0] == submission.labels.shape[0]
                found = ledger.batches(submission.id)
                with Database(folder) as database:
                    sealed = database.rows("SELECT 1 FROM ledger_seal WHERE submission = ?", submission.id)
                # Without any seal a submission is taken for one of an earlier version.
                assert found == expected or not sealed
                ledger.former(submission.id)
                numbers, stored, calibration = ledger.counts(submission.id)
                assert len(numbers) == len(stored) == len(calibration)

    return case


def local_jobs(whole: Path) -> Case:
    """Job files of the local mode: a job that is there says what it was given, or there is none."""
    spec = VQCNNSpec(2, plan="conv", kernels="one_cx")
    circuit = export_circuit(spec, np.zeros(spec.n_weights))
    service = LocalService(whole / "local", load_backend("noisy_line"))
    number = service.submit(JobRequest(circuit, np.zeros((1, 4)), (), 5, ("mine", "one"), seed=3))
    content = (whole / "local" / f"{number}.npz").read_bytes()

    def case(folder: Path, rng: Rng) -> None:
        (folder / f"{number}.npz").write_bytes(damage.of_archive(content, rng))
        damaged = LocalService(folder, load_backend("noisy_line"))
        listed = damaged.find("mine")
        assert [job.job_id for job in listed] in ([], [number])
        try:
            damaged.state(number)
        except ServiceUncertain as error:
            # The runner turns it into an error of the package.
            raise SubmissionError(str(error)) from None

    return case


def _settle(folder: Path) -> None:
    """Move everything from the journal into the database's one file."""
    with Database(folder) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def public_sets(whole: Path) -> Case:
    """Public samples of a server: those that are read fit the experiment."""
    tiny = load_experiment(str(Path(__file__).parents[1] / "integration" / "tiny.toml"))
    content = write_data_files(tiny, whole).public.read_bytes()

    def read(path: Path) -> None:
        data = read_server_data(tiny, path)
        assert data.public.samples.inputs.shape[0] == data.public.samples.labels.shape[0]

    return _file("public.npz", content, damage.of_archive, read)


def indices(whole: Path) -> Case:
    """Model indices: any integer gives a spec with this very index, or an error."""
    known = [VQCNNSpec(n, n_outcomes=m).index for n, m in ((2, 2), (4, 3), (8, 10), (16, 10))]

    def case(folder: Path, rng: Rng) -> None:
        kind = int(rng.integers(4))
        if kind == 0:
            index = int.from_bytes(rng.bytes(int(rng.integers(1, 40))), "big")
        elif kind == 1:
            index = known[int(rng.integers(len(known)))] + int(rng.integers(-1000, 1000))
        elif kind == 2:
            index = known[int(rng.integers(len(known)))] ^ (1 << int(rng.integers(200)))
        else:
            index = int(rng.choice([-1, 0, 1])) * (1 << int(rng.integers(1, 20_000)))
        spec = VQCNNSpec.from_index(index)
        assert spec.index == index
        assert spec.n_weights >= 0

    return case


KINDS: dict[str, Callable[[Path], Case]] = {
    "models": models,
    "tables": tables,
    "settings": settings,
    "records": records,
    "stores": stores,
    "jobs": jobs,
    "local_jobs": local_jobs,
    "public_sets": public_sets,
    "indices": indices,
}
