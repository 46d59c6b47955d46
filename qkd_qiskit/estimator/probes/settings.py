"""Numbers of the probes that come from the calibration, and what a user may choose."""

from __future__ import annotations

from functools import cache
from importlib import resources

from pydantic import Field

from qkd_qiskit.config import Settings
from qkd_qiskit.config.loading import parse_settings
from qkd_qiskit.errors import EstimatorError
from qkd_qiskit.store import parse_json


class ProbeModel(Settings):
    """What the calibration found about curves, trainings and the rule.

    The prior of the logarithm of the need, over the smallest size, is normal around
    `prior_offset + prior_slope * log(proposal / smallest) + prior_headroom * log(1 + headroom)`, with the
    headroom in points; a centre below zero says that the smallest size is likely to do.
    """

    method: str = Field("not calibrated", description="how the values were chosen")
    prior_offset: float = 0.0
    prior_slope: float = Field(1.0, ge=0)
    prior_headroom: float = Field(0.0, ge=0, description="of a kernel machine over a linear rule")
    prior_spread: float = Field(0.7, gt=0)
    prior_floor: float = Field(0.05, gt=0, description="share that is spread over all sizes")
    fall_share: float = Field(0.3, gt=0, lt=1, description="share of curves that fall beyond their peak")
    training_noise: float = Field(
        0.007, gt=0, description="of the accuracy of one round of trainings, beyond what single answers vary"
    )
    flip_share: float = Field(
        0.5, ge=0, lt=1, description="of the variance of a single answer: what changes from round to round"
    )
    curve_noise: float = Field(
        0.003, ge=0, description="by which sizes lie off a smooth curve, whatever the number of rounds"
    )
    steep_noise: float = Field(
        0.05, ge=0, description="the same, as a share of how far a size lies below the best"
    )
    pseudo_errors: float = Field(1.0, ge=0, description="answers that may differ though none was seen to")
    trust: float = Field(1.0, gt=0, le=1, description="power of the likelihood")
    confidence: float = Field(0.6, gt=0, lt=1, description="least probability that a grant is sufficient")
    seconds_fixed: float = Field(0.03, ge=0, description="of one training, on one core, whatever its size")
    seconds_block: float = Field(
        3e-4, ge=0, description="of one training for each block and L-BFGS iteration, whatever the samples"
    )
    seconds_each: float = Field(
        2.5e-7, gt=0, description="of one training for each sample, block and L-BFGS iteration, two outcomes"
    )
    seconds_qubit: float = Field(
        1.6, ge=1, description="factor of `seconds_each` for each measured qubit more"
    )


@cache
def load_probe_model() -> ProbeModel:
    """Load the shipped numbers."""
    where = "the shipped probe_model.json"
    text = (resources.files("qkd_qiskit.estimator") / "probe_model.json").read_text("utf-8")
    return parse_settings(ProbeModel, parse_json(text, EstimatorError, where), where)
