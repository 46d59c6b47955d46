"""The soft losses that `distillation.soft_loss` names: adding one is its module and a line here."""

from __future__ import annotations

from typing import Protocol

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import TrainingError, did_you_mean
from qkd_qiskit.training.soft_losses.kl import soft_kl
from qkd_qiskit.training.soft_losses.mse import soft_mse


class SoftLoss(Protocol):
    """How far a model's answers are from soft labels: a mean over samples."""

    def __call__(
        self, logits: FloatArray, soft: FloatArray, temperature: float = 1.0
    ) -> tuple[FloatArray, FloatArray]:
        """Return losses and their gradient.

        Args:
            logits: [..., N, C].
            soft: Soft labels [N, C], already at `temperature`; each row sums to one.
            temperature: Divides the logits before the softmax.

        Returns:
            Values [...] and the gradient [..., N, C] with respect to the logits.
        """


SOFT_LOSSES: dict[str, SoftLoss] = {"mse": soft_mse, "kl": soft_kl}

__all__ = ["SOFT_LOSSES", "SoftLoss", "soft_kl", "soft_loss_named", "soft_mse"]


def soft_loss_named(name: str) -> SoftLoss:
    """Return the soft loss of a name.

    Raises:
        TrainingError: If there is none of this name.
    """
    if name not in SOFT_LOSSES:
        raise TrainingError(
            f"distillation.soft_loss: expected {' or '.join(SOFT_LOSSES)}, found {name!r}"
            f"{did_you_mean(name, SOFT_LOSSES)}"
        )
    return SOFT_LOSSES[name]
