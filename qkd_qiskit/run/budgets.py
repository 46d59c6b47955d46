"""Gate budgets of the experiment's kind of model."""

from __future__ import annotations

from qkd_qiskit.data import Samples
from qkd_qiskit.estimator import GateBudget, estimate_gate_budget
from qkd_qiskit.run.context import RunContext


def gate_budget(run: RunContext, samples: Samples, backend: str, n_outcomes: int) -> GateBudget:
    """Estimate the gate budget of samples on a device.

    Args:
        run: Shared by all stages.
        samples: What the model will learn.
        backend: Name of the device.
        n_outcomes: Number of outcomes of the model.

    Raises:
        EstimatorError: If no model fits; the message names the bound.
    """
    model = run.settings.model
    return estimate_gate_budget(
        samples.inputs,
        samples.labels,
        backend=backend,
        n_qubits=model.n_qubits,
        encoding=model.encoding,
        kernel=model.kernel,
        sharing=model.sharing,
        n_outcomes=n_outcomes,
    )
