"""Numbers of the probes that come from the calibration, and what a user may choose."""

from __future__ import annotations

from pydantic import Field

from qkd_qiskit.config import Settings


class ProbeModel(Settings):
    """What the calibration found about curves, trainings and the rule.

    The prior of the logarithm of the need, over the smallest size, is normal around
    `prior_offset + prior_slope * log(proposal / smallest)`.
    """

    prior_offset: float = 0.0
    prior_slope: float = Field(1.0, ge=0)
    prior_spread: float = Field(0.7, gt=0)
    prior_floor: float = Field(0.05, gt=0, description="share that is spread over all sizes")
    fall_share: float = Field(0.3, gt=0, lt=1, description="share of curves that fall beyond their peak")
    training_noise: float = Field(0.007, gt=0, description="of the accuracy of one round of trainings")
    pseudo_errors: float = Field(1.0, ge=0, description="answers that may differ though none was seen to")
    trust: float = Field(1.0, gt=0, le=1, description="power of the likelihood")
    confidence: float = Field(0.6, gt=0, lt=1, description="least probability that a grant is sufficient")
