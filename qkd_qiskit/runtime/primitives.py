"""The adapter to the Runtime's primitives: requests go in, counts come out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
from qiskit.primitives import BaseSamplerV2, PrimitiveResult
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qkd_qiskit.runtime.packed_circuit import packed_counts
from qkd_qiskit.runtime.service import Counts, JobRequest
from qkd_qiskit.simulation import outcome_counts
from qkd_qiskit.simulation.sampler import REGISTER

_SEQUENCE = "XpXm"


def _sampler_class() -> type[BaseSamplerV2]:
    # NOTE: the executor's sampler came before it was settled. The releases in which it knows dry runs are the
    # ones that deprecate SamplerV2; those before have another local mode and other options.
    try:
        from qiskit_ibm_runtime.executor_sampler import Sampler
    except ImportError:
        pass
    else:
        if "dry_run" in signature(Sampler.run).parameters:
            return Sampler  # type: ignore[no-any-return]
    from qiskit_ibm_runtime import SamplerV2

    return SamplerV2  # type: ignore[no-any-return]


RuntimeSampler = _sampler_class()
"""The sampler of the installed Runtime: the executor's where it is settled, `SamplerV2` before."""

HAS_DRY_RUNS = "dry_run" in signature(RuntimeSampler.run).parameters
"""Whether the installed Runtime can have a job tried out by the service without a device."""


def prepare_sampler(
    mode: Any, request: JobRequest, *, local: bool = False, dry_run: bool = False
) -> Callable[[], Any]:
    """Make a request ready for the Runtime's sampler; nothing is sent yet.

    Args:
        mode: A backend, session or batch.
        request: The job.
        local: Whether `mode` is a simulator, which takes a seed, and neither tags nor error suppression.
        dry_run: Whether the service only tries the job out, where `HAS_DRY_RUNS`.

    Returns:
        What sends it, and returns the Runtime's job. Errors before this are surely no job; errors of the
        sending itself leave that open.
    """
    pubs = [SamplerPub.coerce((request.circuit, request.values), request.shots)]
    pubs += [SamplerPub.coerce((circuit,), request.shots) for circuit in request.calibrations]
    sampler = RuntimeSampler(mode=mode, options=sampler_options(request, local=local))
    return partial(sampler.run, pubs, dry_run=True) if dry_run else partial(sampler.run, pubs)


def sampler_options(request: JobRequest, *, local: bool) -> dict[str, Any]:
    """Options of the Runtime's sampler for a request; both generations know them by these names."""
    if local:
        # NOTE: the local mode of SamplerV2 ignores a seed of 0.
        return {"simulator": {"seed_simulator": request.seed + 1}}
    options: dict[str, Any] = {"environment": {"job_tags": list(request.tags)}}
    if request.max_seconds is not None:
        options["max_execution_time"] = request.max_seconds
    if request.dynamical_decoupling:
        options["dynamical_decoupling"] = {"enable": True, "sequence_type": _SEQUENCE}
    if request.twirling:
        options["twirling"] = {"enable_gates": True, "enable_measure": True}
    return options


def read_counts(result: PrimitiveResult[Any]) -> tuple[Counts, Counts]:
    """Return the counts of the samples and of the calibration circuits.

    Returns:
        Counts [rows, 2^m] and [circuits, 2^m] of the register `meas`; of a packed circuit [rows, copies, 2^m]
        and [circuits, copies, 2^m].
    """
    first, *others = result
    rows = _by_register(first)
    calibrations = [{name: found[0] for name, found in _by_register(other).items()} for other in others]
    if REGISTER not in rows:
        return packed_counts(rows, calibrations)
    none = np.empty((0, rows[REGISTER].shape[1]), dtype=np.int64)
    return rows[REGISTER], np.array([found[REGISTER] for found in calibrations]) if calibrations else none


def _by_register(result: Any) -> dict[str, Counts]:
    sizes = {name: result.data[name].num_bits for name in result.data}
    return {
        name: outcome_counts(result, bits, register=name).reshape(-1, 2**bits) for name, bits in sizes.items()
    }
