"""From a run's model to jobs: samples, circuits, alone or packed, batches, and what they will take."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.config.loading import read_settings_json
from qkd_qiskit.data import Samples, check_test_digest, kept_test_samples, prepare_data
from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.hardware import Device, TranspiledVQCNN, fold_angles, place_copies, transpile_verified
from qkd_qiskit.models import SavedModel
from qkd_qiskit.runtime.drafts import Draft, ModelWorkload, draft_alone, draft_packed
from qkd_qiskit.runtime.estimate import DRY_RUN, SubmissionEstimate, asked, beside_alone, closed_form
from qkd_qiskit.runtime.ledger import Submission
from qkd_qiskit.runtime.limits import DEFAULT_REP_DELAY
from qkd_qiskit.runtime.packing import PackingOptions
from qkd_qiskit.runtime.service import JobRequest


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
        packing: How copies share the device; None for one circuit at a time.
    """

    samples: int
    shots: int
    seed: int = 0
    batch: int | None = None
    mitigate: bool = True
    dynamical_decoupling: bool = False
    twirling: bool = False
    max_seconds: int | None = None
    packing: PackingOptions | None = None


@dataclass(frozen=True, eq=False)
class SubmissionPlan:
    """A submission that is ready to be sent.

    Attributes:
        submission: What the ledger stores.
        ranges: First and one-behind-last row of each batch; a row is a sample, or one for each copy.
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
    """Plan the submission of one model; see `plan_workloads`."""
    work = ModelWorkload(model, samples)
    return plan_workloads([work], device, options, local=local, rep_delay=rep_delay, ask=ask)


def plan_workloads(
    works: Sequence[ModelWorkload],
    device: Device,
    options: SubmissionOptions,
    *,
    local: bool,
    rep_delay: float = DEFAULT_REP_DELAY,
    ask: Callable[[JobRequest], float] | None = None,
) -> SubmissionPlan:
    """Transpile, verify, pack if wanted, cut into batches and estimate.

    Args:
        works: The models with the samples that may be classified; several only where copies are packed. One
            whose inputs are states is refused.
        device: Where they will run.
        options: What the user chose.
        local: Whether the device is simulated here; then delays stay in the circuit, for its idle noise.
        rep_delay: Seconds between two executions.
        ask: Gives the service's own estimate of a job's quantum seconds, see `IBMService.estimate`; the
            closed form stands where it is omitted or has no answer.

    Raises:
        SubmissionError: If a number is out of range, the estimate exceeds `max_seconds`, the service's limits
            hold not even one sample, a model cannot run, or a check of packing needs more than one job.
        HardwareError: If a model, or so many copies of it, do not fit the device.
    """
    _check_options(options, works)
    draft, alone = _drafts(works, device, options, local=local)
    submission = _submission(works, device, options, draft, local=local)
    price = partial(
        closed_form,
        shots=options.shots,
        rep_delay=rep_delay,
        suppression=(options.dynamical_decoupling, options.twirling and not local),
        batch=options.batch,
    )
    ranges, estimate = price(draft)
    if options.packing is not None and options.packing.check and len(ranges) > 1:
        raise SubmissionError(
            f"packing check: expected samples that fit into one job, found {len(ranges)} jobs; take fewer"
        )
    if ask is not None:
        estimate = asked(estimate, submission, ranges, ask)
    others = []
    for other in alone:
        other_ranges, unpacked = price(other)
        if ask is not None and estimate.source == DRY_RUN:
            one = _submission(works, device, options, other, local=local)
            unpacked = asked(unpacked, one, other_ranges, ask)
        others.append(unpacked)
    estimate = beside_alone(estimate, others)
    if options.max_seconds is not None and not local and estimate.seconds > options.max_seconds:
        raise SubmissionError(
            f"the estimate of {estimate.seconds:.0f} quantum seconds exceeds --max-seconds "
            f"{options.max_seconds}"
        )
    submission.settings["estimate"] = asdict(estimate)
    return SubmissionPlan(submission, ranges, estimate)


def _check_options(options: SubmissionOptions, works: Sequence[ModelWorkload]) -> None:
    for work in works:
        if not work.model.spec.executable:
            raise SubmissionError(
                f"expected an encoding of gates, found {work.model.spec.encoding}, which is for simulators "
                "only"
            )
        if options.samples > len(work.samples):
            raise SubmissionError(
                f"samples: expected at most {len(work.samples)} of the test set, found {options.samples}"
            )
    for name in ("samples", "shots", "batch", "max_seconds"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise SubmissionError(f"{name}: expected at least 1, found {value}")
    if options.packing is None and len(works) > 1:
        raise SubmissionError(f"expected one model without --pack, found {len(works)}")


def _drafts(
    works: Sequence[ModelWorkload], device: Device, options: SubmissionOptions, *, local: bool
) -> tuple[Draft, list[Draft]]:
    """Return what will run, and where it is packed, the same for each model alone."""
    chosen = [_chosen(work.samples, options) for work in works]
    single = partial(draft_alone, mitigate=options.mitigate, local=local)
    if options.packing is None:
        model = works[0].model
        transpiled = transpile_verified(model.spec, device, seed=model.seed)
        return single(_legal(transpiled, model, device), works[0], chosen[0]), []
    copies = place_copies(
        [(work.model.spec, work.model.seed) for work in works],
        device,
        copies=options.packing.copies,
        margin=options.packing.margin,
        floor=options.packing.floor,
    )
    copies = tuple(
        replace(copy, transpiled=_legal(copy.transpiled, works[copy.number].model, device)) for copy in copies
    )
    draft = draft_packed(copies, works, chosen, options.packing, mitigate=options.mitigate, local=local)
    best = {copy.number: copy.transpiled for copy in reversed(copies)}
    return draft, [single(best[k], work, chosen[k]) for k, work in enumerate(works)]


def _legal(transpiled: TranspiledVQCNN, model: SavedModel, device: Device) -> TranspiledVQCNN:
    """Return the circuit with angles of fractional gates in their range, where the device has such gates."""
    return fold_angles(transpiled, model.weights, device) if device.fractional else transpiled


def _chosen(samples: Samples, options: SubmissionOptions) -> Samples:
    rng = np.random.default_rng(options.seed)
    return samples.rows(np.sort(rng.choice(len(samples), size=options.samples, replace=False)))


def _submission(
    works: Sequence[ModelWorkload], device: Device, options: SubmissionOptions, draft: Draft, *, local: bool
) -> Submission:
    settings = asdict(options) | {
        "local": local,
        "fingerprint": fingerprint([work.model for work in works], device.name, options),
        "model_index": str(works[0].model.spec.index),
        "calibration_date": device.calibration_date,
    }
    if options.packing is not None and draft.packing is not None:
        sources = [work.source for work in works]
        settings["packing"] = asdict(options.packing) | draft.packing.to_dict() | {"sources": sources}
    return Submission(
        id=f"qkd-{uuid.uuid4().hex[:12]}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        backend=device.name,
        settings=settings,
        circuit=draft.circuit,
        calibrations=draft.extras,
        inputs=draft.inputs,
        labels=draft.labels,
    )


def fingerprint(models: Sequence[SavedModel], backend: str, options: SubmissionOptions) -> str:
    """Identify equal submissions, so that a command that is given again goes on instead of paying again."""
    # Options that came later count where they are used: submissions of earlier versions are found again.
    used = {name: value for name, value in asdict(options).items() if name != "packing" or value is not None}
    first, *others = models
    said = [str(first.spec.index), backend, used]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode() + first.params.tobytes())
    for model in others:
        digest.update(str(model.spec.index).encode() + model.params.tobytes())
    return digest.hexdigest()


def samples_of_run(run: Path) -> Samples:
    """Return the encoded test samples of a run: those that it keeps, or made again from its settings.

    Raises:
        SubmissionError: If the folder has no settings, or damaged ones.
        DataError: If its data are no longer there.
    """
    kept = kept_test_samples(run)
    if kept is not None:
        return kept
    path = run / "settings.json"
    if not path.exists():
        raise SubmissionError(f"cannot read {path}: no such file; expected the folder of a finished run")
    test = prepare_data(read_settings_json(ExperimentSettings, path, SubmissionError)).test
    check_test_digest(test, run)
    return test
