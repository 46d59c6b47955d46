"""The compiler of all models of a run."""

from __future__ import annotations

from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.simulation import ModelCompiler


def model_compiler(settings: ExperimentSettings) -> ModelCompiler:
    """Return a compiler under the noise, seed and device of arrays that settings name."""
    place = settings.training.device
    return ModelCompiler(
        noise=settings.noise.enabled, seed=settings.seed, arrays_on=None if place == "cpu" else place
    )
