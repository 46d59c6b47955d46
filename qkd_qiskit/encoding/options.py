"""Options of an encoding, as they stand in its name: `zz(reps=1)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from qkd_qiskit.errors import DataError

CODES = 2**16
"""Codes of encodings lie below this number; what is chosen of options is counted in multiples of it."""
OWN_CODE = CODES - 1
"""Code of circuits of one's own; a digest of the circuit is counted in multiples of `CODES`."""
SECOND_SCHEMA = 2**15 - 1
"""No encoding's code: it marks model indices that say more than the first schema can."""

_NAME = re.compile(r"\s*([^()\s]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_VALUE = re.compile(r"\s*(\w+)\s*=\s*(\d{1,9})\s*", re.ASCII)


@dataclass(frozen=True)
class Option:
    """A whole number that an encoding lets its user choose.

    Attributes:
        default: What it is where nothing is said.
        low: Smallest choice, at least 0.
        high: Largest choice.
        meaning: What it is for, in a few words.
    """

    default: int
    low: int
    high: int
    meaning: str

    @property
    def radix(self) -> int:
        """Number of choices."""
        return self.high - self.low + 1


def split_name(text: str) -> tuple[str, dict[str, int]]:
    """Return an encoding's plain name and the options behind it.

    Args:
        text: A name alone, or with options in brackets: `zz(reps=1)`.

    Raises:
        DataError: If the text is not of this form, or an option stands twice.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        raise DataError(f"encoding: expected a name such as angle or zz(reps=1), found {text[:80]!r}")
    name, inside = found.groups()
    values: dict[str, int] = {}
    for part in (inside or "").split(",") if (inside or "").strip() else ():
        given = _VALUE.fullmatch(part)
        if given is None or given[1] in values:
            raise DataError(
                f"encoding {name}: expected options such as reps=1, each once, found {part.strip()[:80]!r}"
            )
        values[given[1]] = int(given[2])
    return name, values


def check_options(name: str, options: Mapping[str, Option], values: Mapping[str, int]) -> None:
    """Refuse values of options that an encoding does not have, or out of range.

    Raises:
        DataError: If there is one.
    """
    for key, value in values.items():
        if key not in options:
            known = f"among {', '.join(options)}" if options else "none"
            raise DataError(f"encoding {name}: expected options {known}, found {key!r}")
        low, high = options[key].low, options[key].high
        if not low <= value <= high:
            raise DataError(f"encoding {name}: expected {key} from {low} to {high}, found {value}")


def name_with(name: str, options: Mapping[str, Option], values: Mapping[str, int]) -> str:
    """Return the one text for what is chosen: defaults are left out, the rest in the encoding's order."""
    chosen = [
        f"{key}={values[key]}"
        for key, option in options.items()
        if values.get(key, option.default) != option.default
    ]
    return f"{name}({', '.join(chosen)})" if chosen else name


def option_number(options: Mapping[str, Option], values: Mapping[str, int]) -> int:
    """Return the one number for what is chosen: 0 for defaults alone."""
    number = 0
    for key, option in reversed(tuple(options.items())):
        number = number * option.radix + (values.get(key, option.default) - option.default) % option.radix
    return number


def options_from(options: Mapping[str, Option], number: int) -> dict[str, int] | None:
    """Return what an `option_number` stands for; None where it stands for nothing."""
    values = {}
    for key, option in options.items():
        number, digit = divmod(number, option.radix)
        values[key] = option.low + (option.default - option.low + digit) % option.radix
    return None if number else values
