"""Membership inference: what a client's outputs tell of its private images, beside FedAvg's parameters.

The attacker holds what the server sees, and a candidate image with its label. It asks: was this image among
the client's? Its score is minus the cross-entropy of a model on the image (Yeom et al., arXiv:1709.01604).
From FedAvg's parameters it has the client's own model. From outputs it must first make one: it trains the
structure of the client's model index on the public images and the client's outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import Samples
from qkd_qiskit.federation import ClientOutcome, distil_messages, run_client
from qkd_qiskit.progress import Progress
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.studies.federated import open_context
from qkd_qiskit.studies.swarm_data import Cell, run_cells
from qkd_qiskit.training import Objective, Targets, TrainedModel, minimize_lbfgs, outcome_probabilities

PRIVACY_COLUMNS = ("attack on", "AUC", "lowest client", "highest client", "bytes seen a client")
LOCAL_STEPS = 60
"""L-BFGS steps of the attacked FedAvg client: about as many as it takes over all rounds of a run."""
_FLOOR = 1e-9


def study_privacy(
    settings: Sequence[ExperimentSettings], folder: Path, *, progress: Progress | None = None
) -> list[dict[str, str]]:
    """Attack every client of every seed.

    Args:
        settings: One experiment a seed.
        folder: Where records lie; an interrupted study goes on there.
        progress: Told of every seed.

    Returns:
        Rows with the columns `PRIVACY_COLUMNS`: areas under the ROC curve, 0.5 for guessing, as mean over
        clients and seeds.
    """
    cells = [
        Cell(f"seed{one.seed}", one.model_dump(mode="json"), lambda one=one: _attacked(one))  # type: ignore[misc]
        for one in settings
    ]
    records = run_cells("privacy", cells, folder, progress=progress)
    rows = []
    for attack in ("outputs", "own model", "FedAvg parameters"):
        areas = np.array([area for record in records for area in record["areas"][attack]])
        rows.append(
            {
                "attack on": attack,
                "AUC": f"{areas.mean():.3f}",
                "lowest client": f"{areas.min():.3f}",
                "highest client": f"{areas.max():.3f}",
                "bytes seen a client": str(round(np.mean([r["bytes"][attack] for r in records]))),
            }
        )
    return rows


def membership_area(members: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Chance that a member has the higher score than another image; ties count half."""
    truth = np.concatenate([np.ones(len(members)), np.zeros(len(others))])
    return float(roc_auc_score(truth, np.concatenate([members, others])))


def _attacked(settings: ExperimentSettings) -> dict[str, Any]:
    context = open_context(settings)
    compiler = ModelCompiler(noise=settings.noise.enabled, seed=settings.seed)
    clients = [run_client(context, compiler, number) for number in range(len(settings.clients))]
    found = distil_messages(context, compiler, [client.message.to_bytes() for client in clients])
    areas: dict[str, list[float]] = {"outputs": [], "own model": [], "FedAvg parameters": []}
    for number, client in enumerate(clients):
        own, test = context.data.own(number), context.data.test
        others = test.rows(np.isin(test.labels, client.held))
        stolen = _stolen(context, client)
        for attack, params in (("outputs", stolen.params), ("own model", client.model.params)):
            areas[attack].append(
                _area(client.compiled, params, client.model.n_outcomes, client.held, own, others)
            )
        compiled = compiler.model(found.compiled.spec, client.settings.backend)
        local = _local(compiled, found.global_model.params, context, context.data.clients[number])
        areas["FedAvg parameters"].append(
            _area(
                compiled, local, len(context.data.classes), np.arange(len(context.data.classes)), own, others
            )
        )
    return {
        "areas": areas,
        "bytes": {
            "outputs": float(np.mean([client.bytes_sent for client in clients])),
            "own model": 0.0,
            "FedAvg parameters": 4.0 * len(found.global_model.params) * settings.fedavg.rounds,
        },
    }


def _stolen(context: RunContext, client: ClientOutcome) -> TrainedModel:
    """The client's structure, trained on its outputs on the public images."""
    soft = client.message.probabilities
    shares = soft / soft.sum(axis=1, keepdims=True)
    targets = Targets(soft.shape[1], soft=shares, soft_loss="kl", reject=client.model.reject)
    inputs = context.data.public.samples.inputs
    stage = Stage.named(f"attack on {client.settings.name}")
    task = FitTask(stage, inputs, targets)
    return fit_model(context, client.compiled, task)


def _local(
    compiled: CompiledModel, start: NDArray[np.float64], context: RunContext, own: Samples
) -> NDArray[np.float64]:
    """A FedAvg client's parameters: from the common start, fitted to its own samples."""
    targets = Targets(len(context.data.classes), labels=own.labels)
    objective = Objective(compiled.noisy, own.inputs, targets, l2=context.settings.training.l2)
    return minimize_lbfgs(objective.value_and_gradient, start, iterations=LOCAL_STEPS).params


def _area(
    compiled: CompiledModel,
    params: NDArray[np.float64],
    n_outcomes: int,
    held: NDArray[np.int64],
    own: Samples,
    others: Samples,
) -> float:
    def scores(samples: Samples) -> NDArray[np.float64]:
        p = outcome_probabilities(params, compiled.noisy, samples.inputs, n_outcomes)
        right = p[np.arange(len(samples)), np.searchsorted(held, samples.labels)]
        return np.asarray(np.log(np.maximum(right, _FLOOR)))

    return membership_area(scores(own), scores(others))
