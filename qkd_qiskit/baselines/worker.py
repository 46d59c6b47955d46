"""Baselines that run no circuit, fitted by a worker process while this one trains circuits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pickle import PicklingError

from joblib import Parallel, cpu_count, delayed, parallel_config

from qkd_qiskit.baselines.base import Baseline, BaselineData, FittedBaseline
from qkd_qiskit.distillation import OWN_RULES, AggregationRule
from qkd_qiskit.hardware import OWN_DEVICES, Device
from qkd_qiskit.progress import NullProgress
from qkd_qiskit.simulation import CompiledModel, ModelCompiler

Fitted = dict[str, FittedBaseline | None]


def worker_count(data: BaselineData) -> int:
    """Return how many processes may work: as many as trained the clients; 1 where none did."""
    settings = data.run.settings
    clients = len(settings.clients) if data.run.data.clients else 0
    return max(1, min(settings.federation.workers or cpu_count(), clients))


def fit_aside(baselines: Sequence[Baseline], data: BaselineData, workers: int) -> Callable[[], Fitted]:
    """Begin to fit baselines in a worker process.

    Args:
        baselines: Those that need no compiled circuit.
        data: What they are fitted on.
        workers: Processes, at least 2: those that trained the clients are still there, and are taken.

    Returns:
        Waits for them. The bits are those of `fit` in this process, which is what happens where the worker is
        ended from outside, or cannot be sent a baseline.

    Raises:
        QKDError: By the returned function, if training is impossible.
    """
    # Compiled circuits stay here: all that is asked of them is how large they are.
    sent = replace(
        data,
        run=replace(data.run, progress=NullProgress()),
        compiler=ModelCompiler(),
        compiled=CompiledModel(data.compiled.spec),
    )
    try:
        with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
            lent = (OWN_DEVICES.all(), OWN_RULES.all())
            started = Parallel(return_as="generator")([delayed(_fit_with)(*lent, baselines, sent)])
    except PicklingError:
        return lambda: _fit(baselines, data)

    def finish() -> Fitted:
        try:
            (fitted,) = started
        except (BrokenProcessPool, PicklingError):
            return _fit(baselines, data)
        found: Fitted = fitted
        return found

    return finish


def _fit_with(
    devices: Mapping[str, Device],
    rules: Mapping[str, type[AggregationRule]],
    baselines: Sequence[Baseline],
    data: BaselineData,
) -> Fitted:
    """Fit baselines in a worker process, where names find the objects of the user's own too."""
    with OWN_DEVICES.lent(devices), OWN_RULES.lent(rules):
        return _fit(baselines, data)


def _fit(baselines: Sequence[Baseline], data: BaselineData) -> Fitted:
    return {baseline.name: baseline.fit(data) for baseline in baselines}
