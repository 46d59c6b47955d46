"""The server against clients that lie, break or keep silent."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.distillation import ClientMessage, make_message
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.federation import RecordedTransport, run_rounds
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import StageStore
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
HELD = ((1,), (0, 2), (0, 1, 2))


@pytest.fixture(scope="module")
def context():
    settings = load_experiment(TINY)
    return RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())


def _message(context, number, sharpness=4.0, swap=None):
    """An honest client: right on nine of ten public samples; `swap` exchanges two of its outcomes."""
    public, held = context.data.public, HELD[number]
    columns = len(held) + (len(held) < 3)
    rng = np.random.default_rng(number)
    labels = public.answered.labels
    truth = np.where(labels < 0, rng.integers(0, 3, len(labels)), labels)
    outcome = np.array([held.index(k) if k in held else len(held) for k in truth])
    wrong = rng.random(len(outcome)) < 0.1
    outcome[wrong] = (outcome[wrong] + 1) % columns
    logits = sharpness * np.eye(columns)[outcome]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if swap is not None:
        p[:, list(swap)] = p[:, list(swap)[::-1]]
    spec = VQCNNSpec(n_qubits=4, plan="conv, edge, conv", kernels="su4", n_outcomes=columns)
    name = context.settings.clients[number].name
    return make_message(name, spec.index, held, p, public.digest)


def _honest(context):
    return [_message(context, number) for number in range(3)]


def _run(context, raw):
    """Records, teacher and soft labels of one round in which these messages arrive."""
    result = run_rounds(context, RecordedTransport(raw))
    return result.records, result.aggregate.teacher, result.aggregate.soft_labels


def _sent(messages):
    return [message.to_bytes() for message in messages]


def test_honest_clients_are_used_and_teach_well(context):
    records, teacher, soft = _run(context, _sent(_honest(context)))
    assert [record.status for record in records] == ["used"] * 3
    assert teacher.clients == tuple(client.name for client in context.settings.clients)
    assert soft.shape == (context.data.public.n_answered, 3)
    validation = context.data.public.validation_rows - context.data.public.n_labelled
    assert (soft[validation].argmax(axis=1) == context.data.public.validation.labels).mean() > 0.8


def _nan(message):
    outputs = message.outputs.copy()
    outputs[3, 0] = np.nan
    return dataclasses.replace(message, outputs=outputs).to_bytes()


@pytest.mark.parametrize(
    ("spoil", "status", "reason"),
    [
        (lambda m: None, "silent", "no message arrived"),
        (lambda m: b"", "refused", "expected 8 to"),
        (lambda m: b"garbage" * 100, "refused", "magic word"),
        (lambda m: m.to_bytes()[:-1], "refused", "outputs: expected"),
        (_nan, "refused", "expected finite numbers, found 1 others"),
        (lambda m: dataclasses.replace(m, public_digest="00" * 32).to_bytes(), "refused", "expected digest"),
        (lambda m: dataclasses.replace(m, client="all").to_bytes(), "refused", "name of another client"),
    ],
)
def test_the_run_goes_on_without_a_broken_client(context, spoil, status, reason):
    messages = _honest(context)
    raw = _sent(messages)
    raw[1] = spoil(messages[1])
    records, teacher, _ = _run(context, raw)
    assert records[1].client == "two classes"
    assert records[1].status == status
    assert reason in records[1].reason
    assert teacher.clients == ("one class", "all")


def test_colluding_liars_who_alone_hold_a_class_are_dropped(context):
    """Both holders of class 2 call it class 0, and the other way round."""
    messages = _honest(context)
    raw = [
        messages[0].to_bytes(),
        _message(context, 1, swap=(0, 1)).to_bytes(),
        _message(context, 2, swap=(0, 2)).to_bytes(),
    ]
    records, teacher, _ = _run(context, raw)
    assert [record.status for record in records] == ["used", "dropped", "dropped"]
    assert "labelled public samples of class 2 answered as 2, but" in records[1].reason
    assert teacher.clients == ("one class",)


def test_a_free_rider_with_constant_answers_counts_for_nothing(context):
    messages = _honest(context)
    flat = np.full_like(messages[2].outputs, 1 / 3)
    raw = _sent([*messages[:2], dataclasses.replace(messages[2], outputs=flat)])
    records, _, soft = _run(context, raw)
    assert [record.status for record in records] == ["used"] * 3
    _, _, without = _run(context, [*raw[:2], None])
    assert (soft.argmax(axis=1) == without.argmax(axis=1)).mean() > 0.95


def test_the_audit_can_be_left_out(context):
    settings = load_experiment(TINY, overrides=["distillation.audit=false"])
    relaxed = dataclasses.replace(context, settings=settings)
    raw = [*_sent(_honest(context)[:2]), _message(context, 2, swap=(0, 2)).to_bytes()]
    records, teacher, _ = _run(relaxed, raw)
    assert [record.status for record in records] == ["used"] * 3
    assert len(teacher.clients) == 3


def test_without_any_client_there_is_nothing_to_learn_from(context):
    with pytest.raises(DistillationError, match="at least one client to learn from, found none"):
        _run(context, [None, b"x", None])


@pytest.mark.parametrize("precision", ["float16", "uint8"])
def test_both_precisions_teach(context, precision):
    raw = []
    for message in _honest(context):
        again = make_message(
            message.client,
            message.model_index,
            message.classes,
            message.probabilities,
            message.public_digest,
            precision=precision,
        )
        raw.append(again.to_bytes())
        assert ClientMessage.from_bytes(raw[-1]).precision == precision
    assert all(record.status == "used" for record in _run(context, raw)[0])
