"""Clever liars: what clients cost that lie together, on all images or on a part of them.

The liars know everything but which public samples the server has labels of: the rule, each other's answers,
and the model that the server has trained on the public examples. Their messages are faultless.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.distillation import RULES, ClientMessage, aggregate_messages, make_message
from qkd_qiskit.errors import SweepError
from qkd_qiskit.federation import distil_messages
from qkd_qiskit.run import RunContext, Stage
from qkd_qiskit.sweep.cell import Cell, CellRecord, Measurement
from qkd_qiskit.sweep.measurements.federations import (
    client_fingerprint,
    open_run,
    public_model,
    right,
    train_clients,
)

_SURE = 0.98
_UNSURE_MARGIN = 0.5


@dataclass(frozen=True, eq=False)
class Liar:
    """What a liar has to make its answers of.

    Attributes:
        message: What it would have sent honestly.
        held: Indices of its classes among all classes.
        victim: An honest client's message, for those who copy.
        guess: Class probabilities [N, G] of a model trained on the public examples.
        rng: Source of random answers, its own.
    """

    message: ClientMessage
    held: IntArray
    victim: ClientMessage
    guess: FloatArray
    rng: np.random.Generator

    @property
    def honest(self) -> FloatArray:
        """Honest answers [N, K (+ 1)]."""
        return self.message.probabilities

    def sure(self, outcomes: IntArray) -> FloatArray:
        """Return answers that are sure of the given outcomes [N]."""
        columns = self.message.outputs.shape[1]
        rest = (1.0 - _SURE) / max(columns - 1, 1)
        return np.where(np.eye(columns)[outcomes] > 0, _SURE, rest)

    def outcomes_of(self, classes: IntArray) -> IntArray:
        """Return classes [N] as outcomes; those that it does not hold become its last one."""
        found = np.full(len(classes), self.message.outputs.shape[1] - 1)
        for outcome, label in enumerate(self.held):
            found[classes == label] = outcome
        return found


def random_answers(liar: Liar) -> FloatArray:
    """Answer at random."""
    return liar.rng.dirichlet(np.full(liar.honest.shape[1], 0.3), len(liar.honest))


def swap(liar: Liar) -> FloatArray:
    """Call each of one's classes by the next one's name."""
    p, k = liar.honest.copy(), len(liar.held)
    p[:, :k] = np.roll(p[:, :k], 1, axis=1)
    return p


def claim(liar: Liar) -> FloatArray:
    """Call every image of another class by the name of one's first class, and own ones rightly."""
    p, k = liar.honest.copy(), len(liar.held)
    others = p.argmax(axis=1) == k
    p[others] = liar.sure(np.zeros(len(p), dtype=np.int64))[others]
    return p


def invert(liar: Liar) -> FloatArray:
    """Find likely what is not, and not what is."""
    p = (1.0 - liar.honest) ** 4
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def constant(liar: Liar) -> FloatArray:
    """Call every image by the name of one's first class."""
    return liar.sure(np.zeros(len(liar.honest), dtype=np.int64))


def collude(liar: Liar) -> FloatArray:
    """Answer as if every image were of the class behind the likeliest one, as all liars do."""
    guess = liar.guess.copy()
    guess[:, liar.held] += liar.honest[:, : len(liar.held)]
    return liar.sure(liar.outcomes_of((guess.argmax(axis=1) + 1) % guess.shape[1]))


def mislead(liar: Liar) -> FloatArray:
    """Be honest where the public model is sure; elsewhere confirm its second guess."""
    two = np.argsort(liar.guess, axis=1)[:, -2:]
    margin = np.take_along_axis(liar.guess, two, 1)
    unsure = margin[:, 1] - margin[:, 0] < _UNSURE_MARGIN
    return np.where(unsure[:, None], liar.sure(liar.outcomes_of(two[:, 0])), liar.honest)


LIES: dict[str, Callable[[Liar], FloatArray]] = {
    "random": random_answers,
    "swap": swap,
    "claim": claim,
    "invert": invert,
    "constant": constant,
    "collude": collude,
    "mislead": mislead,
}
COPY, HONEST, SILENT = "copy", "honest", "silent"


