"""FedDF (Lin et al., arXiv:2006.07242): FedAvg whose server distils the clients' ensemble into the average.

The server has the clients' parameters, so it lets their models answer the unlabelled public samples on its
own device. The averaged model learns the softmax of their mean logits, by the Kullback-Leibler divergence
and Adam's steps on batches. What travels is what FedAvg sends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy.special import softmax

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.baselines.base import BaselineData
from qkd_qiskit.baselines.federated import FederatedBaseline, FederatedMethod
from qkd_qiskit.baselines.federated_averaging import Averaging
from qkd_qiskit.config import AdamSettings
from qkd_qiskit.run.stages import FEDDF
from qkd_qiskit.simulation import Evaluator
from qkd_qiskit.training import (
    Adam,
    Objective,
    Starts,
    Targets,
    outcome_probabilities,
)

RATES = (0.02, 0.005, 0.05)
"""Largest steps of the server's distillation to choose from, in radians."""
BATCH = 128
"""Samples of a step, as in the paper."""


class EnsembleDistillation(Averaging):
    """Averages, then teaches the average what the clients say together on unlabelled samples."""

    def __init__(
        self,
        iterations: int,
        evaluator: Evaluator,
        inputs: FloatArray,
        n_classes: int,
        descent: AdamSettings,
        rng: np.random.Generator,
    ) -> None:
        """Set both trainings.

        Args:
            iterations: L-BFGS iterations of a client in a round.
            evaluator: The common circuit on the server's device, with gradients.
            inputs: Encoded public samples [N, F].
            n_classes: Number of all classes.
            descent: The server's steps in a round.
            rng: Orders the samples.
        """
        super().__init__(iterations)
        self._evaluator, self._inputs, self._n_classes = evaluator, inputs, n_classes
        self._descent_at_server, self._rng = descent, rng

    def combined(self, local: FloatArray, share: FloatArray, params: FloatArray) -> FloatArray:
        """Return the average after the server's steps."""
        average = super().combined(local, share, params)
        logs = [
            np.log(outcome_probabilities(one, self._evaluator, self._inputs, self._n_classes) + 1e-12)
            for one in local
        ]
        wanted = softmax(np.mean(logs, axis=0), axis=1)
        objective = Objective(
            self._evaluator, self._inputs, Targets(self._n_classes, soft=wanted, soft_loss="kl")
        )
        starts = Starts(average[None], np.zeros(1))
        return Adam(self._descent_at_server).run(objective, starts, rng=self._rng).params


class FedDF(FederatedBaseline):
    """Averages parameters, and distils the clients' ensemble on the public samples that bear no label."""

    name = "feddf"
    stage = FEDDF

    def candidates(self, data: BaselineData) -> Sequence[Callable[[], FederatedMethod]]:
        """Return the server's rates to choose from."""
        run, federated = data.training_run, data.run.settings.fedavg
        public, dtype = run.data.public, run.settings.training.dtype
        inputs = public.samples.rows(public.unlabelled_rows).inputs
        # Where every public sample bears a label, they are samples all the same.
        inputs = inputs if len(inputs) else public.labelled.inputs
        evaluator, n_classes = data.compiled.descending(dtype), len(run.data.classes)

        def make(rate: float) -> FederatedMethod:
            descent = AdamSettings(steps=federated.server_steps, batch=BATCH, rate=rate)
            return EnsembleDistillation(
                federated.local_steps, evaluator, inputs, n_classes, descent, run.rng(FEDDF)
            )

        return [partial(make, rate) for rate in RATES]
