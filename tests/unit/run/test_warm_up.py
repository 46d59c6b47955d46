"""Models that are trained without noise first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qkd_qiskit.config import load_experiment
from qkd_qiskit.data import prepare_data
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model
from qkd_qiskit.run.fit import finalist_training
from qkd_qiskit.simulation import ModelCompiler, PauliEvaluator
from qkd_qiskit.store import Database, StageStore
from qkd_qiskit.training import Objective, Targets, TrainedModel
from qkd_qiskit.vqcnn import VQCNNSpec

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")
SPEC = VQCNNSpec(4, plan="conv, edge, conv", kernels="one_cx", sharing="site", n_outcomes=2)
STAGE = Stage.named("model")

SWARM = ["training={particles=4, iterations=8, refine=0, method='global'}"]
COOPERATIVE = ["training={particles=4, iterations=2, sweeps=4, refine=0, method='cooperative'}"]
REFINED = ["training={particles=4, iterations=2, refine=16}"]
ADAM = ["training={particles=4, iterations=2, refine=4}", "descent={steps=40, batch=20, search_samples=20}"]
WAYS = [
    pytest.param(SWARM, (7, 0), id="swarm"),
    pytest.param(COOPERATIVE, (1 + 3 * 6, 0), id="cooperative"),
    pytest.param(REFINED, (1, 13), id="lbfgs"),
    pytest.param(ADAM, (1, 5 + 15), id="adam"),
]


def samples():
    rng = np.random.default_rng(5)
    labels = np.arange(40) % 2
    return rng.normal(0, 0.3, (40, 8)) + 0.6 * labels[:, None], Targets(2, labels=labels)


def context(overrides, *more, store=None, resume=False):
    settings = load_experiment(TINY, overrides=[*overrides, *more])
    return RunContext(
        settings, prepare_data(settings), store or StageStore(None, ""), NullProgress(), resume=resume
    )


def train(overrides, *more, noise=True, initial=None, **where) -> tuple[TrainedModel, list[bool]]:
    """The model, and for each evaluation in order whether it was without noise."""
    inputs, targets = samples()
    compiled = ModelCompiler(noise=noise).model(SPEC, "noisy_line")
    quiet = []

    def watched(evaluator, is_quiet):
        found = PauliEvaluator.loss_and_gradient, PauliEvaluator.probabilities

        def gradient(*arguments):
            quiet.append(is_quiet)
            return found[0](evaluator, *arguments)

        def probabilities(*arguments):
            quiet.append(is_quiet)
            return found[1](evaluator, *arguments)

        evaluator.loss_and_gradient, evaluator.probabilities = gradient, probabilities

    for evaluator, is_quiet in (
        (compiled.noisy, False),
        (compiled.fast, False),
        (compiled.ideal, True),
        (compiled.fast_ideal, True),
    ):
        watched(evaluator, is_quiet)
    task = FitTask(STAGE, inputs, targets, initial)
    return fit_model(context(overrides, *more, **where), compiled, task), quiet


@pytest.mark.parametrize(("overrides", "noiseless"), WAYS)
@pytest.mark.parametrize("dtype", ["mixed", "float64", "float32"])
def test_the_first_step_has_no_noise_and_the_second_has(overrides, noiseless, dtype):
    model, quiet = train(overrides, "training.warm_up=ideal", f"training.dtype={dtype}")
    assert quiet[0]
    assert not quiet[-1]
    # Once under noise, always under noise.
    assert quiet == sorted(quiet, reverse=True)
    moved, refined = model.noiseless
    most_moved, most_refined = noiseless
    assert 0 < moved <= most_moved
    assert (refined > 0) == (most_refined > 0)
    assert refined <= most_refined
    assert (moved, refined) < (len(model.swarm_history), len(model.refine_history))
    again, _ = train(overrides, "training.warm_up=ideal", f"training.dtype={dtype}")
    np.testing.assert_array_equal(model.params, again.params)


@pytest.mark.parametrize(("overrides", "noiseless"), WAYS)
def test_it_learns_what_a_training_under_noise_learns(overrides, noiseless):
    del noiseless
    inputs, targets = samples()
    noisy = Objective(ModelCompiler().model(SPEC, "noisy_line").noisy, inputs, targets)
    plain, warm = (train(overrides, f"training.warm_up={way}")[0] for way in ("none", "ideal"))
    before, after = noisy.values(np.stack([plain.params, warm.params]))
    assert after < before + 0.1
    assert after < np.log(2) - 0.1


@pytest.mark.parametrize(("overrides", "noiseless"), WAYS)
def test_an_interrupted_training_goes_on(tmp_path, overrides, noiseless):
    """Whatever of the second step is lost, the first is not trained again, and the bits are the same."""
    del noiseless
    way = (overrides, "training.warm_up=ideal")
    whole, evaluations = train(*way, store=StageStore(tmp_path, "run"))
    with Database(tmp_path) as database:
        database.execute("DELETE FROM stage WHERE key = ?", STAGE.key)
    again, repeated = train(*way, store=StageStore(tmp_path, "run"), resume=True)
    np.testing.assert_array_equal(again.params, whole.params)
    assert again.refine_history == whole.refine_history
    assert again.swarm_history == whole.swarm_history
    assert 0 < len(repeated) < len(evaluations)


@pytest.mark.parametrize("overrides", [REFINED, ADAM])
def test_without_noise_there_is_no_second_step(overrides):
    plain, _ = train(overrides, noise=False)
    warm, _ = train(overrides, "training.warm_up=ideal", noise=False)
    np.testing.assert_array_equal(plain.params, warm.params)
    assert warm.noiseless == (0, 0)


@pytest.mark.parametrize("overrides", [REFINED, ADAM])
def test_what_goes_on_from_an_earlier_round_stays_under_noise(overrides):
    initial = np.zeros(SPEC.n_weights + 1)
    model, quiet = train(overrides, "training.warm_up=ideal", initial=initial)
    assert not any(quiet)
    assert model.noiseless == (0, 0)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_last_phase_may_belong_to_one_step(share):
    model, quiet = train(ADAM, "training.warm_up=ideal", f"training.warm_share={share}")
    assert quiet[0]
    assert quiet[-1] == (share == 1.0)
    assert model.noiseless == (1, 5 + 20 * int(share))


def test_finalists_of_a_search_are_trained_likewise():
    inputs, targets = samples()
    compiler = ModelCompiler()
    losses = []
    for way in ("none", "ideal"):
        run = context(ADAM, f"training.warm_up={way}")
        full = finalist_training(run, compiler, "noisy_line")
        params = full(SPEC, inputs, targets, np.random.default_rng(1))
        noisy = compiler.model(SPEC, "noisy_line").noisy
        losses.append(Objective(noisy, inputs, targets).values(params[None])[0])
    assert losses[0] != losses[1]
    assert losses[1] < losses[0] + 0.1