class LiarsMeasurement(Measurement):
    """Let some clients lie, and distil from what the server makes of it."""

    lie: str = HONEST
    liars: int = Field(2, ge=1, description="how many clients lie")
    part: float = Field(1.0, gt=0, le=1, description="share of the public samples on which they do")

    def group(self, cell: Cell) -> str:
        """Return what the clients' training depends on."""
        return client_fingerprint(cell.experiment)

    def measure(self, cell: Cell, folder: Path | None) -> CellRecord:
        """Test the global model; tell how many pool images each rule labels rightly, and who was left out."""
        run, compiler = open_run(cell.experiment)
        chosen = liars_among(cell.experiment, self.lie, self.liars)
        own = public_model(run, compiler, folder)
        clients, _ = train_clients(run, compiler, folder, own)
        honest = [client.message for client in clients]
        sent = self._sent(run, honest, chosen, own.answers())
        raw = [None if message is None else message.to_bytes() for message in sent]
        found = distil_messages(run, compiler, raw, own=own)
        answers = found.global_model.predict(found.compiled.noisy, run.data.test.inputs)
        floor = own.model.predict(own.compiled.noisy, run.data.test.inputs)
        records = found.rounds.records
        left_out = tuple(record.client for record in records if record.status != "used")
        arrived = [message for message in sent if message is not None]
        return CellRecord(
            right={"global": right(run, answers), "public_only": right(run, floor)},
            values={
                "chosen": (_right_in_pool(run, found.rounds.aggregate.soft_labels),),
                **{rule: (_labelled_rightly(run, arrived, rule, own.answers()),) for rule in RULES},
            },
            notes={"left out": left_out},
        )

    def _sent(
        self,
        run: RunContext,
        honest: Sequence[ClientMessage],
        chosen: Sequence[int],
        guess: FloatArray,
    ) -> list[ClientMessage | None]:
        """Return what all clients send; silence is None."""
        sent: list[ClientMessage | None] = list(honest)
        victim = honest[next((k for k in range(len(honest)) if k not in chosen), 0)]
        # All liars lie on the same samples, as they have agreed.
        lying = run.rng(Stage.named("part of the lies")).random(len(guess)) < self.part
        for number in chosen:
            message = honest[number]
            if self.lie == SILENT:
                sent[number] = None
            elif self.lie == COPY:
                sent[number] = replace(victim, client=message.client)
            else:
                held = np.array([run.data.classes.index(label) for label in message.classes])
                rng = run.rng(Stage.named(f"lies of {message.client}"))
                lies = LIES[self.lie](Liar(message, held, victim, guess, rng))
                sent[number] = _resent(message, np.where(lying[:, None], lies, message.probabilities))
        return sent


def liars_among(settings: ExperimentSettings, lie: str, count: int) -> tuple[int, ...]:
    """Return the positions of the liars: the holders of the rarest class first, then the last clients.

    As long as there are others, nobody lies who is the last honest holder of a class.

    Raises:
        SweepError: If not one client would be honest, or the lie is unknown.
    """
    if lie == HONEST:
        return ()
    if lie not in (SILENT, COPY, *LIES):
        known = ", ".join((HONEST, SILENT, COPY, *LIES))
        raise SweepError(f"lie: expected one of {known}, found {lie!r}")
    n = len(settings.clients)
    if n <= count:
        raise SweepError(f"liars: expected fewer than the {n} clients, found {count}")
    holders: dict[Any, list[int]] = {}
    for number, client in enumerate(settings.clients):
        for label in client.classes or ():
            holders.setdefault(label, []).append(number)
    rarest = min(holders.values(), key=len, default=[])
    order = rarest + [number for number in reversed(range(n)) if number not in rarest]
    chosen: list[int] = []
    for number in order:
        if all({*held} - {*chosen, number} for held in holders.values() if number in held):
            chosen.append(number)
    chosen += [number for number in order if number not in chosen]
    return tuple(sorted(chosen[:count]))


def _labelled_rightly(
    run: RunContext, messages: Sequence[ClientMessage], rule: str, own: FloatArray
) -> float:
    """Return the share of unlabelled public originals that a rule labels rightly, nobody left out."""
    distillation = run.settings.distillation.model_copy(update={"aggregation": rule})
    settings = run.settings.model_copy(update={"distillation": distillation})
    return _right_in_pool(run, aggregate_messages(replace(run, settings=settings), messages, own).soft_labels)


def _right_in_pool(run: RunContext, soft: FloatArray) -> float:
    truth, public = run.data.pool_labels, run.data.public
    assert truth is not None
    originals = public.unlabelled_rows[: len(truth)] - public.n_labelled
    return float((soft[originals].argmax(axis=1) == truth).mean())


def _resent(sent: ClientMessage, probabilities: FloatArray) -> ClientMessage:
    return make_message(sent.client, sent.model_index, sent.classes, probabilities, sent.public_digest)
