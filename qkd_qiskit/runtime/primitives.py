"""The adapter to the Runtime's primitives: requests go in, counts come out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from qiskit.primitives import PrimitiveResult
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit_aer.noise import NoiseModel
from qiskit_ibm_runtime import SamplerV2

from qkd_qiskit.runtime.service import Counts, JobRequest
from qkd_qiskit.simulation import outcome_counts

_SEQUENCE = "XpXm"


def prepare_sampler(
    mode: Any, request: JobRequest, *, local: bool, noise_model: NoiseModel | None = None
) -> Callable[[], Any]:
    """Make a request ready for the Runtime's sampler; nothing is sent yet.

    Args:
        mode: A backend, session or batch.
        request: The job.
        local: Whether `mode` is a simulator or fake backend, which takes a seed, and neither tags nor error
            suppression.
        noise_model: Noise of the local mode; the backend's own when omitted.

    Returns:
        What sends it, and returns the Runtime's job. Errors before this are surely no job; errors of the
        sending itself leave that open.
    """
    pubs = [SamplerPub.coerce((request.circuit, request.values), request.shots)]
    pubs += [SamplerPub.coerce((circuit,), request.shots) for circuit in request.calibrations]
    options = sampler_options(request, local=local, noise_model=noise_model)
    return partial(SamplerV2(mode=mode, options=options).run, pubs)


def sampler_options(
    request: JobRequest, *, local: bool, noise_model: NoiseModel | None = None
) -> dict[str, Any]:
    """Options of the Runtime's sampler for a request; the noise model is for the local mode."""
    if local:
        # NOTE: the local mode ignores a seed of 0.
        simulator: dict[str, Any] = {"seed_simulator": request.seed + 1}
        return {"simulator": simulator if noise_model is None else simulator | {"noise_model": noise_model}}
    options: dict[str, Any] = {"environment": {"job_tags": list(request.tags)}}
    if request.max_seconds is not None:
        options["max_execution_time"] = request.max_seconds
    if request.dynamical_decoupling:
        options["dynamical_decoupling"] = {"enable": True, "sequence_type": _SEQUENCE}
    if request.twirling:
        options["twirling"] = {"enable_gates": True, "enable_measure": True}
    return options


def read_counts(result: PrimitiveResult[Any]) -> tuple[Counts, Counts]:
    """Counts [rows, 2^m] of the samples and [circuits, 2^m] of the calibration circuits."""
    first, *others = result
    m = first.data.meas.num_bits
    rows = outcome_counts(first, m).reshape(-1, 2**m)
    found = [outcome_counts(other, m).reshape(1, 2**m) for other in others]
    return rows, np.concatenate(found) if found else np.empty((0, 2**m), dtype=np.int64)
