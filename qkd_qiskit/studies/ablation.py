"""What each ingredient of the distillation gives: one left out or exchanged at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qkd_qiskit.config import DistillationSettings, ExperimentSettings, load_experiment
from qkd_qiskit.federation import LocalTransport, distil, run_rounds
from qkd_qiskit.progress import Progress
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.store import StageStore
from qkd_qiskit.studies.federated import open_context, pack, percent, pooled_accuracy, pooled_difference
from qkd_qiskit.studies.swarm_data import Cell, run_cells

ABLATIONS: dict[str, tuple[str, ...]] = {
    "as shipped": (),
    "two rounds": ("distillation.rounds=2",),
    "no unlabelled images": ("data.public_unlabelled=0",),
    "no copies for the student": ("data.augment.public_copies=0", "data.augment.mixup=0"),
    "no copies at all": ("data.augment.copies=0", "data.augment.public_copies=0", "data.augment.mixup=0"),
    "copies pooled": ("distillation.pool_copies=true",),
    "copies not pooled": ("distillation.pool_copies=false",),
    "no mixup": ("data.augment.mixup=0",),
    "student by its gate budget": (),
    "hard labels only": ("distillation.alpha=1.0",),
    "soft labels only": ("distillation.alpha=0.0",),
    "MSE, alpha 0.5 (paper)": ('distillation.soft_loss="mse"', "distillation.alpha=0.5"),
    "MSE": ('distillation.soft_loss="mse"',),
    "plain mean": ('distillation.aggregation="mean"',),
    "class coverage": ('distillation.aggregation="coverage"',),
    "confidence": ('distillation.aggregation="confidence"',),
    "product of experts": ('distillation.aggregation="product"',),
    "8-bit outputs": ('distillation.precision="uint8"',),
}
"""Name of a variant to its overrides."""

ABLATION_COLUMNS = ("variant", "global", "minus as shipped", "teacher", "kilobytes up")


def study_ablation(
    experiment: str,
    seeds: Sequence[int],
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    variants: Sequence[str] = tuple(ABLATIONS),
    progress: Progress | None = None,
) -> list[dict[str, str]]:
    """Train clients, teacher and student for every variant and seed; no baselines.

    Clients are trained once for all variants that leave their training as it is.

    Args:
        experiment: Name of a shipped experiment, or path of a TOML file.
        seeds: Seeds; differences are paired over the same test samples and pooled over seeds.
        folder: Where records lie; an interrupted study goes on there.
        overrides: For all variants.
        variants: Names of variants; `as shipped` always runs.
        progress: Told of every cell.

    Returns:
        Rows with the columns `ABLATION_COLUMNS`.
    """
    names = ["as shipped", *(name for name in variants if name != "as shipped")]
    cells = [
        _cell(name, variant_settings(experiment, name, seed, overrides), folder)
        for name in names
        for seed in seeds
    ]
    records = run_cells("ablation", cells, folder, progress=progress)
    of = {name: records[k * len(seeds) : (k + 1) * len(seeds)] for k, name in enumerate(names)}
    return [
        {
            "variant": name,
            "global": percent(pooled_accuracy(of[name], "global")),
            "minus as shipped": percent(pooled_difference(of[name], "global", of["as shipped"], "global")),
            "teacher": percent(pooled_accuracy(of[name], "teacher")),
            "kilobytes up": f"{sum(r['bytes_up'] for r in of[name]) / 1000 / len(seeds):.1f}",
        }
        for name in names
    ]


def variant_settings(
    experiment: str, variant: str, seed: int, overrides: Sequence[str] = ()
) -> ExperimentSettings:
    """Settings of one variant."""
    settings = load_experiment(experiment, overrides=[*overrides, *ABLATIONS[variant]], seed=seed)
    if variant == "student by its gate budget":
        # TOML has no null.
        own = settings.distillation.model_copy(update={"student_blocks": None})
        settings = settings.model_copy(update={"distillation": own})
    return settings


def client_fingerprint(settings: ExperimentSettings) -> str:
    """Digest of all that a client's first training depends on; variants that share it share their clients."""
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
    return hashlib.sha256(plain.model_dump_json().encode()).hexdigest()


def _cell(name: str, settings: ExperimentSettings, folder: Path) -> Cell:
    def work() -> dict[str, Any]:
        context = open_context(settings)
        training = context
        if settings.distillation.rounds == 1:
            # Further rounds depend on the variant; what a client learns in the first does not.
            shared = client_fingerprint(settings)
            store = StageStore(folder / "clients" / shared[:16], shared)
            training = replace(context, store=store, resume=True)
        compiler = ModelCompiler(noise=settings.noise.enabled, seed=settings.seed)
        local = LocalTransport(training, compiler)
        found = distil(context, compiler, run_rounds(training, local))
        teacher = found.rounds.aggregate.teacher
        test = context.data.test
        outputs = [
            client.model.outcome_probabilities(client.compiled.noisy, test.inputs)
            for client in local.clients
            if client.settings.name in teacher.clients
        ]
        taught = teacher.class_probabilities(outputs).argmax(axis=1)
        return {
            "right": {
                "global": pack(found.global_model.predict(found.compiled.noisy, test.inputs) == test.labels),
                "teacher": pack(taught == test.labels),
            },
            "bytes_up": sum(client.bytes_sent for client in local.clients),
        }

    return Cell(f"{name}-seed{settings.seed}", settings.model_dump(mode="json"), work)
