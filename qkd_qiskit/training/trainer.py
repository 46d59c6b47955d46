"""Training of one model: random starts, perhaps a particle swarm (global or cooperative), then L-BFGS."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.errors import TrainingError
from qkd_qiskit.simulation import Evaluator
from qkd_qiskit.training.lbfgs import LBFGS
from qkd_qiskit.training.losses import class_logits
from qkd_qiskit.training.objective import Objective, Targets
from qkd_qiskit.training.optimizer import LOG_SCALE_BOUNDS, OptimizerResult, Starts, weight_period
from qkd_qiskit.training.optimizers import make_optimizer
from qkd_qiskit.training.tracking import Tracking

_STARTS_PER_PARTICLE = 4


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model: parameters, and how they were found.

    Attributes:
        params: Circuit weights in radians, then the log of the logit scale [W + 1].
        n_outcomes: Class outcomes, with the reject outcome where there is one.
        reject: Whether the last outcome is "none of my classes".
        loss_start: Training loss of the best random start.
        loss_swarm: Training loss after the swarm alone; that of the best start where there is none.
        loss: Training loss after refinement; equal to `loss_swarm` without it.
        swarm_history: Best loss at the start and after each move of the swarm.
        refine_history: Loss at the start of the refinement and after each of its iterations.
        evaluations: Parameter vectors evaluated, with or without gradient.
        gradients: Those of them with gradient.
        noiseless: Leading entries of the swarm's and of the refinement's history that were found without
            noise before a training under noise.
        stopped_at: Share of the last phase after which the parameters were taken; 1 without early stopping.
    """

    params: FloatArray
    n_outcomes: int
    reject: bool
    loss_start: float
    loss_swarm: float
    loss: float
    swarm_history: tuple[float, ...]
    refine_history: tuple[float, ...]
    evaluations: int
    gradients: int
    noiseless: tuple[int, int] = (0, 0)
    stopped_at: float = 1.0

    @property
    def weights(self) -> FloatArray:
        """The circuit's weights [W] in radians."""
        return self.params[:-1]

    @property
    def logit_scale(self) -> float:
        """The positive logit scale s."""
        return float(np.exp(self.params[-1]))

    def followed_by(self, later: TrainedModel) -> TrainedModel:
        """Return the model of a second training under noise that began where this one, without, ended."""
        moved = later.swarm_history if len(later.swarm_history) > 1 else ()
        return replace(
            later,
            loss_start=self.loss_start,
            loss_swarm=later.loss_swarm if moved else self.loss_swarm,
            swarm_history=self.swarm_history + moved,
            refine_history=self.refine_history + later.refine_history,
            evaluations=self.evaluations + later.evaluations,
            gradients=self.gradients + later.gradients,
            noiseless=(len(self.swarm_history), len(self.refine_history)),
        )

    @property
    def n_classes(self) -> int:
        """Number K of classes, without the reject outcome."""
        return self.n_outcomes - int(self.reject)

    def outcome_probabilities(
        self, evaluator: Evaluator, inputs: FloatArray, *, temperature: float = 1.0
    ) -> FloatArray:
        """Return the softmax [N, n_outcomes] of a parameter vector's logits, divided by `temperature`.

        Args:
            evaluator: Runs the model's circuit, with the noise that is wanted.
            inputs: Encoded inputs [N, F].
            temperature: Divides the logits; above 1 the answers soften.

        Returns:
            Probabilities [N, n_outcomes]; rows sum to one.
        """
        return outcome_probabilities(self.params, evaluator, inputs, self.n_outcomes, temperature=temperature)

    def class_probabilities(self, evaluator: Evaluator, inputs: FloatArray) -> FloatArray:
        """Return probabilities [N, K], renormalized over the classes: the reject outcome is left out."""
        logits = _logits(self.params, evaluator, inputs, self.n_outcomes)[:, : self.n_classes]
        return np.asarray(softmax(logits, axis=-1))

    def predict(self, evaluator: Evaluator, inputs: FloatArray) -> IntArray:
        """Return the most probable class [N], an index of the sorted class set; never the reject outcome."""
        logits = _logits(self.params, evaluator, inputs, self.n_outcomes)[:, : self.n_classes]
        return np.asarray(logits.argmax(axis=-1), dtype=np.int64)


def outcome_probabilities(
    params: FloatArray, evaluator: Evaluator, inputs: FloatArray, n_outcomes: int, *, temperature: float = 1.0
) -> FloatArray:
    """Return the softmax [N, n_outcomes] of a parameter vector's logits, divided by `temperature`."""
    return np.asarray(softmax(_logits(params, evaluator, inputs, n_outcomes) / temperature, axis=-1))


