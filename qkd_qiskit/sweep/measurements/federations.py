"""Federations without checkpoints of their own, whose trained clients several cells may share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from qkd_qiskit.arrays import IntArray
from qkd_qiskit.config import DistillationSettings, ExperimentSettings
from qkd_qiskit.data import prepare_data
from qkd_qiskit.distillation import Teacher
from qkd_qiskit.federation import ClientOutcome, LocalTransport, PublicModel, RoundsResult, run_rounds
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext, model_compiler
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.store import StageStore
from qkd_qiskit.sweep.cell import pack
from qkd_qiskit.versions import installed_versions


def open_run(settings: ExperimentSettings) -> tuple[RunContext, ModelCompiler]:
    """Return the context of a federation that keeps no stages of its own, and the compiler of its models."""
    run = RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())
    return run, model_compiler(settings)


def client_fingerprint(settings: ExperimentSettings) -> str:
    """Return a digest of all that the clients' first training depends on; cells that share it share them."""
    augment = settings.data.augment
    copies = augment.copies if augment.public_copies is None else augment.public_copies
    plain = settings.model_copy(
        update={
            "data": settings.data.model_copy(
                update={"augment": augment.model_copy(update={"public_copies": copies, "mixup": 0})}
            ),
            "distillation": DistillationSettings(),
            "descent": settings.descent.model_copy(update={"server_steps": None, "server_batch": None}),
        }
    )
    text = plain.model_dump_json(exclude={"federation", "limits"}) + json.dumps(installed_versions())
    return hashlib.sha256(text.encode()).hexdigest()


def train_clients(
    run: RunContext, compiler: ModelCompiler, folder: Path | None, own: PublicModel
) -> tuple[tuple[ClientOutcome, ...], RoundsResult]:
    """Train the clients and run all rounds; clients that were trained for another cell are taken from there.

    Args:
        run: The federation.
        compiler: Compiles the clients' structures.
        folder: Where cells share clients; None shares nothing.
        own: The server's own model.
    """
    training = run
    if folder is not None and run.settings.distillation.rounds == 1:
        # Further rounds depend on the cell; what a client learns in the first does not.
        shared = client_fingerprint(run.settings)
        store = StageStore(folder / "clients" / shared[:16], shared)
        training = replace(run, store=store, resume=True)
    local = LocalTransport(training, compiler)
    rounds = run_rounds(training, local, own=own.answers)
    return local.clients, rounds


def public_model(run: RunContext, compiler: ModelCompiler, folder: Path | None) -> PublicModel:
    """Return the server's own model; one that was trained for another cell is taken from there.

    Args:
        run: The federation.
        compiler: Compiles the global structure.
        folder: Where cells share it; None shares nothing.
    """
    if folder is None:
        return PublicModel(run, compiler)
    settings = run.settings
    blocks = DistillationSettings(student_blocks=settings.distillation.student_blocks)
    text = settings.model_copy(update={"distillation": blocks}).model_dump_json(exclude={"federation"})
    key = hashlib.sha256((text + json.dumps(installed_versions())).encode()).hexdigest()
    store = StageStore(folder / "public only" / key[:16], key)
    return PublicModel(replace(run, store=store, resume=True), compiler)


def teacher_answers(
    run: RunContext, teacher: Teacher, clients: Sequence[ClientOutcome], own: PublicModel
) -> IntArray:
    """Return the classes that the clients and the server's own model together give the test samples."""
    outputs = {
        client.settings.name: client.model.outcome_probabilities(client.compiled.noisy, run.data.test.inputs)
        for client in clients
    }
    server = own.model.outcome_probabilities(own.compiled.noisy, run.data.test.inputs)
    together = teacher.class_probabilities([outputs[name] for name in teacher.clients], server)
    return np.asarray(together.argmax(axis=1), dtype=np.int64)


def right(run: RunContext, answers: IntArray) -> str:
    """Return whether each test sample was answered right."""
    return pack(answers == run.data.test.labels)
