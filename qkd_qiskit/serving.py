"""What one does with a finished run: predict, export, submit to a device, follow the jobs."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.data import load_dataset
from qkd_qiskit.data.unlabelled import load_features
from qkd_qiskit.errors import ModelError, ReportingError, SubmissionError
from qkd_qiskit.files import write_atomic
from qkd_qiskit.hardware import Device, list_backends, load_backend, transpile_verified
from qkd_qiskit.models import (
    SavedModel,
    card_markdown,
    export_circuit,
    load_model,
    model_card,
    to_qasm3,
    to_qpy,
)
from qkd_qiskit.progress import Progress
from qkd_qiskit.reporting import read_results, write_json
from qkd_qiskit.reporting.job_plots import plot_counts
from qkd_qiskit.runtime import (
    LEDGER_FILE,
    IBMService,
    JobRunner,
    JobService,
    Ledger,
    LocalService,
    Options,
    Plan,
    Submission,
    SubmissionOutcome,
    evaluate_submission,
    fingerprint,
    plan_submission,
    samples_of_run,
)
from qkd_qiskit.simulation import Evaluator, PauliEvaluator, SamplerEvaluator

IDEAL = "ideal"
EXPORTS = ("qpy", "qasm3", "card")
ESTIMATE_COLUMNS = (
    ("device", "backend"),
    ("jobs", "jobs"),
    ("circuits", "circuits"),
    ("executions", "executions"),
    ("quantum\nseconds", "seconds"),
    ("2-qubit\ngates", "two_qubit_gates"),
    ("ESP", "esp"),
)
BATCH_COLUMNS = (
    ("batch", "number"),
    ("samples", "samples"),
    ("state", "state"),
    ("job", "job_id"),
    ("seconds", "seconds"),
    ("message", "message"),
)
ACCURACY_COLUMNS = (("result", "kind"), ("accuracy", "accuracy"), ("95 % interval", "interval"))
_FOLDER = "jobs"


@dataclass(frozen=True, eq=False)
class Prediction:
    """Class probabilities of a user's own data.

    Attributes:
        classes: Sorted class set [K].
        probabilities: [N, K].
        noise: Device whose noise was simulated; None for none.
        accuracy: Share of right answers, where labels were given.
    """

    classes: tuple[int | str, ...]
    probabilities: NDArray[np.float64]
    noise: str | None
    accuracy: float | None

    @property
    def predicted(self) -> list[int | str]:
        """Most probable class of each sample."""
        return [self.classes[k] for k in self.probabilities.argmax(axis=1)]

    def to_csv(self) -> str:
        """One line a sample: its number, its class, and the probability of every class."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["sample", "predicted", *(f"p_{name}" for name in self.classes)])
        for number, (name, row) in enumerate(zip(self.predicted, self.probabilities, strict=True)):
            writer.writerow([number, name, *(f"{p:.6f}" for p in row)])
        return buffer.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """The prediction, ready for JSON."""
        return asdict(self) | {"predicted": self.predicted}


def predict_file(
    run: Path,
    source: Path,
    *,
    labels: str | None = None,
    backend: str | None = None,
    shots: int | None = None,
    seed: int = 0,
) -> Prediction:
    """Class probabilities of raw samples in a file.

    Args:
        run: Folder of a finished run.
        source: The samples, as `load_features` reads them; with `labels` as `load_dataset` does.
        labels: Label file, or label column of a CSV; gives the accuracy too.
        backend: Device whose noise is simulated, or `ideal`; as the model was trained when omitted.
        shots: Draw so many shots of each sample; exact probabilities when omitted.
        seed: Seed of the shots.

    Raises:
        QKDError: If the model, the file or the device cannot be used.
    """
    model = load_model(run)
    known: NDArray[Any] | None = None
    if labels is None:
        features = load_features(source)
    else:
        dataset = load_dataset(path=source, labels=labels)
        features, known = dataset.features, dataset.labels
    noise = backend or (model.backend if model.noise else IDEAL)
    evaluator = make_evaluator(model, noise, shots=shots, seed=seed)
    probabilities = model.predict_proba(evaluator, features)
    accuracy = None
    if known is not None:
        answers = np.array(model.classes)[probabilities.argmax(axis=1)]
        accuracy = float((answers.astype(str) == known.astype(str)).mean())
    return Prediction(model.classes, probabilities, None if noise == IDEAL else noise, accuracy)