def _logits(params: FloatArray, evaluator: Evaluator, inputs: FloatArray, n_outcomes: int) -> FloatArray:
    return class_logits(evaluator.probabilities(params[:-1], inputs), params[-1], n_outcomes)


def random_params(n: int, n_weights: int, *, rng: np.random.Generator) -> FloatArray:
    """Return random parameter vectors [n, n_weights + 1], from near zero to anywhere.

    Half of them have normal weights of a width drawn log-uniformly from 0.05 to 1 radian: near the identity,
    gradients of a deep circuit do not vanish. The other half is uniform over 2 pi. The logit scale starts
    near 3, because noise flattens the probabilities.
    """
    near = n - n // 2
    width = np.exp(rng.uniform(np.log(0.05), 0.0, (near, 1)))
    weights = np.concatenate(
        [width * rng.standard_normal((near, n_weights)), rng.uniform(-np.pi, np.pi, (n // 2, n_weights))]
    )
    log_scale = np.log(3.0) + 0.3 * rng.standard_normal((n, 1))
    return np.concatenate([np.clip(weights, -np.pi, np.pi), log_scale], axis=1)


def train_model(
    evaluator: Evaluator,
    inputs: FloatArray,
    targets: Targets,
    settings: TrainingSettings,
    *,
    initial: FloatArray | None = None,
    rng: np.random.Generator,
    tracking: Tracking | None = None,
) -> TrainedModel:
    """Train a model: random starts, a particle swarm where one is set, then L-BFGS from the best point.

    A swarm is global, or cooperative: sub-swarms along the circuit. A global swarm is weak above some 30
    dimensions; the losses of both phases are kept, so that reports can show what each gave.

    Args:
        evaluator: Runs the circuit, under the noise to train with; with gradients if `settings.refine` > 0.
        inputs: Encoded inputs [N, F].
        targets: What to answer on them.
        settings: Sizes and coefficients of both phases.
        initial: A parameter vector [W + 1] that joins the swarm, for example of an earlier round.
        rng: Source of all randomness.
        tracking: Receives every move of the swarm, or every sub-swarm, and every iteration of L-BFGS.

    Raises:
        TrainingError: If inputs, targets, initial and evaluator do not fit, or no start has a finite loss.
    """
    tracking = Tracking() if tracking is None else tracking
    objective = Objective(evaluator, inputs, targets, l2=settings.l2, answers=tracking.answers)
    search, refinement = make_optimizer(settings), LBFGS(settings.refine, tracking.visit)
    tracking.start(search.steps(evaluator.spec) + settings.refine)

    def advance(step: int, loss: float) -> None:
        tracking.advance()

    starts = _best_starts(objective, settings.particles, initial, rng)
    found = search.run(objective, starts, rng=rng, advance=advance)
    refined = OptimizerResult(found.params, found.value, ())
    if settings.refine > 0:
        refined = refinement.run(
            objective, Starts(found.params[None], np.array([found.value])), rng=rng, advance=advance
        )
    tracking.done()
    return TrainedModel(
        params=refined.params,
        n_outcomes=targets.n_outcomes,
        reject=targets.reject,
        loss_start=float(starts.losses.min()),
        loss_swarm=found.value,
        loss=refined.value,
        swarm_history=found.history,
        refine_history=refined.history,
        evaluations=objective.evaluations,
        gradients=objective.gradients,
    )


def _best_starts(
    objective: Objective, particles: int, initial: FloatArray | None, rng: np.random.Generator
) -> Starts:
    """Return the lowest of many random candidates; `initial` is one of them."""
    candidates = random_params(_STARTS_PER_PARTICLE * particles, objective.evaluator.spec.n_weights, rng=rng)
    if initial is not None:
        if initial.shape != (objective.n_params,) or not np.isfinite(initial).all():
            n, found = objective.n_params, initial.shape
            raise TrainingError(f"initial parameters: expected {n} finite numbers, found shape {found}")
        period = weight_period(objective.evaluator.spec)
        first = initial.copy()
        first[:-1] -= period * np.round(first[:-1] / period)
        candidates = np.concatenate([first[None], candidates])
    candidates[:, -1] = np.clip(candidates[:, -1], *LOG_SCALE_BOUNDS)
    losses = objective.values(candidates)
    best = np.argsort(losses, kind="stable")[:particles]
    return Starts(candidates[best], losses[best])
