"""How a table is meant, and which of its columns a model's features are."""

from __future__ import annotations

from dataclasses import dataclass

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import DataError


@dataclass(frozen=True)
class TableOptions:
    """How a table is meant; what is None is recognized, or refused where it is open.

    Attributes:
        headings: Whether the first row of a file holds headings.
        missing: What becomes of rows with missing values: `drop` leaves them out, `median` fills in the
            median of the column; None refuses them.
        row_numbers: `keep` takes columns that number the rows as features, `drop` leaves them out.
    """

    headings: bool | None = None
    missing: str | None = None
    row_numbers: str | None = None

    def __post_init__(self) -> None:
        """Check the words.

        Raises:
            DataError: If there is no such choice.
        """
        for name, given, words in (
            ("headings", self.headings, (True, False)),
            ("missing", self.missing, ("drop", "median")),
            ("row_numbers", self.row_numbers, ("drop", "keep")),
        ):
            if given is not None and given not in words:
                raise DataError(f"{name}: expected {words[0]!r} or {words[1]!r}, found {given!r}")


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """The columns that a model's features are.

    Attributes:
        count: How many.
        names: Their headings; None where there were none.
        medians: What stands for a missing value [F]; None where missing values are refused.
    """

    count: int
    names: tuple[str, ...] | None = None
    medians: FloatArray | None = None
