"""A VQCNN as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from qkd_qiskit.arguments import found as describe
from qkd_qiskit.arguments import plain
from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import TrainingSettings
from qkd_qiskit.config.loading import parse_settings
from qkd_qiskit.encoding import Encoding, make_encoder
from qkd_qiskit.errors import ClassifierError, QKDError
from qkd_qiskit.estimator import estimate_gate_budget
from qkd_qiskit.estimator.size_ladder import build_size_ladder
from qkd_qiskit.hardware import Device, load_backend
from qkd_qiskit.hardware.descriptor import Descriptor
from qkd_qiskit.hardware.registry import DeviceLike, device_from_descriptor
from qkd_qiskit.simulation import compile_model
from qkd_qiskit.training import Targets, train_model
from qkd_qiskit.vqcnn import VQCNNSpec


class VQCNNClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Variational quantum convolutional neural network, trained on exact noisy probabilities.

    Takes raw feature matrices: the encoding is fitted inside, so that the estimator stands in a `Pipeline`.
    With a device, it is trained and predicts under that device's noise model.

    Args:
        n_qubits: Width of the model, 2 to 16; of `angle` encoding 2 n principal components are encoded.
        encoding: Name of an encoding, for example `angle`, `zz(reps=1)` or `amplitude` (an ideal input state,
            for simulators only); or an encoding object of one's own.
        kernel: Preset name or gate string of the two-qubit block.
        sharing: `site` gives every block its own weights, `layer` those of a layer the same.
        budget: `"auto"` estimates the number of two-qubit blocks from data and device; a number takes the
            largest structure with at most so many; a `VQCNNSpec` is taken as it is.
        backend: Device whose noise is simulated: its name, the path of its descriptor, or a Qiskit backend;
            None for ideal gates.
        particles: Particles of the swarm.
        iterations: Moves of the swarm.
        refine: L-BFGS iterations after the swarm.
        l2: Weight of the squared log of the logit scale.
        random_state: Integer, `numpy.random.RandomState` or None, as everywhere in scikit-learn.

    Attributes:
        classes_: Sorted class labels [K].
        n_features_in_: Columns of the feature matrix.
        feature_names_in_: Their names, where the features came with names.
        spec_: The structure.
        params_: Circuit weights in radians, then the log of the logit scale [W + 1].
        encoder_: The fitted encoder.
        budget_: What the estimator granted; None when `budget` is not "auto".
        loss_: Training loss.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from qkd_qiskit import VQCNNClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> VQCNNClassifier(n_qubits=2, random_state=0).fit(X, y).score(X, y) > 0.9
        True
    """

    def __init__(
        self,
        n_qubits: int = 4,
        *,
        encoding: str | Encoding = "angle",
        kernel: str = "su4",
        sharing: str = "site",
        budget: Literal["auto"] | int | VQCNNSpec = "auto",
        backend: DeviceLike | None = None,
        particles: int = 8,
        iterations: int = 3,
        refine: int = 40,
        l2: float = 0.01,
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
        self.l2 = l2
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Choose a structure and train it.

        Whatever fails, the estimator is afterwards what it was before.

        Args:
            X: Features [N, F]; a DataFrame's columns give `feature_names_in_`.
            y: Class labels [N], numbers or strings, of at least two classes.

        Returns:
            The fitted estimator.

        Raises:
            ClassifierError: If no structure fits data, device and parameters. It is a `ValueError`.
        """
        with _kept_on_failure(self):
            features, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
            check_classification_targets(labels)
            self.classes_, targets = np.unique(labels, return_inverse=True)
            if len(self.classes_) < 2:
                raise ClassifierError(
                    f"expected at least 2 classes, found 1 class: {plain(self.classes_[0])!r}"
                )
            rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1, size=2))
            try:
                self._fit(features, targets.astype(np.int64), rng)
            except QKDError as error:
                raise ClassifierError(f"VQCNNClassifier: {error}") from error
            except ValueError as error:  # NumPy's, about sizes beyond all memory
                raise ClassifierError(f"VQCNNClassifier: {' '.join(str(error).split())}") from error
        return self

    def _fit(self, features: FloatArray, targets: NDArray[np.int64], rng: np.random.Generator) -> None:
        chosen = {name: getattr(self, name) for name in ("particles", "iterations", "refine", "l2")}
        settings = parse_settings(TrainingSettings, {"method": "global", **chosen}, "training")
        name = VQCNNSpec(self.n_qubits, self.encoding).encoding
        self.encoder_ = make_encoder(self.encoding, self.n_qubits).fit(features)
        inputs = self.encoder_.transform(features)
        device = None if self.backend is None else load_backend(self.backend)
        self.spec_ = self._structure(inputs, targets, device, name)
        self._evaluator = compile_model(self.spec_, device).noisy
        model = train_model(
            self._evaluator, inputs, Targets(len(self.classes_), labels=targets), settings, rng=rng
        )
        self.params_, self.loss_, self._model = model.params, model.loss, model

    def _structure(
        self, inputs: FloatArray, targets: NDArray[np.int64], device: Device | None, name: str
    ) -> VQCNNSpec:
        self.budget_ = None
        k = len(self.classes_)
        if isinstance(self.budget, VQCNNSpec):
            spec = self.budget
            if (spec.n_qubits, spec.encoding) != (self.n_qubits, name) or spec.n_outcomes < k:
                raise ClassifierError(
                    f"expected a spec of {self.n_qubits} qubits, {name} encoding and at least {k} "
                    f"outcomes, found {spec.describe()}"
                )
            return spec
        family: dict[str, Any] = {
            "encoding": self.encoding,
            "kernel": self.kernel,
            "sharing": self.sharing,
            "n_outcomes": k,
        }
        if not isinstance(self.budget, Integral) or isinstance(self.budget, bool):
            if not isinstance(self.budget, str) or self.budget != "auto":
                raise ClassifierError(
                    f'budget: expected "auto", a number or a spec, found {describe(self.budget)}'
                )
            found = device or _ideal_device(self.n_qubits)
            self.budget_ = estimate_gate_budget(
                inputs, targets, backend=found, n_qubits=self.n_qubits, **family
            )
            return self.budget_.spec
        ladder = build_size_ladder(self.n_qubits, **family)
        affordable = [spec for spec in ladder if len(spec.blocks) <= self.budget]
        if not affordable:
            raise ClassifierError(
                f"budget: expected at least {len(ladder[0].blocks)} two-qubit blocks, found {self.budget}"
            )
        return affordable[-1]

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return class probabilities under the noise that the model was trained with.

        Args:
            X: Features [N, F].

        Returns:
            Probabilities [N, K], columns in the order of `classes_`.
        """
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        evaluator = getattr(self, "_evaluator", None)
        if evaluator is None:
            evaluator = compile_model(self.spec_, self.backend).noisy
        probabilities: FloatArray = self._model.class_probabilities(
            evaluator, self.encoder_.transform(features)
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

    def __getstate__(self) -> dict[str, Any]:
        """Leave the compiled circuit out; it is compiled again when it is needed."""
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_evaluator", None)
        return state


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


def _ideal_device(n_qubits: int) -> Device:
    """Make a device that never bounds a budget: all qubits joined, no errors, hardly any decay."""
    return device_from_descriptor(
        Descriptor.model_validate(
            {
                "name": "ideal",
                "source": "custom",
                "topology": {"kind": "all_to_all", "n_qubits": n_qubits},
                "qubits": {"t1": 1e6, "t2": 1e6, "readout_error": 0.0, "readout_duration": 0.0},
                "gates": {name: {"error": 0.0, "duration": 0.0} for name in ("rz", "sx", "x", "cz")},
            }
        )
    )
