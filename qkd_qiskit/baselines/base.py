"""What a baseline is, what baselines are fitted on, and what a fitted one can do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.data import PreparedData, Samples, originals
from qkd_qiskit.distillation import Aggregate, LabelQueryResult
from qkd_qiskit.evaluation import Predictions
from qkd_qiskit.evaluation.results import Traffic
from qkd_qiskit.hardware import device_name
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model
from qkd_qiskit.run.stages import PUBLIC_ONLY
from qkd_qiskit.simulation import CompiledModel, Evaluator, ModelCompiler
from qkd_qiskit.training import Targets, TrainedModel


class FittedBaseline(Protocol):
    """A model to compare the global model with."""

    def predictions(self, inputs: FloatArray) -> Predictions:
        """Predict the classes of encoded inputs [N, F]."""
        ...


class Baseline(Protocol):
    """Fits one of the models that the global model is compared with."""

    @property
    def name(self) -> str:
        """Return its key in `results.json`."""
        ...

    @property
    def runs_circuits(self) -> bool:
        """Return whether it takes the compiled circuits, which stay in the process of the run."""
        ...

    def fit(self, data: BaselineData) -> FittedBaseline | None:
        """Fit the model; None where the settings do not want it, or the clients' samples are elsewhere.

        Raises:
            QKDError: If training is impossible.
        """
        ...


@dataclass(frozen=True, eq=False)
class BaselineData:
    """What all baselines of a run are fitted on.

    Attributes:
        run: Shared by all stages.
        compiler: Compiles the global structure for the clients' devices.
        compiled: The global structure on the server's device.
        aggregate: What the clients said together.
        label_queries: Labels that were given at the server's request; None for none. Every baseline learns
            them.
        own: The global structure, trained on the public examples alone.
    """

    run: RunContext
    compiler: ModelCompiler
    compiled: CompiledModel
    aggregate: Aggregate
    label_queries: LabelQueryResult | None
    own: TrainedModel

    @property
    def known(self) -> Samples:
        """Return the labelled public samples with their copies, behind them those of the label queries."""
        return self._with_queried(self.run.data.public.labelled)

    @property
    def everything(self) -> Samples:
        """Return all labelled samples that are here: those of the clients, then `known`."""
        return self._with_queried(together(self.run.data))

    @property
    def known_labels(self) -> Literal["all", "public"]:
        """Return whose labels `everything` has: the clients' too, or the public ones alone."""
        return "all" if self.run.data.clients else "public"

    @property
    def groups(self) -> IntArray:
        """Return which original each sample of `everything` comes from [N]."""
        data = self.run.data
        sizes = (*data.sizes, len(data.split.public_train))
        groups = originals((*data.clients, data.public.labelled), sizes)
        queried = self.label_queries
        return groups if queried is None else np.concatenate([groups, sum(sizes) + queried.numbers])

    @property
    def n_weights(self) -> int:
        """Return the trained numbers of the global model."""
        return self.compiled.spec.n_weights + 1

    @cached_property
    def training_run(self) -> RunContext:
        """Return the run whose stored stages depend on all that quantum baselines learn."""
        # Which labels were queried follows from the clients' answers.
        return self.run if self.label_queries is None else self.run.given(self.aggregate.soft_labels)

    @cached_property
    def public_only(self) -> TrainedModel:
        """Return the global structure, trained on `known` alone; federated averaging starts from it."""
        if self.label_queries is None:
            return self.own
        return train_supervised(self.training_run, self.compiled, PUBLIC_ONLY, self.known)

    def _with_queried(self, samples: Samples) -> Samples:
        if self.label_queries is None:
            return samples
        return _joined(samples, self.label_queries.samples(self.run.data))


class _CircuitModel(Protocol):
    @property
    def params(self) -> FloatArray: ...

    def predict(self, evaluator: Evaluator, inputs: FloatArray) -> IntArray: ...


@dataclass(frozen=True, eq=False)
class FittedCircuit:
    """A trained circuit on the server's device.

    Attributes:
        model: Its parameters.
        compiled: Its structure on the device.
        noise: Name of the device whose noise the predictions have; None for none.
        traffic: Bytes that its training sent; None where it sent nothing.
    """

    model: _CircuitModel
    compiled: CompiledModel
    noise: str | None
    traffic: Traffic | None = None

    @classmethod
    def at_server(
        cls, run: RunContext, compiled: CompiledModel, model: _CircuitModel, traffic: Traffic | None = None
    ) -> FittedCircuit:
        """Return a model of the global structure under the noise of the run's server."""
        noise = device_name(run.settings.server.backend) if run.settings.noise.enabled else None
        return cls(model, compiled, noise, traffic)

    def predictions(self, inputs: FloatArray) -> Predictions:
        """Predict the classes of encoded inputs [N, F], under noise and without."""
        return Predictions(
            self.model.predict(self.compiled.noisy, inputs),
            self.model.predict(self.compiled.ideal, inputs),
            self.noise,
            len(self.model.params),
            self.compiled.two_qubit_gates,
        )


def together(data: PreparedData) -> Samples:
    """Return all clients' samples that are here, then the labelled public ones, with copies."""
    return _joined(*data.clients, data.public.labelled)


def train_supervised(
    run: RunContext, compiled: CompiledModel, stage: Stage, samples: Samples
) -> TrainedModel:
    """Train the global structure on labelled samples, as a stage of the run.

    Args:
        run: Shared by all stages.
        compiled: The structure on the server's device.
        stage: Names of the training.
        samples: What to learn.

    Raises:
        TrainingError: If samples and circuit do not fit, or no start has a finite loss.
    """
    targets = Targets(len(run.data.classes), labels=samples.labels)
    return fit_model(run, compiled, FitTask(stage, samples.inputs, targets, at_server=True))


def _joined(*parts: Samples) -> Samples:
    return Samples(
        np.concatenate([part.inputs for part in parts]), np.concatenate([part.labels for part in parts])
    )
