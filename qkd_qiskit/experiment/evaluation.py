"""The single look at the test samples, and the records of results that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.baselines import FittedBaseline, FittedCircuit
from qkd_qiskit.distillation import DELTA, blur_epsilon, lift
from qkd_qiskit.evaluation import (
    COMPARED,
    DIFFERENCES,
    Predictions,
    accuracy,
    compare,
    confusion_matrix,
    score,
)
from qkd_qiskit.evaluation.results import (
    Budget,
    ClientAccuracy,
    ClientResult,
    Comparison,
    GateCounts,
    Gates,
    ModelResult,
    PersonalResult,
    PrivacyRecord,
    QuantityRange,
)
from qkd_qiskit.experiment.sampled import Sampling
from qkd_qiskit.federation.client import ClientOutcome
from qkd_qiskit.federation.personal import PersonalModel
from qkd_qiskit.federation.rounds import RoundsResult
from qkd_qiskit.federation.server import ServerResult
from qkd_qiskit.hardware import NativeCounts, device_name
from qkd_qiskit.run import RunContext
from qkd_qiskit.vqcnn import VQCNNSpec

_NO_TEST = "the server has no test samples"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What the test samples say of models and clients.

    Attributes:
        clients: What is known of each client, in the order of the settings.
        models: Each compared model; None for one that could not be tested.
        absent: Why each of these could not.
        comparisons: `A_minus_B` to the paired difference.
        predictions: Each tested model's predictions for the test samples.
        confusion: The global model's confusion matrix [K, K], rows are true classes; None without test
            samples.
        client_confusions: Those of the clients of this process, by name, over all classes.
    """

    clients: list[ClientResult]
    models: dict[str, ModelResult | None]
    absent: dict[str, str]
    comparisons: dict[str, Comparison]
    predictions: dict[str, Predictions]
    confusion: IntArray | None
    client_confusions: Mapping[str, IntArray] = field(default_factory=dict)


def evaluate(
    run: RunContext,
    server: ServerResult,
    baselines: Mapping[str, FittedBaseline],
    clients: Sequence[ClientOutcome] | None,
    sampling: Sampling | None = None,
) -> Evaluation:
    """Evaluate every model that is here on the test samples, once.

    Args:
        run: Shared by all stages.
        server: The server's part.
        baselines: Fitted baselines by name.
        clients: What each client did, in the order of the settings; None where the clients are elsewhere.
        sampling: How the global model is sampled as well; None for no such run.
    """
    test, rounds, k = run.data.test, server.rounds, len(run.data.classes)
    everywhere = {c.settings.name: _lifted(c, "noisy", test.inputs, k) for c in clients or ()}
    if clients is None:
        records = [_client_elsewhere(rounds, position) for position in range(len(rounds.records))]
        absent = {
            model.name: model.absent for model in COMPARED if model.absent and model.name not in baselines
        }
    else:
        records, absent = (
            [_client_here(run, client, everywhere[client.settings.name]) for client in clients],
            {},
        )
    if len(test) == 0:
        absent |= dict.fromkeys(("global", *baselines), _NO_TEST)
        return Evaluation(records, dict.fromkeys(absent), absent, {}, {}, None)
    found = _predict_all(run, server, baselines, clients, test.inputs)
    if sampling is not None:
        found["global_sampled"] = sampling.predictions(
            server.compiled.spec, server.global_model, test.inputs, seed=run.settings.seed
        )
    models = {name: score(predictions, test.labels) for name, predictions in found.items()}
    own = found["global"]
    known = {model.name for model in COMPARED}
    compared = (
        *(name for name in DIFFERENCES if name in found),
        *(name for name in found if name not in known),
    )
    comparisons = {f"global_minus_{name}": compare(own, found[name], test.labels) for name in compared}
    confusion = confusion_matrix(own.noisy, test.labels, k)
    of_clients = {name: confusion_matrix(labels, test.labels, k) for name, labels in everywhere.items()}
    return Evaluation(
        records, models | dict.fromkeys(absent), absent, comparisons, found, confusion, of_clients
    )


