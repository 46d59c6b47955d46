"""Evaluation of structures: short trainings, full trainings, and what a structure's native gates cost."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.hardware import Device, predict_counts
from qkd_qiskit.simulation import Evaluator, ModelCompiler, PauliEvaluator
from qkd_qiskit.store.answers import AnswerLog
from qkd_qiskit.training.global_swarm import GlobalSwarm
from qkd_qiskit.training.lbfgs import minimize_lbfgs
from qkd_qiskit.training.objective import Objective, Targets
from qkd_qiskit.training.optimizer import LOG_SCALE_BOUNDS, Starts
from qkd_qiskit.training.tracking import Tracking
from qkd_qiskit.training.trainer import random_params, train_model
from qkd_qiskit.vqcnn import VQCNNSpec, native_two_qubit

# Parts of the samples held back: enough for a standard error, and the cost does not grow with the samples.
_PARTS = 50

FullTraining = Callable[[VQCNNSpec, FloatArray, Targets, np.random.Generator], FloatArray]
"""Parameters [W + 1] of a structure, trained in full on inputs [N, F] and their targets."""


@dataclass(frozen=True)
class CandidateFactory:
    """How structures become circuits, and what these cost.

    Attributes:
        base: The structure that the search starts from.
        evaluator: Makes the evaluator of a structure, under the noise to train with.
        log_success: The log of a structure's expected success probability, at most 0; 0 without noise.
        two_qubit: Native two-qubit gates of a structure, predicted: counted ones are never more.
        train: How finalists are trained, where it is not by `train_model`.
        short: Makes the evaluator of short trainings, where it is another one.
    """

    base: VQCNNSpec
    evaluator: Callable[[VQCNNSpec], Evaluator]
    log_success: Callable[[VQCNNSpec], float]
    two_qubit: Callable[[VQCNNSpec], int]
    train: FullTraining | None = None
    short: Callable[[VQCNNSpec], Evaluator] | None = None


def device_candidates(
    base: VQCNNSpec,
    device: Device,
    *,
    noise: bool = True,
    short_noise: bool = True,
    seed: int = 0,
    compiler: ModelCompiler | None = None,
) -> CandidateFactory:
    """Make circuits on a device: transpiled and under its noise, or logical and ideal.

    Args:
        base: The structure that the search starts from.
        device: The device.
        noise: Whether to train under the device's noise, and to pay for its native gates.
        short_noise: Whether short trainings, too, are under its noise; otherwise their circuits are not
            transpiled, which takes longer than the training.
        seed: Seed of the transpiler.
        compiler: One of this noise and seed that compiles finalists elsewhere too; None for one of its own.
    """
    if not noise:
        return CandidateFactory(base, PauliEvaluator, lambda spec: 0.0, native_two_qubit)

    compiled = ModelCompiler(seed=seed) if compiler is None else compiler

    def log_success(spec: VQCNNSpec) -> float:
        return float(np.log(max(predict_counts(spec, device).esp, np.finfo(float).tiny)))

    return CandidateFactory(
        base,
        lambda spec: compiled.model(spec, device).noisy,
        log_success,
        lambda spec: int(predict_counts(spec, device).two_qubit_range.high),
        short=None if short_noise else PauliEvaluator,
    )


@dataclass(frozen=True, eq=False)
class SearchTask:
    """What a structure search learns from.

    Attributes:
        inputs: Encoded inputs [N, F].
        targets: What to answer on them.
        seed: Seeds the split, the swarm and every training.
        groups: Which original each sample comes from, [N]; copies of one original are held back together.
            None: every sample is an original.
    """

    inputs: FloatArray
    targets: Targets
    seed: int
    groups: IntArray | None = None


class CandidateEvaluation:
    """Short trainings of structures, each once, and full ones of finalists.

    Attributes:
        specs: The structures that were tried, in their order.
        losses: Validation loss of each after its short training.
        left_out: The same with each part of the samples held back left out in turn.
        prices: What each pays for its native gates.
        two_qubit: Native two-qubit gates of each one's circuit.
        weights: Circuit weights of each.
        evaluations: Parameter vectors evaluated in short trainings, with or without gradient.
    """

    def __init__(
        self,
        factory: CandidateFactory,
        task: SearchTask,
        folds: Sequence[tuple[IntArray, IntArray]],
        settings: TrainingSettings,
        answers: AnswerLog,
        final_folds: Sequence[tuple[IntArray, IntArray]] | None = None,
    ) -> None:
        """Bind samples to a factory.

        Args:
            factory: Makes circuits of structures.
            task: Samples, and the seed of every training.
            folds: Samples to train with, originals and copies in random order, and samples that judge. Every
                training is made once for each fold, and losses are averaged.
            settings: Settings of short and full trainings.
            answers: Keeps all finished work.
            final_folds: Folds of full trainings, where these are others.
        """
        inputs, targets = task.inputs, task.targets
        self.specs: list[VQCNNSpec] = []
        self.losses: list[float] = []
        self.left_out: list[FloatArray] = []
        self.prices: list[float] = []
        self.two_qubit: list[int] = []
        self.weights: list[int] = []
        self.evaluations = 0
        self._numbers: dict[VQCNNSpec, int] = {}
        self._factory, self._settings, self._seed, self._answers = factory, settings, task.seed, answers
        most = settings.structure.samples
        self._folds = self._final_folds = _made_folds(inputs, targets, folds, most)
        if final_folds is not None:
            self._final_folds = _made_folds(inputs, targets, final_folds, most)

    def fitness(self) -> FloatArray:
        """Return the fitness of all structures so far, [E]."""
        return np.asarray(np.array(self.losses) + np.array(self.prices), dtype=np.float64)

    def knows(self, spec: VQCNNSpec) -> bool:
        """Return whether a structure was tried."""
        return spec in self._numbers

    def number(self, spec: VQCNNSpec) -> int:
        """Return the number of a structure, which is trained if it is new."""
        if spec not in self._numbers:
            self._try(spec)
            self._numbers[spec] = len(self.specs)
            self.specs.append(spec)
        return self._numbers[spec]

    def fitness_of(self, spec: VQCNNSpec) -> float:
        """Return the fitness of a structure, which is trained if it is new."""
        number = self.number(spec)
        return self.losses[number] + self.prices[number]

    def full(self, number: int, tracking: Tracking) -> tuple[float, FloatArray]:
        """Train a structure in full.

        Returns:
            Its validation loss, of all samples held back and with each part of them left out.
        """
        spec, steps = self.specs[number], self._settings.structure.full_steps
        rng, train = self._rng(f"full {spec.index}"), self._factory.train
        evaluator = self._factory.evaluator(spec)
        longer = self._settings if steps is None else self._settings.model_copy(update={"refine": steps})
        judged: list[tuple[FloatArray, ...]] = []
        for place, fold in enumerate(self._final_folds):
            if train is None:
                found = train_model(evaluator, *fold.train, longer, rng=rng, tracking=tracking)
                params = found.params
            else:
                tracking.start(1)
                (params,) = self._answers.answer(
                    _text(f"full {spec.index}, {place}"), partial(_alone, train, spec, fold, rng)
                )
                tracking.done()
            judged.append(
                self._answers.answer(
                    _text(f"judge {spec.index}, {place}"), partial(fold.judge, evaluator, params)
                )
            )
        return _averaged(judged)

    def preference(
        self,
        losses: FloatArray,
        left_out: FloatArray,
        numbers: Sequence[int],
        incumbent: int | None = None,
    ) -> list[int]:
        """Return the positions in `numbers`, the most preferred first.

        Structures whose fitness is within `resolution` standard errors of the best one's count as equal (the
        rule of one standard error of Breiman et al., *Classification and Regression Trees*, 1984). Of equals
        the incumbent comes first, then the fewest native two-qubit gates, the lowest price, and the smallest
        model index; all others follow by fitness. The error is that of the paired difference from the best
        structure, by the jackknife.

        Args:
            losses: Validation losses [E].
            left_out: The same with each part left out [E, parts].
            numbers: The structures that they belong to.
            incumbent: Number of the structure that stays unless another one is better; None for none.
        """
        fitness = losses + np.array(self.prices)[list(numbers)]
        best = int(np.argmin(fitness))
        equal = fitness <= fitness[best] + self._settings.structure.resolution * _paired_error(left_out, best)

        def key(position: int) -> tuple[bool, float, float, float, int]:
            k = numbers[position]
            if equal[position]:
                return False, k != incumbent, self.two_qubit[k], self.prices[k], self.specs[k].index
            return True, fitness[position], 0.0, 0.0, 0

        return sorted(range(len(numbers)), key=key)

    def _try(self, spec: VQCNNSpec) -> None:
        loss, left_out, spent = self._answers.answer(
            _text(str(spec.index)), lambda: self._short_trainings(spec)
        )
        self.evaluations += int(spent)
        self.losses.append(float(loss))
        self.left_out.append(left_out)
        self.prices.append(-self._settings.structure.price * self._factory.log_success(spec))
        self.two_qubit.append(self._factory.two_qubit(spec))
        self.weights.append(spec.n_weights)

    def _short_trainings(self, spec: VQCNNSpec) -> tuple[FloatArray, FloatArray, FloatArray]:
        chosen = self._settings.structure
        evaluator = (self._factory.short or self._factory.evaluator)(spec)
        starts = random_params(chosen.starts, spec.n_weights, rng=self._rng(str(spec.index)))
        judged: list[tuple[FloatArray, ...]] = []
        spent = 0
        for fold in self._folds:
            objective = Objective(evaluator, *fold.short, l2=self._settings.l2)
            losses = objective.values(starts)
            best = starts[losses.argmin()]
            if chosen.moves:
                swarm = replace(GlobalSwarm.of_training(self._settings), iterations=chosen.moves)
                rng = self._rng(f"swarm {spec.index}")
                best = swarm.run(objective, Starts(starts, losses), rng=rng).params
            if chosen.steps:
                best = minimize_lbfgs(objective.value_and_gradient, best, iterations=chosen.steps).params
            judged.append(fold.judge(evaluator, best))
            spent += objective.evaluations
        loss, left_out = _averaged(judged)
        return np.asarray(loss), left_out, np.asarray(float(spent))

    def _rng(self, name: str) -> np.random.Generator:
        """Return a structure's own generator: its fitness does not depend on when it is tried."""
        return np.random.default_rng([self._seed, zlib.crc32(name.encode())])


