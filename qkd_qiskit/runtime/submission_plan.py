"""From a run's model to jobs: samples, circuits, batches within the service's limits, and their price."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import Samples, prepare_data
from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.hardware import Device, fold_angles, transpile_verified
from qkd_qiskit.interop import export_circuit
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime.ibm import DEFAULT_REP_DELAY, for_hardware
from qkd_qiskit.runtime.jobs import job_request
from qkd_qiskit.runtime.ledger import Submission
from qkd_qiskit.runtime.limits import batch_ranges, executed_shots, instructions_per_qubit
from qkd_qiskit.runtime.mitigation import calibration_circuits
from qkd_qiskit.runtime.service import JobRequest, ServiceUncertain

CLOSED_FORM = "two seconds a job, and circuit duration and repetition delay for each execution"
DRY_RUN = "a dry run at the service"
_OVERHEAD_SECONDS = 2.0


@dataclass(frozen=True)
class SubmissionOptions:
    """What a user may choose.

    Attributes:
        samples: Test samples to classify.
        shots: Shots of each.
        seed: Chooses the samples, and seeds simulators.
        batch: Most samples in one job; None for as many as the service takes.
        mitigate: Whether calibration circuits for readout mitigation join each job.
        dynamical_decoupling: Whether the service fills idle times with pulses.
        twirling: Whether the service twirls gates and measurements.
        max_seconds: Most quantum seconds of all jobs together; None for no limit of one's own.
    """

    samples: int
    shots: int
    seed: int = 0
    batch: int | None = None
    mitigate: bool = True
    dynamical_decoupling: bool = False
    twirling: bool = False
    max_seconds: int | None = None


@dataclass(frozen=True)
class SubmissionEstimate:
    """What a submission will take.

    Attributes:
        jobs: Number of jobs.
        circuits: Circuits with their inputs bound, calibration included.
        executions: Circuits times shots; twirling rounds shots up.
        seconds: Quantum seconds.
        source: Where the seconds are from: `DRY_RUN`, or `CLOSED_FORM`, which may say why.
        two_qubit_gates: Native two-qubit gates of the circuit.
        esp: Predicted probability that one execution is free of errors.
    """

    jobs: int
    circuits: int
    executions: int
    seconds: float
    source: str
    two_qubit_gates: int
    esp: float


@dataclass(frozen=True, eq=False)
class SubmissionPlan:
    """A submission that is ready to be sent.

    Attributes:
        submission: What the ledger stores.
        ranges: First and one-behind-last sample of each batch.
        estimate: What it will take.
    """

    submission: Submission
    ranges: tuple[tuple[int, int], ...]
    estimate: SubmissionEstimate


def plan_submission(
    model: SavedModel,
    samples: Samples,
    device: Device,
    options: SubmissionOptions,
    *,
    local: bool,
    rep_delay: float = DEFAULT_REP_DELAY,
    ask: Callable[[JobRequest], float] | None = None,
) -> SubmissionPlan:
    """Transpile, verify, cut into batches and estimate.

    Args:
        model: The trained model; one whose inputs are states is refused.
        samples: Encoded samples that may be classified, with their class indices.
        device: Where it will run.
        options: What the user chose.
        local: Whether the device is simulated here; then delays stay in the circuit, for its idle noise.
        rep_delay: Seconds between two executions.
        ask: Gives the service's own estimate of a job's quantum seconds, see `IBMService.estimate`; the
            closed form stands where it is omitted or has no answer.

    Raises:
        SubmissionError: If a number is out of range, the estimate exceeds `max_seconds`, the service's limits
            hold not even one sample, or the model cannot run.
        HardwareError: If the model does not fit the device.
    """
    if model.spec.takes_states:
        raise SubmissionError(
            f"expected an encoding of gates, found {model.spec.encoding}, which is for simulators only"
        )
    for name in ("samples", "shots", "batch", "max_seconds"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise SubmissionError(f"{name}: expected at least 1, found {value}")
    if options.samples > len(samples):
        raise SubmissionError(
            f"samples: expected at most {len(samples)} of the test set, found {options.samples}"
        )
    chosen = np.sort(
        np.random.default_rng(options.seed).choice(len(samples), size=options.samples, replace=False)
    )
    transpiled = transpile_verified(model.spec, device, seed=model.seed)
    if device.fractional:
        transpiled = fold_angles(transpiled, model.weights, device)
    circuit = export_circuit(transpiled, model.weights)
    if not local:
        circuit = for_hardware(circuit)
    calibrations = calibration_circuits(circuit) if options.mitigate else ()
    counted = transpiled.report.counted
    each = counted.duration + rep_delay
    shots = executed_shots(options.shots, twirling=options.twirling and not local)
    ranges = batch_ranges(
        options.samples,
        shots,
        seconds_each=each,
        instructions_each=instructions_per_qubit(
            circuit, grows=options.dynamical_decoupling or options.twirling
        ),
        n_calibrations=len(calibrations),
        batch=options.batch,
    )
    circuits = options.samples + len(calibrations) * len(ranges)
    estimate = SubmissionEstimate(
        jobs=len(ranges),
        circuits=circuits,
        executions=circuits * shots,
        seconds=len(ranges) * _OVERHEAD_SECONDS + circuits * shots * each,
        source=CLOSED_FORM,
        two_qubit_gates=counted.two_qubit,
        esp=counted.esp,
    )
    submission = Submission(
        id=f"qkd-{uuid.uuid4().hex[:12]}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        backend=device.name,
        settings=asdict(options)
        | {
            "local": local,
            "fingerprint": fingerprint(model, device.name, options),
            "model_index": str(model.spec.index),
            "calibration_date": device.calibration_date,
        },
        circuit=circuit,
        calibrations=calibrations,
        inputs=samples.inputs[chosen],
        labels=samples.labels[chosen],
    )
    if ask is not None:
        estimate = _asked(estimate, submission, ranges, ask)
    if options.max_seconds is not None and not local and estimate.seconds > options.max_seconds:
        raise SubmissionError(
            f"the estimate of {estimate.seconds:.0f} quantum seconds exceeds --max-seconds "
            f"{options.max_seconds}"
        )
    submission.settings["estimate"] = asdict(estimate)
    return SubmissionPlan(submission, ranges, estimate)


def _asked(
    estimate: SubmissionEstimate,
    submission: Submission,
    ranges: tuple[tuple[int, int], ...],
    ask: Callable[[JobRequest], float],
) -> SubmissionEstimate:
    """Put the service's own seconds into the estimate, if told: those of the largest job for each."""
    start, stop = max(ranges, key=lambda limits: limits[1] - limits[0])
    try:
        seconds = ask(job_request(submission, start, stop))
    except ServiceUncertain as error:
        return replace(estimate, source=f"{CLOSED_FORM}; no dry run: {error}")
    return replace(estimate, seconds=len(ranges) * seconds, source=DRY_RUN)


def fingerprint(model: SavedModel, backend: str, options: SubmissionOptions) -> str:
    """Identify equal submissions, so that a command that is given again goes on instead of paying again."""
    said = json.dumps([str(model.spec.index), backend, asdict(options)], sort_keys=True)
    return hashlib.sha256(said.encode() + model.params.tobytes()).hexdigest()


def samples_of_run(run: Path) -> Samples:
    """Return the encoded test samples of a run, made again from its settings.

    Raises:
        SubmissionError: If the folder has no settings, or damaged ones.
        DataError: If its data are no longer there.
    """
    path = run / "settings.json"
    try:
        settings = ExperimentSettings.model_validate_json(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else "damaged"
        raise SubmissionError(
            f"cannot read {path}: {reason}; expected the folder of a finished run"
        ) from None
    return prepare_data(settings).test