def make_evaluator(model: SavedModel, noise: str, *, shots: int | None = None, seed: int = 0) -> Evaluator:
    """The exact engine, or a sampler, for a model's structure under a device's noise or `ideal`."""
    if noise == IDEAL:
        return (
            PauliEvaluator(model.spec)
            if shots is None
            else SamplerEvaluator(model.spec, shots=shots, seed=seed)
        )
    device = load_backend(noise)
    transpiled = transpile_verified(model.spec, device, seed=model.seed)
    if shots is None:
        return PauliEvaluator(transpiled, device.noise_model)
    return SamplerEvaluator(transpiled, device.noise_model, shots=shots, seed=seed)


def export_model(
    run: Path,
    output: Path,
    *,
    formats: tuple[str, ...] = EXPORTS,
    backend: str | None = None,
    free: bool = False,
) -> tuple[Path, ...]:
    """Write a run's global model for other programs.

    Args:
        run: Folder of a finished run.
        output: Folder for the files.
        formats: Any of `qpy`, `qasm3` and `card`.
        backend: Device whose ISA circuit is exported; the logical circuit when omitted.
        free: Whether weights stay parameters; else the trained ones are bound and inputs stay free.

    Returns:
        Paths of the files.

    Raises:
        ModelError: If there is no model, or a format is unknown.
        ReportingError: If a file cannot be written.
    """
    unknown = [name for name in formats if name not in EXPORTS]
    if unknown:
        raise ModelError(f"unknown format {unknown[0]!r}: expected {', '.join(EXPORTS)}")
    model = load_model(run)
    source = model.spec if backend is None else transpile_verified(model.spec, backend, seed=model.seed)
    circuit = export_circuit(source, None if free else model.weights)
    files: dict[str, str | bytes] = {}
    if "qpy" in formats:
        files["global_model.qpy"] = to_qpy(circuit)
    if "qasm3" in formats:
        files["global_model.qasm"] = to_qasm3(circuit)
    if "card" in formats:
        results = run / "results.json"
        card = model_card(model, read_results(results) if results.is_file() else None)
        files["model_card.md"] = card_markdown(card)
        write_json(card, output / "model_card.json")
    return tuple(write_file(output / name, content) for name, content in files.items()) + (
        (output / "model_card.json",) if "card" in formats else ()
    )


@dataclass(frozen=True, eq=False)
class Destination:
    """Where jobs go.

    Attributes:
        device: The device, with its calibration.
        service: Runs the jobs.
        local: Whether it is simulated here, and costs nothing.
        rep_delay: Seconds between two executions; None for the usual.
    """

    device: Device
    service: JobService
    local: bool
    rep_delay: float | None = None


def destination(run: Path, backend: str, *, local: bool | None = None) -> Destination:
    """Shipped devices and descriptors run locally; every other name is asked for at IBM Quantum.

    Args:
        run: Folder of the run.
        backend: Name of the device, or the path of a descriptor.
        local: What a ledger says about it; by the name when omitted.

    Raises:
        SubmissionError: If IBM Quantum cannot be reached, or has no such device.
        HardwareError: If the descriptor is wrong.
    """
    if local if local is not None else backend in list_backends() or backend.endswith(".toml"):
        device = load_backend(backend)
        return Destination(device, LocalService(run / _FOLDER / "local", device), True)
    service = IBMService(backend)
    return Destination(service.device(), service, False, service.rep_delay)


def prepare_submission(run: Path, target: Destination, options: Options) -> Plan:
    """What `submit` would do; nothing is written.

    Raises:
        QKDError: If it cannot be done.
    """
    delay = {} if target.rep_delay is None else {"rep_delay": target.rep_delay}
    return plan_submission(
        load_model(run), samples_of_run(run), target.device, options, local=target.local, **delay
    )


