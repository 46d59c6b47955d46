"""What jobs may take and cost: limits, checked before anything is sent, and what was used in the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.runtime.ledger import Batch, Ledger, Submission
from qkd_qiskit.text import printable


@dataclass(frozen=True)
class SpendingLimit:
    """Limits of one submission, all its jobs together.

    Attributes:
        max_seconds: Most quantum seconds; None for no limit.
        price_per_second: What a quantum second costs, in the user's own currency; None where unknown.
        max_price: Most money; None for no limit.
    """

    max_seconds: int | None = None
    price_per_second: float | None = None
    max_price: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            SubmissionError: If a number is out of range, or a most price has no price beside it.
        """
        for name in ("max_seconds", "price_per_second", "max_price"):
            value = getattr(self, name)
            if value is None:
                continue
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise SubmissionError(
                    f"--{name.replace('_', '-')}: expected a number of at least 0, found {printable(value)}"
                )
        if self.max_price is not None and self.price_per_second is None:
            raise SubmissionError("--max-price needs --price-per-second")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Return the budget that a submission was made with."""
        return cls(*(settings.get(name) for name in ("max_seconds", "price_per_second", "max_price")))

    def price(self, seconds: float | None) -> float | None:
        """Return what quantum seconds cost; None where they or their price are unknown."""
        if seconds is None or self.price_per_second is None:
            return None
        return seconds * self.price_per_second

    def check(self, seconds: float, *, used: float = 0.0) -> None:
        """Refuse what would exceed a limit.

        Args:
            seconds: Estimated quantum seconds of what is to be sent.
            used: Quantum seconds that were charged already.

        Raises:
            SubmissionError: If a limit would be exceeded.
        """
        beside = f" beside the {used:.1f} already used" if used else ""
        whole = seconds + used
        if self.max_seconds is not None and whole > self.max_seconds:
            raise SubmissionError(
                f"the estimate of {seconds:.0f} quantum seconds{beside} exceeds --max-seconds "
                f"{self.max_seconds}"
            )
        price = self.price(whole)
        if price is not None and self.max_price is not None and price > self.max_price:
            raise SubmissionError(
                f"the estimate of {seconds:.1f} quantum seconds{beside}, {price:.2f} in money, exceeds "
                f"--max-price {self.max_price:g}"
            )


@dataclass(frozen=True)
class Spent:
    """Quantum seconds of a submission.

    Attributes:
        estimated: Estimate of all batches, made before they were sent; None where none was stored.
        open: The part of the estimate that belongs to batches which are not sent.
        used: What the service has charged as far as it told; None where it told nothing.
        former: The part of `used` for jobs that ended without counts and whose batches were sent again.
    """

    estimated: float | None
    open: float
    used: float | None
    former: float


def estimated_seconds(submission: Submission, batch: Batch) -> float | None:
    """Return the share of a batch in the estimate of quantum seconds; None where none was stored."""
    whole = submission.settings.get("estimate", {}).get("seconds")
    return None if whole is None else float(whole) * (batch.stop - batch.start) / len(submission.inputs)


def spent(ledger: Ledger, submission: Submission) -> Spent:
    """Add up estimates and charges of a submission's batches."""
    batches = ledger.batches(submission.id)
    former = ledger.former_seconds(submission.id)
    known = [batch.seconds for batch in batches if batch.seconds is not None]
    to_send = (batch for batch in batches if batch.state in ("planned", "intent"))
    return Spent(
        estimated=submission.settings.get("estimate", {}).get("seconds"),
        open=sum(estimated_seconds(submission, batch) or 0.0 for batch in to_send),
        used=sum(known) + former if known or former else None,
        former=former,
    )
