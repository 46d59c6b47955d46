"""What a baseline is, what baselines are fitted on, and what a fitted one can do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from qkd_qiskit.arrays import FloatArray, IntArray
from qkd_qiskit.data import PreparedData, Samples, joined, originals
from qkd_qiskit.distillation import Aggregate, LabelQueryResult, known_samples
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
        own_refit: The same, which has learnt all of `known`; None where nobody has trained it yet.
    """

    run: RunContext
    compiler: ModelCompiler
    compiled: CompiledModel
    aggregate: Aggregate
    label_queries: LabelQueryResult | None
    own: TrainedModel
    own_refit: TrainedModel | None = None

    @property
    def known(self) -> Samples:
        """Return all public samples that bear a label, with their copies: see `known_samples`."""
        return known_samples(self.run, self.label_queries)

    @property
    def known_before(self) -> Samples:
        """Return those of `known` that are learnt while the others judge, and choose settings and rounds."""
        return known_samples(self.run, self.label_queries, refit=False)

    @property
    def everything(self) -> Samples:
        """Return all labelled samples that are here: those of the clients, then `known`."""
        return joined(*self.run.data.clients, self.known)

    @property
    def known_labels(self) -> Literal["all", "public"]:
        """Return whose labels `everything` has: the clients' too, or the public ones alone."""
        return "all" if self.run.data.clients else "public"

    @property
    def groups(self) -> IntArray:
        """Return which original each sample of `everything` comes from [N]."""
        data, queried = self.run.data, self.label_queries
        sizes = (*data.sizes, len(data.split.public_train))
        groups = [originals((*data.clients, data.public.labelled), sizes)]
        if queried is not None:
            groups.append(sum(sizes) + queried.numbers)
        if self.refits:
            groups.append(sum(sizes) + data.public.held_back_origins.first)
        return np.concatenate(groups)

    @property
    def refits(self) -> bool:
        """Return whether the labels that the server keeps to itself are learnt at the end."""
        return self.run.settings.distillation.refit

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
    def public_before(self) -> TrainedModel:
        """Return the global structure, trained on `known_before`; methods that are judged start from it."""
        if self.label_queries is None:
            return self.own
        return train_supervised(self.training_run, self.compiled, PUBLIC_ONLY, self.known_before)

    @cached_property
    def public_only(self) -> TrainedModel:
        """Return the global structure, trained on `known` alone."""
        if not self.refits:
            return self.public_before
        if self.own_refit is not None:
            return self.own_refit
        return train_supervised(self.training_run, self.compiled, PUBLIC_ONLY.refit, self.known)


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
    """Return all clients' samples that are here, then the public examples, with copies."""
    return joined(*data.clients, data.public.labelled)


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
