"""A VQCNN as a scikit-learn classifier."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit
from rich.console import Console
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from qkd_qiskit.arguments import found as describe
from qkd_qiskit.arguments import plain
from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.config.loading import parse_settings
from qkd_qiskit.encoding import Encoder, Encoding, make_encoder
from qkd_qiskit.errors import ClassifierError, EstimatorError, QKDError
from qkd_qiskit.hardware import Device, GateReport, load_backend
from qkd_qiskit.hardware.registry import DeviceLike
from qkd_qiskit.interop.classifier_images import ImageCopies, image_copies
from qkd_qiskit.interop.classifier_samples import WeightedSamples, distinct_samples, held_out_parts
from qkd_qiskit.interop.classifier_structure import (
    Budget,
    Candidates,
    Family,
    GradientCost,
    candidates,
    fit_encoder,
    widths,
)
from qkd_qiskit.interop.classifier_training import (
    BATCH,
    Lesson,
    Trial,
    only_curve,
    steps_for,
    train_model,
    try_structure,
)
from qkd_qiskit.interop.export import export_circuit, sampler_qnn, to_qasm3, to_qpy
from qkd_qiskit.models import SavedModel
from qkd_qiskit.simulation import CompiledModel, compile_model
from qkd_qiskit.training import Objective

if TYPE_CHECKING:
    from qiskit_machine_learning.neural_networks import SamplerQNN

_LOG = logging.getLogger(__name__)

#: `l2="auto"` is this over the sum of the samples' weights, as a prior on the logit scale would be.
_L2_OF_ALL = 8.0
#: Seconds that a gradient is predicted to take at most, where the size is chosen.
_MOST_SECONDS = 2e-3


class VQCNNClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Variational quantum convolutional neural network, trained on exact noisy probabilities.

    Takes raw feature matrices: the encoding is fitted inside, so that the estimator stands in a `Pipeline`.
    With a device, it is trained and predicts under that device's noise model.

    With the defaults, width, size and the end of the training are chosen from the data: a smallest and
    a larger structure are trained without a fifth of the samples, these judge them, and the one that is
    chosen is trained once more on all samples. Of images, learnt in moved copies, the largest is taken. On
    one core that takes a second or two for a table of a hundred rows, some twenty for 800 images, and longer
    for samples in thousands or under a device's noise.

    Args:
        n_qubits: Width of the model, 2 to 32; `"auto"` takes 4 to 8, as many as the directions of the data
            fill, and fewer where the device bears no such structure. Of `angle` encoding 2 n principal
            components are encoded.
        encoding: Name of an encoding, for example `angle`, `zz(reps=1)` or `amplitude` (an ideal input state,
            for simulators only); or an encoding object of one's own.
        kernel: Preset name or gate string of the two-qubit block.
        sharing: `site` gives every block its own weights, `layer` those of a layer the same.
        budget: `"auto"` estimates the number of two-qubit blocks from data and device, and takes fewer where
            more do not pay on held-out samples; a number takes the largest structure with at most so many;
            a `VQCNNSpec` is taken as it is.
        backend: Device whose noise is simulated: its name, the path of its descriptor, or a Qiskit backend;
            None for ideal gates.
        particles: Particles of the swarm.
        iterations: Moves of the swarm.
        refine: L-BFGS iterations after the swarm, where no steps of Adam are taken.
        steps: Steps of Adam on 100 samples each after the swarm, 0 for L-BFGS; `"auto"` goes 125 times
            through more than 200 different samples, in 300 to 2000 steps.
        l2: Weight of the squared log of the logit scale; `"auto"` takes 8 over the number of samples.
        images: Whether samples are square images, of which Adam also learns eight copies each, turned by up
            to 8 degrees and shifted by up to a 28th of the side; `"auto"` looks whether columns are alike as
            neighbouring pixels are.
        early_stopping: Whether a fifth of the samples chooses size and end of the training; without it, and
            with fewer than 40 different samples, the granted size is trained to the end.
        warm_start: Whether `fit` goes on from the last fit's parameters, with its encoder and structure.
        verbose: 1 prints a line for each part of the work.
        random_state: Integer, `numpy.random.RandomState` or None, as everywhere in scikit-learn.

    Attributes:
        classes_: Sorted class labels [K].
        n_features_in_: Columns of the feature matrix.
        feature_names_in_: Their names, where the features came with names.
        spec_: The structure.
        params_: Circuit weights in radians, then the log of the logit scale [W + 1].
        encoder_: The fitted encoder.
        budget_: What the estimator granted, for the structure that was taken; None when `budget` is not
            "auto".
        loss_: Training loss.
        learning_curve_: Losses along the training that chose the structure and its end, a `LearningCurve`.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from qkd_qiskit import VQCNNClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> VQCNNClassifier(n_qubits=2, random_state=0).fit(X, y).score(X, y) > 0.9
        True
    """

    def __init__(
        self,
        n_qubits: Literal["auto"] | int = "auto",
        *,
        encoding: str | Encoding = "angle",
        kernel: str = "su4",
        sharing: str = "site",
        budget: Budget = "auto",
        backend: DeviceLike | None = None,
        particles: int = 8,
        iterations: int = 3,
        refine: int = 60,
        steps: Literal["auto"] | int = "auto",
        l2: Literal["auto"] | float = "auto",
        images: Literal["auto"] | bool = "auto",
        early_stopping: bool = True,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.n_qubits = n_qubits
        self.encoding = encoding
        self.kernel = kernel
        self.sharing = sharing
        self.budget = budget
        self.backend = backend
        self.particles = particles
        self.iterations = iterations
        self.refine = refine
        self.steps = steps
        self.l2 = l2
        self.images = images
        self.early_stopping = early_stopping
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Choose a structure and train it.

        Whatever fails, the estimator is afterwards what it was before. Neither the order of the samples nor
        how equal ones are repeated matters: a weight of 2 is the same as a sample twice.

        Args:
            X: Features [N, F]; a DataFrame's columns give `feature_names_in_`.
            y: Class labels [N], numbers or strings, of at least two classes.
            sample_weight: How much each sample counts in the losses [N], 0 or more; None counts all alike.
                Samples of weight 0 are left out.

        Returns:
            The fitted estimator.

        Raises:
            ClassifierError: If no structure fits data, device and parameters, or if a warm start meets other
                classes or columns. It is a `ValueError`.
        """
        with _kept_on_failure(self):
            before = dict(vars(self))
            features, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
            check_classification_targets(labels)
            weights = _check_sample_weight(
                sample_weight, features, dtype=np.float64, ensure_non_negative=True
            )
            counted = weights > 0
            if not counted.any():
                raise ClassifierError("sample_weight: expected a positive weight, found none")
            self.classes_, targets = np.unique(labels[counted], return_inverse=True)
            if len(self.classes_) < 2:
                raise ClassifierError(
                    f"expected at least 2 classes, found 1 class: {plain(self.classes_[0])!r}"
                )
            samples = distinct_samples(features[counted], targets.astype(np.int64), weights[counted])
            rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1, size=2))
            try:
                self._fit(samples, before, rng)
            except QKDError as error:
                raise ClassifierError(f"VQCNNClassifier: {error}") from error
            except ValueError as error:  # NumPy's, about sizes beyond all memory
                raise ClassifierError(f"VQCNNClassifier: {' '.join(str(error).split())}") from error
        return self

    def _fit(self, samples: WeightedSamples, before: dict[str, Any], rng: np.random.Generator) -> None:
        for name in ("early_stopping", "warm_start"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ClassifierError(
                    f"{name}: expected true or false, found {describe(getattr(self, name))}"
                )
        seed = int(rng.integers(2**32))
        steps, training = self._steps(len(samples)), self._training(samples)
        device = None if self.backend is None else load_backend(self.backend)
        family = Family(self.encoding, self.kernel, self.sharing, len(self.classes_), device)
        # Of a seed of its own: what else is drawn does not hang on whether samples are images.
        found = image_copies(self.images, samples.features, seed + 1)
        copies = found if steps else None
        initial = None
        if self.warm_start and "params_" in before:
            _check_same(before, self)
            self.encoder_, initial = before["encoder_"], before["params_"]
            chosen = Candidates((before["spec_"],), before["budget_"])
            inputs = self.encoder_.transform(samples.features)
        else:
            self.encoder_, inputs, chosen = self._structures(samples, family, steps, copies)
        lesson = Lesson(
            inputs,
            samples.labels,
            samples.weights,
            len(self.classes_),
            training,
            steps,
            initial,
            None if copies is None else copies.encoded(self.encoder_),
        )
        parts = held_out_parts(samples.labels, rng=rng) if self.early_stopping else []
        self._compiled, trial = self._chosen(chosen, device, lesson, parts, seed)
        share, factor = 1.0, 1.0
        if trial is not None:
            share, factor = trial.curve.share[trial.kept], float(trial.factors[trial.kept])
        evaluator = self._compiled.noisy
        model, points = train_model(evaluator, lesson, rng=np.random.default_rng(seed), share=share)
        if trial is None:
            losses = Objective(evaluator, inputs, lesson.targets, l2=training.l2).values(np.stack(points))
            self.learning_curve_ = only_curve(model, losses)
        else:
            self.learning_curve_ = trial.curve
        self._tell(f"{len(samples)} samples, {100 * share:.0f} % of the steps: loss {model.loss:.4f}")
        self.spec_ = self._compiled.spec
        self.budget_ = chosen.budget_of(self.spec_, family)
        # Answers are as sure as those on held-out samples are right; which class they name stays.
        calibrated = model.params.copy()
        calibrated[-1] += np.log(factor)
        self._model = replace(model, params=calibrated)
        self.params_, self.loss_ = calibrated, model.loss

    def _chosen(
        self, chosen: Candidates, device: Device | None, lesson: Lesson, parts: list[IntArray], seed: int
    ) -> tuple[CompiledModel, Trial | None]:
        """Return the structure that held-out samples choose, and how it did; the largest without such."""
        if not parts:
            return compile_model(chosen.specs[-1], device), None
        tried = []
        for spec in chosen.specs:
            compiled = compile_model(spec, device)
            trial = try_structure(compiled.noisy, lesson, parts, seed)
            curve, kept = trial.curve, trial.kept
            self._tell(
                f"{len(spec.blocks)} blocks: loss {curve.loss[kept]:.4f}, on held-out samples "
                f"{curve.held_out[kept]:.4f}, {100 * curve.accuracy[kept]:.1f} % of them right"
            )
            tried.append((compiled, trial))
        best = min(tried, key=lambda pair: pair[1].means[pair[1].kept])
        # What the estimator grants is taken unless held-out samples speak against it.
        return next(pair for pair in reversed(tried) if not best[1].clearly_better_than(pair[1]))

    def _steps(self, n_samples: int) -> int:
        if isinstance(self.steps, Integral) and not isinstance(self.steps, bool) and self.steps >= 0:
            return int(self.steps)
        if not isinstance(self.steps, str) or self.steps != "auto":
            raise ClassifierError(
                f'steps: expected "auto" or a number of at least 0, found {describe(self.steps)}'
            )
        return steps_for(n_samples)

    def _training(self, samples: WeightedSamples) -> TrainingSettings:
        chosen = {name: getattr(self, name) for name in ("particles", "iterations", "refine", "l2")}
        if isinstance(self.l2, str) and self.l2 == "auto":
            chosen["l2"] = _L2_OF_ALL / float(samples.weights.sum())
        return parse_settings(TrainingSettings, {"method": "global", **chosen}, "training")

    def _structures(
        self, samples: WeightedSamples, family: Family, steps: int, copies: ImageCopies | None
    ) -> tuple[Encoder, FloatArray, Candidates]:
        """Return encoder, inputs and structures of the widest model that the estimator grants."""
        tried = widths(self.n_qubits, self.budget, samples.features, family)
        # What one gradient takes: of a batch for each step of Adam, of all samples for each of L-BFGS.
        at_once = min(BATCH, len(samples)) if steps else len(samples)
        cost = GradientCost(at_once, _MOST_SECONDS)
        for place, width in enumerate(tried):
            if copies is None:
                encoder = fit_encoder(self.encoding, width, samples.features, samples.labels)
            else:
                # Pixels share a unit: scaled, those at the edges, which hardly differ, would count as much.
                encoder = make_encoder(self.encoding, width).fit(copies.with_originals())
            inputs = encoder.transform(samples.features)
            try:
                found = candidates(width, self.budget, inputs, samples.labels, family, cost)
            except EstimatorError:
                if place == len(tried) - 1:
                    raise
            else:
                if copies is not None:
                    # With copies the largest structure does not learn samples by heart: 97.5 % of images of
                    # digits 3 and 5 were right with 30 blocks, 96.7 % with 15 (validation, 800 learnt).
                    found = replace(found, specs=found.specs[-1:])
                names = " or ".join(str(len(spec.blocks)) for spec in found.specs)
                kind = "samples" if copies is None else "images, and moved copies of them"
                self._tell(f"{width} qubits, {names} blocks, {len(samples)} different {kind}")
                return encoder, inputs, found
        raise AssertionError

    def _tell(self, line: str) -> None:
        _LOG.info(line)
        if self.verbose:
            # The package logs and is silent; who asks for words means the terminal or the notebook.
            console = Console(soft_wrap=True, highlight=False)
            console.print(f"VQCNNClassifier: {line}", markup=False)

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return class probabilities under the noise that the model was trained with.

        Args:
            X: Features [N, F].

        Returns:
            Probabilities [N, K], columns in the order of `classes_`.
        """
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        probabilities: FloatArray = self._model.class_probabilities(
            self._compiled_model().noisy, self.encoder_.transform(features)
        )
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable classes.

        Args:
            X: Features [N, F].

        Returns:
            Class labels [N].
        """
        chosen = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[chosen]
        return labels

    @property
    def circuit_(self) -> QuantumCircuit:
        """The trained circuit with free inputs `x`: the logical one, or the device's own gates."""
        return export_circuit(self._measured(), self.params_[:-1])

    @property
    def transpile_report_(self) -> GateReport | None:
        """Predicted beside counted native gates; None without a device."""
        transpiled = self._compiled_model().transpiled
        return None if transpiled is None else transpiled.report

    @property
    def saved_model_(self) -> SavedModel:
        """The model as files hold it: `saved_model_.to_bytes()` is what `load_model` reads."""
        check_is_fitted(self)
        device = self._compiled_model().transpiled
        return SavedModel(
            spec=self.spec_,
            params=self.params_,
            classes=_saved_classes(self.classes_),
            encoder=self.encoder_,
            backend="" if device is None else device.device_name,
            noise=device is not None,
            seed=0,
        )

    @property
    def qpy_(self) -> bytes:
        """The trained circuit as a QPY file."""
        return to_qpy(self.circuit_)

    @property
    def qasm3_(self) -> str:
        """The trained circuit as an OpenQASM 3 program."""
        return to_qasm3(self.circuit_)

    @property
    def sampler_qnn_(self) -> SamplerQNN:
        """The structure as a `SamplerQNN`, whose weights are `params_[:-1]`."""
        return sampler_qnn(self._measured())

    def _measured(self) -> Any:
        compiled = self._compiled_model()
        return compiled.transpiled or compiled.spec

    def _compiled_model(self) -> CompiledModel:
        check_is_fitted(self)
        if getattr(self, "_compiled", None) is None:
            self._compiled = compile_model(self.spec_, self.backend)
        return self._compiled

    def __getstate__(self) -> dict[str, Any]:
        """Leave the compiled circuit out; it is compiled again when it is needed."""
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_compiled", None)
        return state


def _check_same(before: dict[str, Any], now: VQCNNClassifier) -> None:
    """Refuse a warm start on other classes or columns."""
    if not np.array_equal(before["classes_"], now.classes_):
        known, found = (", ".join(map(repr, map(plain, c))) for c in (before["classes_"], now.classes_))
        raise ClassifierError(f"warm start: expected the classes {known}, found {found}")
    if before["n_features_in_"] != now.n_features_in_:
        raise ClassifierError(
            f"warm start: expected {before['n_features_in_']} features, found {now.n_features_in_}"
        )


def _saved_classes(labels: NDArray[Any]) -> tuple[int, ...] | tuple[str, ...]:
    """Return labels as files hold them: whole numbers, else texts."""
    if all(float(label).is_integer() for label in labels) if labels.dtype.kind in "biuf" else False:
        return tuple(int(label) for label in labels)
    return tuple(str(label) for label in labels)


@contextmanager
def _kept_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Give an estimator the attributes back that it had, if the block fails or is interrupted."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
