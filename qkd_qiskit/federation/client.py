"""A client's part of a round: estimate, build, transpile, train, answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import ClientSettings
from qkd_qiskit.distillation import (
    ClientMessage,
    ClientTrainingSet,
    blurred_outputs,
    client_training_set,
    make_message,
    refined_training_set,
)
from qkd_qiskit.errors import QKDError
from qkd_qiskit.estimator import GateBudget
from qkd_qiskit.federation.personal import MADE, NOT_MADE, PersonalModel, personal_model
from qkd_qiskit.federation.train_request import TrainRequest
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.run import FitTask, RunContext, finalist_training, fit_model, gate_budget, search_space
from qkd_qiskit.run.stages import client_stage
from qkd_qiskit.simulation import CompiledModel, ModelCompiler, limit_encoded_memory
from qkd_qiskit.store import AnswerLog
from qkd_qiskit.training import (
    SearchTask,
    StructureSearch,
    Tracking,
    TrainedModel,
    device_candidates,
    search_structure,
    searched_spec,
)
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True, eq=False)
class ClientOutcome:
    """What one client did; pickled, it leaves its compiled model behind.

    Attributes:
        settings: Its settings.
        budget: What the estimator granted it.
        search: How its structure was found; None where the budget's own one was taken.
        compiled: Its structure on its device.
        model: Its trained model.
        held: Indices of its classes in the global class set.
        message: What it sent to the server last.
        bytes_sent: Bytes of all that it sent.
        class_counts: Its samples of each class of the experiment, [K].
        seconds: Time it took.
        personal: Its model of all classes, which it got on the way back; None without one.
    """

    settings: ClientSettings
    budget: GateBudget
    search: StructureSearch | None
    compiled: CompiledModel
    model: TrainedModel
    held: IntArray
    message: ClientMessage
    bytes_sent: int
    class_counts: IntArray
    seconds: float
    personal: PersonalModel | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the compiled model, which is sooner made again than sent."""
        return {name: value for name, value in vars(self).items() if name != "compiled"}

    def compiled_by(self, compiler: ModelCompiler) -> ClientOutcome:
        """Return the same with its model compiled, for an outcome that comes from another process."""
        spec, backend, personal = VQCNNSpec.from_index(self.message.model_index), self.settings.backend, None
        if self.personal is not None:
            personal = self.personal.compiled_by(compiler, backend)
        return replace(self, compiled=compiler.model(spec, backend), personal=personal)

    def reply(self, request: TrainRequest) -> bytes:
        """Return what it sends in answer to the request that it was trained for."""
        if request.personal:
            return NOT_MADE if self.personal is None else MADE
        return self.message.to_bytes()


def run_client(run: RunContext, compiler: ModelCompiler, number: int) -> ClientOutcome:
    """Run one client from its data to its message.

    Args:
        run: Shared by all stages.
        compiler: Compiles its structure.
        number: Position of the client in the settings.

    Raises:
        QKDError: If its budget, circuit or training is impossible; the message names the client.
    """
    start = time.perf_counter()
    settings, data = run.settings.clients[number], run.data
    training = _first_training_set(run, number)
    try:
        budget = gate_budget(run, data.task(number), settings.backend, training.targets.n_outcomes)
        search = _search(run, compiler, number, budget, training)
        spec = budget.spec if search is None else searched_spec(budget.spec, search)
        compiled = compiler.model(spec, settings.backend)
    except QKDError as error:
        raise type(error)(f"client {settings.name!r}: {error}") from None
    task = FitTask(client_stage(settings.name), training.inputs, training.targets)
    model = fit_model(run, compiled, task)
    message = _answer(run, settings, compiled, model, training.held)
    return ClientOutcome(
        settings=settings,
        budget=budget,
        search=search,
        compiled=compiled,
        model=model,
        held=training.held,
        message=message,
        bytes_sent=message.n_bytes,
        class_counts=np.bincount(data.own(number).labels, minlength=len(data.classes)),
        seconds=time.perf_counter() - start,
    )


def answer_request(
    run: RunContext, compiler: ModelCompiler, request: TrainRequest, before: ClientOutcome | None
) -> ClientOutcome:
    """Let the only client of a run answer a request.

    Args:
        run: Of this client alone.
        compiler: Compiles its structure.
        request: The request.
        before: What it did so far; None where it has yet to train its first model.

    Raises:
        QKDError: If its budget, circuit or training is impossible.
    """
    limit_encoded_memory(run.settings.federation.encoded_memory)
    outcome = run_client(run, compiler, 0) if before is None else before
    if request.soft is None:
        return outcome
    if request.personal:
        return _with_personal_model(
            run.given(request.soft), compiler, request.soft.astype(np.float64), outcome
        )
    # Another set of answers at the server gives other soft labels, and then this round's model is another.
    return refine_client(run.given(request.soft), outcome, request.soft.astype(np.float64), request.round)