def _predict_all(
    run: RunContext,
    server: ServerResult,
    baselines: Mapping[str, FittedBaseline],
    clients: Sequence[ClientOutcome] | None,
    inputs: FloatArray,
) -> dict[str, Predictions]:
    """Let every model that is here predict encoded inputs.

    Args:
        run: Shared by all stages.
        server: The server's part.
        baselines: Fitted baselines by name.
        clients: What each client did; None where the clients are elsewhere.
        inputs: [N, F].

    Returns:
        Predictions by name of the model: those of `COMPARED` in its order, then others.
    """
    own = FittedCircuit.at_server(run, server.compiled, server.global_model)
    found = {"global": own.predictions(inputs)}
    found |= {name: model.predictions(inputs) for name, model in baselines.items()}
    if clients is not None:
        found["teacher_ensemble"] = _ensemble(run, server, clients, inputs)
        found["best_client"] = _best_client(run, clients, inputs)
    known = [model.name for model in COMPARED if model.name in found]
    return {name: found[name] for name in dict.fromkeys((*known, *found))}


def client_specs(server: ServerResult, clients: Sequence[ClientOutcome] | None) -> dict[str, VQCNNSpec]:
    """Return the structures of the clients that are here, or whose last answer could be read, by name."""
    if clients is not None:
        return {client.settings.name: client.compiled.spec for client in clients}
    records, messages = server.rounds.records, server.rounds.messages
    return {
        records[position].client: VQCNNSpec.from_index(messages.message(position).model_index)
        for position in sorted(messages.positions)
    }


def _ensemble(
    run: RunContext, server: ServerResult, clients: Sequence[ClientOutcome], inputs: FloatArray
) -> Predictions:
    """Return what the clients that the teacher uses predict together, with the server's own model."""
    teacher = server.rounds.aggregate.teacher
    used = [client for client in clients if client.settings.name in teacher.clients]

    def predicted(kind: str) -> IntArray:
        outputs = [c.model.outcome_probabilities(getattr(c.compiled, kind), inputs) for c in used]
        own = server.public_only.outcome_probabilities(getattr(server.compiled, kind), inputs)
        return np.asarray(teacher.class_probabilities(outputs, own).argmax(axis=1), dtype=np.int64)

    return Predictions(
        predicted("noisy"),
        predicted("ideal"),
        "own devices" if run.settings.noise.enabled else None,
        sum(len(client.model.params) for client in used),
        sum(client.compiled.two_qubit_gates or 0 for client in used),
    )


def _best_client(run: RunContext, clients: Sequence[ClientOutcome], inputs: FloatArray) -> Predictions:
    """Return what the client predicts that is best on the public validation samples, the first of equals."""
    public, k = run.data.public.validation, len(run.data.classes)
    best = max(
        clients, key=lambda client: accuracy(_lifted(client, "noisy", public.inputs, k), public.labels)
    )
    return Predictions(
        _lifted(best, "noisy", inputs, k),
        _lifted(best, "ideal", inputs, k),
        device_name(best.settings.backend) if run.settings.noise.enabled else None,
        len(best.model.params),
        best.compiled.two_qubit_gates,
    )


def _lifted(client: ClientOutcome, kind: str, inputs: FloatArray, n_classes: int) -> IntArray:
    """Return predictions over all classes; the reject outcome spreads over those that a client lacks."""
    outputs = client.model.outcome_probabilities(getattr(client.compiled, kind), inputs)
    return np.asarray(lift(outputs, client.held, n_classes).argmax(axis=1), dtype=np.int64)


