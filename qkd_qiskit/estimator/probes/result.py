"""What probes found: a distribution over sizes, and the size that it grants."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

ProbeLimit = Literal["need", "data", "device", "minimum"]


@dataclass(frozen=True)
class ProbedSize:
    """One size of the distribution.

    Attributes:
        blocks: Two-qubit blocks.
        two_qubit_gates: Predicted native two-qubit gates on the device.
        prior: Probability that it is the smallest sufficient size, by the rule alone.
        probability: The same after the probes.
        sufficient: Probability that it is within a point of the best size.
        accuracy: Mean accuracy on held-out samples; None if it was not trained.
        rounds: Rounds of trainings.
    """

    blocks: int
    two_qubit_gates: int
    prior: float
    probability: float
    sufficient: float
    accuracy: float | None
    rounds: int


@dataclass(frozen=True)
class ProbeResult:
    """What short trainings say about the size that a client needs.

    Attributes:
        blocks: The granted size: the smallest that is within a point of the best with `confidence`.
        interval: Sizes between which the smallest sufficient one lies with 90 % probability.
        at_90: The smallest size that is within a point of the best with 90 % probability; None if no size is.
        confidence: Probability that was asked of the grant.
        limited_by: What keeps the grant from being larger: `need` where more gates bring less than a point,
            `data` where these samples make more gates worse, `device` where its noise does, or its bound on
            the expected success probability, `minimum` where the smallest structure does it.
        sizes: The distribution.
        samples: Held-out samples.
        noise: Whether the device's noise was part of the trainings.
        trainings: Number of trainings.
        seconds: Time that they took.
        headroom: By how much a kernel machine's accuracy exceeds a linear rule's, as a share.
        explanation: In words, with what the rule read from the data.
    """

    blocks: int
    interval: tuple[int, int]
    at_90: int | None
    confidence: float
    limited_by: ProbeLimit
    sizes: tuple[ProbedSize, ...]
    samples: int
    noise: bool
    trainings: int
    seconds: float
    headroom: float
    explanation: str

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        granted = next(size for size in self.sizes if size.blocks == self.blocks)
        low, high = self.interval
        return {
            **asdict(self),
            "interval": [low, high],
            "low": low,
            "high": high,
            "sufficient": granted.sufficient,
        }
