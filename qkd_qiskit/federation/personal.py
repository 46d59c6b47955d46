"""The way back: a client's own model of all classes, within its own gate budget, under its own noise.

It learns the client's samples with their labels, and public samples with the server's soft labels. No sample
of another client is seen, and nothing of the model travels: the client only says that it has one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import ClientSettings
from qkd_qiskit.errors import QKDError
from qkd_qiskit.estimator import GateBudget
from qkd_qiskit.evaluation.results import Traffic
from qkd_qiskit.run import FitTask, RunContext, fit_model, gate_budget
from qkd_qiskit.run.stages import client_stage
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.training import StructureSearch, Targets, TrainedModel, searched_spec
from qkd_qiskit.vqcnn import VQCNNSpec

_LOG = logging.getLogger(__name__)

MADE, NOT_MADE = b"QKDP1", b"QKDP0"
"""A client's whole answer: whether it has a personal model."""


@dataclass(frozen=True, eq=False)
class PersonalModel:
    """A client's model of all classes; pickled, it leaves its compiled model behind.

    Attributes:
        budget: What the estimator granted for all classes.
        spec: Its structure.
        compiled: Its structure on the client's device.
        model: The trained model; its outcomes are the classes of the experiment.
    """

    budget: GateBudget
    spec: VQCNNSpec
    compiled: CompiledModel
    model: TrainedModel

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the compiled model, which is sooner made again than sent."""
        return {name: value for name, value in vars(self).items() if name != "compiled"}

    def compiled_by(self, compiler: ModelCompiler, backend: str) -> PersonalModel:
        """Return the same with its model compiled, for one that comes from another process."""
        return replace(self, compiled=compiler.model(self.spec, backend))


def personal_model(
    run: RunContext,
    compiler: ModelCompiler,
    client: ClientSettings,
    search: StructureSearch | None,
    soft: FloatArray,
) -> PersonalModel | None:
    """Train the personal model of the only client of a run.

    Args:
        run: Of this client alone; depends on the soft labels.
        compiler: Compiles its structure.
        client: The client.
        search: How its structure was found, which the personal model takes too; None for the budget's own.
        soft: The server's class probabilities on the public samples that clients answer [M, G].

    Returns:
        The model; None where the client's device or data grant none for all classes.
    """
    data, name = run.data, client.name
    try:
        budget = gate_budget(run, data.task(0), client.backend, len(data.classes))
        spec = budget.spec if search is None else searched_spec(budget.spec, search)
        compiled = compiler.model(spec, client.backend)
    except QKDError as error:
        _LOG.warning("client %s: no personal model: %s", name, error)
        return None
    own, known, public = data.clients[0], data.public.labelled, data.public.answered
    truth = np.eye(len(data.classes))
    # Without hard labels the divergence from a one-hot row is the cross-entropy.
    targets = Targets(
        len(data.classes),
        soft=np.concatenate([truth[own.labels], truth[known.labels], soft]),
        soft_loss="kl",
    )
    inputs = np.concatenate([own.inputs, known.inputs, public.inputs])
    task = FitTask(client_stage(name).part("personal model"), inputs, targets)
    return PersonalModel(budget, spec, compiled, fit_model(run, compiled, task))


def count_answers(requests: Mapping[int, bytes], answers: Mapping[int, bytes | None]) -> Traffic:
    """Return the bytes of the way back.

    Args:
        requests: What was sent, by position of the client.
        answers: What came; None for silence.
    """
    up = sum(len(raw) for raw in answers.values() if raw is not None)
    return Traffic(up=up, down=sum(map(len, requests.values())), rounds=1)
