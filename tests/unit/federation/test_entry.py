"""Rounds, descent, precision and FedProx in one small federation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.experiment import evaluate
from qkd_qiskit.federation import distil, run_local_federation
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.store import StageStore

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SMALL = [
    "distillation.rounds=2",
    "distillation.precision=uint8",
    "distillation.soft_loss=kl",
    "distillation.student_blocks=8",
    "descent={steps=20, server_steps=30, batch=50, server_batch=40}",
    "training={particles=2, iterations=0, refine=0}",
    "fedavg={rounds=1, local_steps=1, proximal=0.5}",
    "data.augment={copies=1, shift=0.5, public_copies=2, mixup=1}",
]


def _context(folder=None, *, overrides=(), resume=False):
    settings = load_experiment(TINY, overrides=[*SMALL, *overrides])
    store = StageStore(folder, "same")
    return RunContext(settings, prepare_data(settings), store, NullProgress(), resume=resume)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rounds")
    context = _context(folder)
    return context, *run_local_federation(context), folder


def test_both_rounds_are_counted(finished):
    context, clients, server, _ = finished
    results, _ = evaluate(context, clients, server)
    assert "asked" not in results
    sent = results["communication"]["distillation"]
    assert sent["rounds"] == 2
    assert sent["up"] == sum(client.bytes_sent for client in clients)
    n, k = len(context.data.public.to_distil), len(context.data.classes)
    public, pixels = len(context.data.split.public), 64
    arrays = public * pixels + 2 * len(context.data.split.public_train) + 2 * n * k
    headers = sent["down"] / len(clients) - arrays
    assert headers == int(headers)
    assert 0 < headers < 2 * 4000
    for client in clients:
        body = client.message.outputs.size
        assert client.bytes_sent > 2 * body
        assert client.message.precision == "uint8"


def test_the_second_round_starts_from_the_first_and_learns_from_all_classes(finished):
    context, clients, _, _ = finished
    one_class = clients[0]
    assert one_class.model.reject
    assert one_class.message.outputs.shape == (len(context.data.public.samples), 2)
    assert one_class.model.evaluations > 20


def test_every_client_has_a_verdict_and_every_baseline_is_there(finished):
    context, clients, server, _ = finished
    results, _ = evaluate(context, clients, server)
    assert [v["client"] for v in results["participation"]] == [c.settings.name for c in clients]
    assert {"fedprox", "classical_distillation"} <= set(results["models"])
    assert len(server.machine.spec.blocks) <= 8


def test_stages_are_taken_from_the_store_when_resuming(finished):
    _, clients, server, folder = finished
    again_clients, again = run_local_federation(_context(folder, resume=True))
    np.testing.assert_array_equal(again.global_model.params, server.global_model.params)
    for first, second in zip(clients, again_clients, strict=True):
        np.testing.assert_array_equal(first.message.outputs, second.message.outputs)


def test_a_message_may_be_lost_on_its_way(finished):
    context, clients, _, _ = finished
    messages = [clients[0].message.to_bytes(), None, clients[2].message.to_bytes()]
    found = distil(context, messages, label="global model without one")
    assert [verdict.standing for verdict in found.verdicts][1] == "silent"


def test_a_student_needs_the_least_number_of_blocks(finished):
    _, clients, _, _ = finished
    context = _context(overrides=["distillation.student_blocks=1"])
    with pytest.raises(DistillationError, match="student_blocks: expected at least"):
        distil(context, [client.message.to_bytes() for client in clients])


def test_what_happens_to_messages_on_their_way_is_judged():
    context = _context(overrides=["distillation.rounds=1"])
    seen = {}

    def tamper(position, raw):
        seen[position] = raw
        return {0: raw, 1: None, 2: raw[:-1]}[position]

    clients, server = run_local_federation(context, tamper=tamper)
    assert [part.standing for part in server.lesson.participation] == ["used", "silent", "refused"]
    assert [seen[k] for k in range(3)] == [client.message.to_bytes() for client in clients]
    assert server.teacher.clients == ("one class",)
