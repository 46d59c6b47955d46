"""Gate budgets of the experiment's kind of model."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from qkd_qiskit.data import Samples
from qkd_qiskit.estimator import GateBudget, estimate_gate_budget, estimator_arguments
from qkd_qiskit.run.context import RunContext

_MOST_KEPT = 64
_KEPT: OrderedDict[str, GateBudget] = OrderedDict()


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
    settings = run.settings
    if not settings.estimator.probes:
        return _estimate(run, samples, backend, n_outcomes)
    # PERF: probes take a minute, and several stages ask for one client's budget.
    parts = (
        settings.model.model_dump_json(),
        settings.estimator.model_dump_json(),
        str(settings.shared_seed),
        backend,
        str(n_outcomes),
        str(samples.labels.tolist()),
    )
    key = hashlib.sha256("\n".join(parts).encode() + samples.inputs.tobytes()).hexdigest()
    if key not in _KEPT:
        _KEPT[key] = _estimate(run, samples, backend, n_outcomes)
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
    return _KEPT[key]


def _estimate(run: RunContext, samples: Samples, backend: str, n_outcomes: int) -> GateBudget:
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
        **estimator_arguments(run.settings.estimator, run.settings.shared_seed),
    )