def refine_client(run: RunContext, before: ClientOutcome, soft: FloatArray, number: int) -> ClientOutcome:
    """Train the only client of a run once more, with the server's soft labels, and let it answer again.

    Args:
        run: Of this client alone.
        before: What it did so far.
        soft: The server's class probabilities on the public samples that clients answer [M, G].
        number: Number of this round, 2 or more.
    """
    start = time.perf_counter()
    stage, public = client_stage(before.settings.name, number), run.data.public.answered
    training = refined_training_set(
        _first_training_set(run, 0),
        len(run.data.clients[0]),
        public.inputs,
        soft,
        rng=run.rng(stage.part("public samples")),
    )
    task = FitTask(stage, training.inputs, training.targets, before.model.params)
    model = fit_model(run, before.compiled, task)
    message = _answer(run, before.settings, before.compiled, model, before.held)
    return replace(
        before,
        model=model,
        message=message,
        bytes_sent=before.bytes_sent + message.n_bytes,
        seconds=before.seconds + time.perf_counter() - start,
    )


def _with_personal_model(
    run: RunContext, compiler: ModelCompiler, soft: FloatArray, before: ClientOutcome
) -> ClientOutcome:
    start = time.perf_counter()
    personal = personal_model(run, compiler, before.settings, before.search, soft)
    bytes_sent = before.bytes_sent + len(NOT_MADE if personal is None else MADE)
    seconds = before.seconds + time.perf_counter() - start
    return replace(before, personal=personal, bytes_sent=bytes_sent, seconds=seconds)


def _first_training_set(run: RunContext, number: int) -> ClientTrainingSet:
    """Return what a client learns before the server has labelled anything."""
    own, known = run.data.clients[number], run.data.public.labelled
    return client_training_set(
        own.inputs, own.labels, known.inputs, known.labels, n_classes=len(run.data.classes)
    )


def _answer(
    run: RunContext, client: ClientSettings, compiled: CompiledModel, model: TrainedModel, held: IntArray
) -> ClientMessage:
    data = run.data
    outputs = model.outcome_probabilities(compiled.noisy, data.public.answered.inputs)
    if client.output_noise or client.output_shots:
        secret = run.settings.secret or f"simulated with seed {run.settings.seed}"
        question = f"{client.name}, {compiled.spec.index}, {data.public.digest}"
        outputs = blurred_outputs(outputs, client, secret, question)
    return make_message(
        client.name,
        compiled.spec.index,
        [data.classes[k] for k in held],
        outputs,
        data.public.digest,
        precision=run.settings.distillation.precision,
    )


def _search(
    run: RunContext, compiler: ModelCompiler, number: int, budget: GateBudget, training: ClientTrainingSet
) -> StructureSearch | None:
    """Search a client's structure, where the settings want it."""
    settings, client = run.settings, run.settings.clients[number]
    if not settings.training.structure.enabled:
        return None
    stage = client_stage(client.name).part("structure")

    def work(answers: AnswerLog) -> StructureSearch:
        candidates = device_candidates(
            budget.spec,
            load_backend(client.backend),
            noise=settings.noise.enabled,
            short_noise=settings.training.structure.noise,
            seed=settings.seed,
            compiler=compiler,
        )
        return search_structure(
            replace(candidates, train=finalist_training(run, compiler, client.backend)),
            search_space(
                candidates,
                own_kernels=settings.training.structure.own_kernels,
                method=settings.training.method,
                rungs=settings.training.structure.rungs,
            ),
            SearchTask(
                training.inputs,
                training.targets,
                seed=int(run.rng(stage).integers(2**32)),
                groups=_originals(run, number, training),
            ),
            settings.training,
            tracking=Tracking(stage.label, run.progress, answers),
        )

    return run.answered(stage, StructureSearch, work)


def _originals(run: RunContext, number: int, training: ClientTrainingSet) -> IntArray:
    """Return which original each training sample of a client comes from: its own first, then public ones."""
    data = run.data
    own, size = data.clients[number], data.sizes[number]
    groups = np.arange(len(own)) % size
    known = data.public.labelled
    public = np.arange(len(known)) % len(data.split.public_train)
    return np.concatenate([groups, size + public[~np.isin(known.labels, training.held)]])[
        : len(training.inputs)
    ]