def equal_submission(ledger: Ledger, run: Path, target: Destination, options: Options) -> Submission | None:
    """The submission of an earlier command with the same model, device and options, if there is one."""
    wanted = fingerprint(load_model(run), target.device.name, options)
    found = [one for one in ledger.submissions() if one.settings["fingerprint"] == wanted]
    return found[-1] if found else None


def chosen_submission(ledger: Ledger, name: str | None) -> Submission:
    """The submission of a name, or the newest.

    Raises:
        SubmissionError: If there is none.
    """
    found = [one for one in ledger.submissions() if name in (None, one.id)]
    if not found:
        raise SubmissionError(f"no submission {name}" if name else "nothing was submitted from this run yet")
    return found[-1]


def make_runner(ledger: Ledger, submission: Submission, service: JobService, progress: Progress) -> JobRunner:
    """Moves the batches of a submission on."""
    return JobRunner(ledger, submission, service, progress)


def write_outcome(run: Path, ledger: Ledger, submission: Submission) -> tuple[SubmissionOutcome, Path, Path]:
    """Evaluate what is done, and write it as JSON and as a picture.

    Returns:
        The outcome and the paths of the two files.

    Raises:
        SubmissionError: If nothing is done yet.
        ReportingError: If a file cannot be written.
    """
    model = load_model(run)
    outcome = evaluate_submission(ledger, submission, model)
    stem = run / _FOLDER / submission.id
    json_path = write_json(outcome.to_dict(), stem.with_suffix(".json"))
    picture = plot_counts(
        outcome.probabilities,
        outcome.labels,
        [str(name) for name in model.classes],
        {kind: value for kind, (value, _, _) in outcome.accuracies.items()},
        title=f"{submission.backend}{', simulated' if submission.settings['local'] else ''}",
        shots=submission.settings["shots"],
    )
    return outcome, json_path, write_file(stem.with_suffix(".png"), picture)


def to_send(ledger: Ledger, submission: Submission) -> bool:
    """Whether a submission still has batches that are not surely sent."""
    return bool(ledger.batches(submission.id, "planned", "intent"))


def require_ledger(run: Path) -> None:
    """Refuse a folder from which nothing was submitted.

    Raises:
        SubmissionError: If there is no ledger.
    """
    if not (run / LEDGER_FILE).is_file():
        raise SubmissionError(f"nothing was submitted from {run} yet: it has no {LEDGER_FILE}")


def adoption(text: str) -> tuple[int, str]:
    """Batch number and job id of `N=JOB_ID`.

    Raises:
        SubmissionError: If the text is something else.
    """
    number, sign, job_id = text.partition("=")
    if not (sign and number.isdecimal() and job_id):
        raise SubmissionError(f"--adopt: expected N=JOB_ID, found {text!r}")
    return int(number), job_id


def estimate_row(plan: Plan, target: Destination) -> dict[str, Any]:
    """The estimate as a row; the local mode takes no quantum seconds."""
    notes = (
        ["local mode: simulated here, costs nothing"]
        if target.local
        else ["an estimate: two seconds a job, and circuit duration and repetition delay for each execution"]
    )
    return {"backend": target.device.name, **asdict(plan.estimate), "notes": notes}


def batch_rows(ledger: Ledger, submission: Submission) -> list[dict[str, Any]]:
    """One row a batch, for tables and JSON."""
    return [
        {"backend": submission.backend, **asdict(batch), "samples": batch.stop - batch.start}
        for batch in ledger.batches(submission.id)
    ]


def accuracy_rows(outcome: SubmissionOutcome) -> list[dict[str, Any]]:
    """One row a kind of result."""
    return [
        {"kind": kind, "accuracy": f"{value:.1%}", "interval": f"{low:.1%} to {high:.1%}"}
        for kind, (value, low, high) in outcome.accuracies.items()
    ]


def write_file(path: Path, content: str | bytes) -> Path:
    """Write a file whole or not at all.

    Raises:
        ReportingError: If it cannot be written.
    """
    try:
        return write_atomic(path, content)
    except OSError as error:
        raise ReportingError(f"cannot write {path}: {error.strerror or error}") from None
