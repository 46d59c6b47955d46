"""The record of a run: what `results.json` holds beside what the test samples say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qkd_qiskit.baselines import FittedBaseline
from qkd_qiskit.config import ModelSettings
from qkd_qiskit.data import PreparedData, hellinger_distances
from qkd_qiskit.encoding import encoding_named
from qkd_qiskit.evaluation import Results
from qkd_qiskit.evaluation.results import (
    Communication,
    DataResult,
    FidelityResult,
    LabelQueryRecord,
    OwnRecord,
    PartitionRecord,
    RecipeRecord,
    RecipeTrial,
    RefitRecord,
    TeacherRecord,
    Traffic,
)
from qkd_qiskit.experiment.evaluation import Evaluation
from qkd_qiskit.federation import ServerResult, Student, Transport
from qkd_qiskit.run import RunContext
from qkd_qiskit.versions import blas_kernel, installed_versions

_FIDELITY_SAMPLES = 200


def communication_record(
    run: RunContext, server: ServerResult, baselines: Mapping[str, FittedBaseline], transport: Transport
) -> Communication:
    """Return what travelled in a run.

    Args:
        run: Shared by all stages.
        server: The server's part.
        baselines: Fitted baselines by name.
        transport: Carried the rounds.
    """
    wire = transport.traffic()
    sent = {name: getattr(fitted, "traffic", None) for name, fitted in baselines.items()}
    fedavg = sent.pop("fedavg", None)
    further = {name: traffic for name, traffic in sent.items() if traffic is not None}
    return Communication(
        distillation=Traffic(
            up=sum(record.bytes_received for record in server.rounds.records),
            down=server.rounds.bytes_down,
            rounds=run.settings.distillation.rounds,
        ),
        fedavg=fedavg,
        **({} if server.way_back is None else {"way_back": server.way_back}),
        **({"baselines": further} if further else {}),
        **({} if wire is None else {"wire": wire}),
    )


def _recipe(student: Student) -> RecipeRecord:
    return RecipeRecord(
        taken=student.recipe,
        stopped_at=student.model.stopped_at,
        trials=[
            RecipeTrial(recipe=trial.name, loss=trial.loss, minus_own=trial.minus_own, error=trial.error)
            for trial in student.scores
        ],
    )


def _partition(run: RunContext) -> PartitionRecord:
    data, settings = run.data, run.settings.data
    counts = np.stack(
        [
            np.bincount(data.own(k).labels, minlength=len(data.classes))
            for k in range(len(run.settings.clients))
        ]
    )
    apart = hellinger_distances(counts)[np.triu_indices(len(counts), 1)]
    return PartitionRecord(
        name=settings.partition,
        hellinger_mean=float(apart.mean()) if len(apart) else 0.0,
        hellinger_max=float(apart.max(initial=0.0)),
        smallest=int(counts.sum(axis=1).min()),
        largest=int(counts.sum(axis=1).max()),
        feature_noise=settings.noise,
    )


def _fidelity(model: ModelSettings, data: PreparedData) -> dict[str, FidelityResult]:
    """Return what there is to tell of prepared states: nothing where none is approximated."""
    if data.originals is None:
        return {}
    features = data.originals.features[:_FIDELITY_SAMPLES]
    found = encoding_named(model.encoding).fidelities(data.encoder, features)
    if found is None:
        return {}
    mean, worst = float(found.mean()), float(found.min())
    return {"fidelity": FidelityResult(mean=mean, worst=worst, samples=len(found))}


def results_record(
    run: RunContext,
    server: ServerResult,
    evaluation: Evaluation,
    communication: Communication,
    own: Sequence[OwnRecord] = (),
) -> Results:
    """Return what `results.json` holds.

    Args:
        run: Shared by all stages.
        server: The server's part.
        evaluation: What the test samples say.
        communication: What travelled.
        own: What a program has passed as objects.
    """
    settings, data, queries = run.settings, run.data, server.label_queries
    # What a run does not have is left out of its `results.json`, not null.
    optional: dict[str, Any] = {}
    if data.clients:
        optional["partition"] = _partition(run)
    if own:
        optional["own"] = list(own)
    if evaluation.absent:
        optional["absent"] = evaluation.absent
    if not server.distilled:
        optional["fallback"] = "on public labels the distilled model was worse than public data alone"
    if settings.distillation.recipe == "auto":
        optional["recipe"] = _recipe(server.student)
    if settings.distillation.refit:
        labels = len(data.split.public_calibration) + len(data.split.public_validation)
        optional["refit"] = RefitRecord(labels=labels)
    if queries is not None:
        optional["asked"] = LabelQueryRecord(labels=queries.n_labels, teacher_right=queries.teacher_right)
    if "teacher_ensemble" in evaluation.absent:
        best = server.rounds.aggregate.teacher.scores[0]
        optional["teacher"] = TeacherRecord(
            aggregation=best.aggregation, calibration=best.calibration, validation_accuracy=best.accuracy
        )
    return Results(
        schema_version=1,
        experiment=settings.name,
        seed=settings.seed,
        versions={**installed_versions(), "blas": blas_kernel()},
        data=DataResult(
            dataset=data.name,
            classes=list(data.classes),
            public=len(data.split.public),
            test=len(data.test),
            public_inputs=len(data.public.samples),
            **_fidelity(settings.model, data),
        ),
        clients=evaluation.clients,
        models=evaluation.models,
        comparisons=evaluation.comparisons,
        communication=communication,
        participation=list(server.rounds.records),
        timings={key: round(value, 3) for key, value in run.timings.items()},
        **optional,
    )
