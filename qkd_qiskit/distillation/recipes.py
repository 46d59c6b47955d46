"""Recipes: how the student learns from its teacher. A short stated list, of which public labels choose.

What serves one dataset harms another: turned and shifted copies teach digits and hurt clothes. So none of it
is taken for granted, and what the settings want comes first: another recipe must be better than noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from qkd_qiskit.arrays import IntArray
from qkd_qiskit.config import DistillationSettings
from qkd_qiskit.data import Origins

OWN = "as the settings say"
_HALF_TRUST = 0.5
_MORE_LABELS = 0.3
"""Share of the hard labels where the teacher is half believed."""


@dataclass(frozen=True)
class Recipe:
    """One way to teach the student.

    Attributes:
        soft_loss: Registered loss of the soft labels.
        alpha: Share of the hard labels' cross-entropy, in [0, 1].
        temperature: Of soft labels and student, positive.
        pool: Whether an original and its copies share the mean of their soft labels.
        copies: Whether the student learns copies and blends, or originals alone.
        trust: Share of the teacher in the soft labels, in [0, 1]; the rest is the public-only model.
    """

    soft_loss: str
    alpha: float
    temperature: float = 1.0
    pool: bool = False
    copies: bool = True
    trust: float = 1.0

    @classmethod
    def of(cls, settings: DistillationSettings) -> Recipe:
        """Return the recipe that the settings name."""
        return cls(settings.soft_loss, settings.alpha, settings.temperature, settings.pool_copies)

    def rows(self, origins: Origins) -> IntArray:
        """Return the rows that the student learns, increasing.

        Args:
            origins: What each row is made of; the first one of each original is the original.
        """
        everything = np.arange(len(origins.first))
        if self.copies:
            return everything
        whole = everything[origins.share == 1.0]
        _, first = np.unique(origins.first[whole], return_index=True)
        return np.sort(whole[first])


def recipes(settings: DistillationSettings, origins: Origins) -> Mapping[str, Recipe]:
    """Return the recipes that are tried, by name, what the settings want first.

    Args:
        settings: With `recipe = "fixed"` there is no other.
        origins: What the samples to distil are made of; without copies nothing that is about them is tried.
    """
    own = Recipe.of(settings)
    found = {OWN: own}
    if settings.recipe == "fixed":
        return found
    if len(replace(own, copies=False).rows(origins)) < len(origins.first):
        found["originals alone"] = replace(own, copies=False, pool=False)
        if not own.pool:
            found["copies pooled"] = replace(own, pool=True)
    other = "kl" if own.soft_loss == "mse" else "mse"
    found["squared distance" if other == "mse" else "divergence"] = replace(own, soft_loss=other)
    found["half trust"] = replace(own, trust=_HALF_TRUST, alpha=max(own.alpha, _MORE_LABELS))
    return found