def _client_here(run: RunContext, client: ClientOutcome, everywhere: IntArray) -> ClientResult:
    inputs, labels = run.data.test.inputs, run.data.test.labels
    own = np.isin(labels, client.held)
    predicted = client.held[client.model.predict(client.compiled.noisy, inputs)]
    assert client.compiled.transpiled is not None
    report = client.compiled.transpiled.report
    errors, budget = report.relative_errors, client.budget
    return ClientResult(
        name=client.settings.name,
        backend=device_name(client.settings.backend),
        samples=int(client.class_counts.sum()),
        classes=list(client.message.classes),
        budget=Budget(
            blocks=budget.blocks,
            weights=budget.weights,
            two_qubit_gates=budget.two_qubit_gates,
            limited_by=budget.limited_by,
        ),
        model_index=str(client.compiled.spec.index),
        gates=Gates(
            estimated=_gate_counts(report.predicted),
            transpiled=_gate_counts(report.counted),
            relative_error=GateCounts(
                two_qubit=errors["two_qubit"],
                one_qubit=errors["one_qubit"],
                two_qubit_depth=errors["two_qubit_depth"],
                esp=errors["esp"],
            ),
            notes=list(report.notes),
        ),
        accuracy=ClientAccuracy(
            own_classes=accuracy(predicted[own], labels[own]), all_classes=accuracy(everywhere, labels)
        ),
        bytes_sent=client.bytes_sent,
        seconds=round(client.seconds, 3),
        **(
            {}
            if client.personal is None
            else {"personal": _personal(client, client.personal, inputs, labels)}
        ),
        **_privacy(run, client),
    )


def _personal(
    client: ClientOutcome, personal: PersonalModel, inputs: FloatArray, labels: IntArray
) -> PersonalResult:
    """Return what a client has after the way back, judged as its first model is."""
    own = np.isin(labels, client.held)
    p = personal.model.class_probabilities(personal.compiled.noisy, inputs)
    among_own = client.held[p[:, client.held].argmax(axis=1)]
    return PersonalResult(
        accuracy=ClientAccuracy(
            own_classes=accuracy(among_own[own], labels[own]), all_classes=accuracy(p.argmax(axis=1), labels)
        ),
        blocks=len(personal.compiled.spec.blocks),
        weights=len(personal.model.params),
        two_qubit_gates=personal.compiled.two_qubit_gates,
    )


def _privacy(run: RunContext, client: ClientOutcome) -> dict[str, PrivacyRecord]:
    """Return what the blur of a client's outputs guarantees; nothing where there is none."""
    blur, outcomes = client.settings, client.model.n_outcomes
    answers = run.data.public.n_answered * run.settings.distillation.rounds
    epsilon, each = (blur_epsilon(blur, outcomes, rows) for rows in (answers, 1))
    if not isfinite(epsilon):
        return {}
    record = PrivacyRecord(
        output_noise=blur.output_noise,
        output_shots=blur.output_shots,
        output_floor=blur.output_floor,
        answers=answers,
        epsilon=epsilon,
        epsilon_each=each,
        delta=DELTA,
    )
    return {"privacy": record}


def _client_elsewhere(rounds: RoundsResult, position: int) -> ClientResult:
    """Return what a client's last answer says of it."""
    record, messages = rounds.records[position], rounds.messages
    message = messages.message(position) if position in messages.positions else None
    spec = None if message is None else VQCNNSpec.from_index(message.model_index)
    return ClientResult(
        name=record.client,
        backend=None,
        samples=None,
        classes=[] if message is None else list(message.classes),
        budget=None
        if spec is None
        else Budget(blocks=len(spec.blocks), weights=spec.n_weights, two_qubit_gates=None, limited_by=None),
        model_index=None if message is None else str(message.model_index),
        gates=None,
        accuracy=None,
        bytes_sent=record.bytes_received,
        seconds=None,
    )


def _gate_counts(counts: NativeCounts) -> GateCounts:
    one = counts.one_qubit
    return GateCounts(
        two_qubit=counts.two_qubit,
        one_qubit=one.mid if one.low == one.high else QuantityRange(low=one.low, mid=one.mid, high=one.high),
        two_qubit_depth=counts.two_qubit_depth,
        esp=counts.esp,
    )
