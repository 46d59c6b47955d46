"""Finalists of a structure search are trained as the run trains its models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import RunContext
from qkd_qiskit.run.fit import finalist_training
from qkd_qiskit.simulation import ModelCompiler
from qkd_qiskit.store import StageStore
from qkd_qiskit.training import Objective, Targets
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SPEC = VQCNNSpec(4, plan="conv, edge, conv", kernels="one_cx", sharing="site", n_outcomes=2)


def _loss(steps: int, full_steps: str, seed: int = 0) -> float:
    overrides = [
        f"descent={{steps={steps}, batch=20, search_samples=10}}",
        f"training={{particles=2, iterations=0, refine=0, structure={{{full_steps}}}}}",
    ]
    settings = load_experiment(TINY, overrides=overrides)
    context = RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())
    compiler = ModelCompiler(seed=settings.seed)
    train = finalist_training(context, compiler, "noisy_line")
    assert train is not None
    rng = np.random.default_rng(5)
    labels = np.arange(40) % 2
    inputs = rng.normal(0, 0.3, (40, 8)) + 0.8 * labels[:, None]
    targets = Targets(2, labels=labels)
    params = train(SPEC, inputs, targets, np.random.default_rng(seed))
    assert params.shape == (SPEC.n_weights + 1,)
    noisy = compiler.model(SPEC, "noisy_line").noisy
    return float(Objective(noisy, inputs, targets).values(params[None])[0])


def test_more_steps_learn_more_and_full_steps_shorten_them() -> None:
    short, long = _loss(2, ""), _loss(60, "")
    assert long < short - 0.05
    assert _loss(60, "full_steps=2") == pytest.approx(short)
    assert _loss(2, "full_steps=60") == pytest.approx(short)


def test_without_descent_the_search_trains_them_itself() -> None:
    settings = load_experiment(TINY)
    context = RunContext(settings, prepare_data(settings), StageStore(None, ""), NullProgress())
    assert finalist_training(context, ModelCompiler(), "noisy_line") is None
