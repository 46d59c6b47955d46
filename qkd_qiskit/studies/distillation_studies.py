"""The studies of the distillation by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qkd_qiskit.config import load_experiment
from qkd_qiskit.errors import ConfigError
from qkd_qiskit.progress import Progress
from qkd_qiskit.studies.ablation import ABLATIONS, study_ablation
from qkd_qiskit.studies.heterogeneity import study_heterogeneity
from qkd_qiskit.studies.margins import study_margins
from qkd_qiskit.studies.noise_study import study_noise
from qkd_qiskit.studies.privacy import study_privacy
from qkd_qiskit.studies.robustness import study_robustness

STUDIES = ("margins", "ablation", "robustness", "heterogeneity", "noise", "privacy")


def run_study(
    name: str,
    experiment: str,
    seeds: Sequence[int],
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    variants: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> list[dict[str, str]]:
    """Run a study and return its table.

    Args:
        name: One of `STUDIES`.
        experiment: Name of a shipped experiment, or path of a TOML file.
        seeds: Seeds of data and training; at least one.
        folder: Where records and pictures lie; an interrupted study goes on there.
        overrides: `key=value` strings for the experiment.
        variants: Variants of the ablation; all when omitted.
        progress: Told of every part.

    Raises:
        ConfigError: If study, variant or experiment are unknown, or there is no seed.
    """
    if name not in STUDIES:
        raise ConfigError(f"study: expected one of {', '.join(STUDIES)}, found {name!r}")
    if not seeds:
        raise ConfigError("study: expected at least one seed, found none")
    if name == "ablation":
        chosen = tuple(ABLATIONS) if variants is None else tuple(variants)
        unknown = [variant for variant in chosen if variant not in ABLATIONS]
        if unknown:
            raise ConfigError(f"variant: expected one of {', '.join(ABLATIONS)}, found {unknown[0]!r}")
        return study_ablation(
            experiment, seeds, folder, overrides=overrides, variants=chosen, progress=progress
        )
    settings = [load_experiment(experiment, overrides=overrides, seed=seed) for seed in seeds]
    study = {
        "margins": study_margins,
        "robustness": study_robustness,
        "heterogeneity": study_heterogeneity,
        "noise": study_noise,
        "privacy": study_privacy,
    }[name]
    return study(settings, folder, progress=progress)