def best_log_scale(targets: Targets, probabilities: FloatArray) -> float:
    """Return the log of the logit scale with the lowest loss on probabilities [N, 2^m], to 0.1."""
    scales = np.arange(LOG_SCALE_BOUNDS[0], LOG_SCALE_BOUNDS[1], 0.1)
    losses = targets.values(np.repeat(probabilities[None], len(scales), axis=0), scales)
    return float(scales[losses.argmin()])


@dataclass(frozen=True, eq=False)
class _Fold:
    """Samples of a short and of a full training, those that judge, and their parts."""

    short: tuple[FloatArray, Targets]
    train: tuple[FloatArray, Targets]
    held: tuple[FloatArray, Targets]
    rest: list[IntArray]

    def judge(self, evaluator: Evaluator, params: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the loss on samples held back, and the losses [parts] with each part of them left out.

        The logit scale is the best one there, not the trained one: few samples leave a large structure far
        too sure of itself, and its loss would say more of that than of its answers.
        """
        inputs, targets = self.held
        probabilities = evaluator.probabilities(params[None, :-1], inputs)
        log_scale = np.array([best_log_scale(targets, probabilities[0])])
        loss = targets.values(probabilities, log_scale)[0]
        left_out = [
            targets.rows(rest).values(probabilities[:, rest], log_scale)[0] if len(rest) else loss
            for rest in self.rest
        ]
        return loss, np.array(left_out)


def _alone(train: FullTraining, spec: VQCNNSpec, fold: _Fold, rng: np.random.Generator) -> tuple[FloatArray]:
    return (train(spec, *fold.train, rng),)


def _averaged(judged: Sequence[tuple[FloatArray, ...]]) -> tuple[float, FloatArray]:
    """Return the mean loss over folds, and that mean with each part of the samples left out in turn.

    Args:
        judged: By fold, its loss, and its losses [parts] with each part left out.
    """
    losses, left_out = zip(*judged, strict=True)
    return float(np.mean(losses)), np.asarray(np.mean(left_out, axis=0))


def _made_folds(
    inputs: FloatArray, targets: Targets, folds: Sequence[tuple[IntArray, IntArray]], most: int
) -> list[_Fold]:
    """Return folds of rows of samples, at most `most` of them for short trainings.

    A part of the samples is the same one in every fold: where samples judge more than once, they are left out
    of all folds together.
    """
    ever_held = np.unique(np.concatenate([held for _, held in folds]))
    part_of = np.full(targets.n_samples, -1, dtype=np.int64)
    part_of[ever_held] = _parts(targets.rows(ever_held))

    def rows(chosen: IntArray) -> tuple[FloatArray, Targets]:
        return inputs[chosen], targets.rows(chosen)

    def rest(held: IntArray) -> list[IntArray]:
        part = part_of[held]
        return [np.flatnonzero((part >= 0) & (part != one)) for one in range(part_of.max() + 1)]

    return [_Fold(rows(train[:most]), rows(train), rows(held), rest(held)) for train, held in folds]


def _parts(targets: Targets) -> IntArray:
    """Return which part each sample is in, [N]; -1 for one without label, and for all where but one has any.

    Strided: samples of one origin stand together.
    """
    counts = np.ones(targets.n_samples, dtype=bool)
    if targets.soft is None and targets.labels is not None:
        counts = targets.labels >= 0
    n_parts = min(int(counts.sum()), _PARTS)
    found = np.full(targets.n_samples, -1, dtype=np.int64)
    if n_parts > 1:
        found[counts] = np.arange(counts.sum()) % n_parts
    return found


def _paired_error(left_out: FloatArray, best: int) -> FloatArray:
    """Return standard errors [E] of the differences from the best one; 0 without parts."""
    difference = left_out - left_out[best]
    parts = difference.shape[1]
    if parts == 0:
        return np.zeros(len(left_out))
    return np.asarray(np.sqrt((parts - 1) * difference.var(axis=1)))


def _text(text: str) -> FloatArray:
    """Encode a text as a question to the answer log."""
    return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.float64)
