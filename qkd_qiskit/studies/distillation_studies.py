"""The studies of the distillation by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qkd_qiskit.config import load_experiment
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.progress import Progress
from qkd_qiskit.studies.ablation import study_ablation
from qkd_qiskit.studies.heterogeneity import study_heterogeneity
from qkd_qiskit.studies.noise_study import study_noise
from qkd_qiskit.studies.privacy import study_privacy
from qkd_qiskit.studies.robustness import study_robustness

STUDIES = ("ablation", "robustness", "heterogeneity", "noise", "privacy")


def run_study(
    name: str,
    experiment: str,
    seeds: Sequence[int],
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[dict[str, str]]:
    """Run a study and return its table.

    Args:
        name: One of `STUDIES`.
        experiment: Name of a shipped experiment, or path of a TOML file.
        seeds: Seeds of data and training; at least one.
        folder: Where records and pictures lie; an interrupted study goes on there.
        overrides: `key=value` strings for the experiment.
        progress: Told of every part.

    Raises:
        ConfigError: If study or experiment are unknown, or there is no seed.
    """
    if name not in STUDIES:
        raise ConfigError(f"study: expected one of {', '.join(STUDIES)}, found {name!r}")
    if not seeds:
        raise ConfigError("study: expected at least one seed, found none")
    if name == "ablation":
        return study_ablation(experiment, seeds, folder, overrides=overrides, progress=progress)
    settings = [load_experiment(experiment, overrides=overrides, seed=seed) for seed in seeds]
    study = {
        "robustness": study_robustness,
        "heterogeneity": study_heterogeneity,
        "noise": study_noise,
        "privacy": study_privacy,
    }[name]
    return study(settings, folder, progress=progress)
