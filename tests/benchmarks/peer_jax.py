"""JAX, for the peers that run on it: double precision, one compiled function for all samples."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from peer_program import missing

from qkd_qiskit.arrays import FloatArray

NOTE = "JAX jit and vmap, double precision"


def require_jax() -> ModuleType:
    """Return the package JAX, with double precision switched on.

    Raises:
        InteropError: If it is missing.
    """
    try:
        import jax
    except ImportError:
        raise missing("JAX") from None
    jax.config.update("jax_enable_x64", True)
    return jax


def batched(one: Callable[[Any], Any]) -> Callable[[FloatArray], FloatArray]:
    """Compile a function of one sample's angles for all samples at once."""
    jax = require_jax()
    compiled = jax.jit(jax.vmap(one))
    return lambda angles: np.asarray(compiled(angles), dtype=np.float64)
