"""What pydantic finds wrong with a table, in words of ours: key, what was expected, what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qkd_qiskit.errors import did_you_mean
from qkd_qiskit.text import printable

if TYPE_CHECKING:
    from pydantic import ValidationError

MISSING, UNKNOWN = "missing", "extra_forbidden"
_LONGEST_KEY, _MOST_FOUND = 100, 60

#: Kinds of pydantic's, and what they expect; braces name what its context holds.
_EXPECTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "string_sub_type": "a text",
    "string_unicode": "UTF-8 text",
    "string_too_short": "a text of {min_length} or more characters",
    "string_too_long": "a text of at most {max_length} characters",
    "string_pattern_mismatch": "a text like {pattern}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "tuple_type": "a list",
    "list_type": "a list",
    "too_short": "at least {min_length} in the list",
    "too_long": "at most {max_length} in the list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "literal_error": "{expected}",
    "none_required": "nothing",
}

# pydantic puts the alternative of a union into the place of a fault: ("classes", 0, "int").
_ALTERNATIVE = re.compile(
    r"(int|str|float|bool|none|constrained-\w+|nullable\[.*\]|(tuple|list|dict|literal|function-\w+)\[.*)",
    re.S,
)


@dataclass(frozen=True)
class Fault:
    """The first wrong value of a table.

    Attributes:
        key: Where it stands, with dots between; empty for the table as a whole.
        kind: pydantic's name of what is wrong.
        expected: What was expected, as words behind the key.
        found: `, found ...`, or nothing where the value is a table or no value.
    """

    key: str
    kind: str
    expected: str
    found: str

    def told(self, whole: str = "") -> str:
        """Return key, expected and found in one line.

        Args:
            whole: Name of the table, where the fault is of all of it.
        """
        key = self.key or whole
        return f"{key}: {self.expected}{self.found}" if key else f"{self.expected}{self.found}"


def first_fault(error: ValidationError) -> Fault:
    """Return the first wrong value that pydantic tells of; alternatives of one value are told together."""
    try:
        faults = error.errors(include_url=False)
    except UnicodeDecodeError:
        # pydantic may cut a long value inside a sign of several bytes, and then cannot tell it.
        return Fault("", "value_error", "expected text that can be shown", "")
    first = faults[0]
    place = first["loc"]
    cut = next((at for at, part in enumerate(place) if at and _is_alternative(part)), None)
    together = [first]
    if cut is not None:
        of_value = [each for each in faults if each["loc"][:cut] == place[:cut] and len(each["loc"]) > cut]
        # The alternative that was followed farthest is the one that was meant.
        deepest = max(len(each["loc"]) for each in of_value)
        together = [each for each in of_value if len(each["loc"]) == deepest]
        first = together[0]
    key = printable(
        ".".join(str(part) for at, part in enumerate(first["loc"]) if not (at and _is_alternative(part))),
        _LONGEST_KEY,
    )
    return Fault(key, first["type"], _expected(together), _found(first))


def _is_alternative(part: int | str) -> bool:
    return isinstance(part, str) and _ALTERNATIVE.fullmatch(part) is not None


def _expected(faults: list[Any]) -> str:
    kind, said = faults[0]["type"], faults[0]["msg"]
    if kind == MISSING:
        return "expected a value, found none"
    if kind == UNKNOWN:
        return "unknown key"
    if any(fault["type"] not in _EXPECTED for fault in faults):
        # A check of ours, in our words; and what no table of settings meets, in pydantic's.
        return printable(re.sub(r"^(Value error, |Input should be )", _opening, said))
    words = dict.fromkeys(_EXPECTED[fault["type"]].format_map(_Context(fault)) for fault in faults)
    return f"expected {' or '.join(words)}"


def _opening(found: re.Match[str]) -> str:
    return "" if found[0].startswith("Value") else "expected "


class _Context(dict[str, Any]):
    """What pydantic says beside a fault; numbers without a needless `.0`."""

    def __init__(self, fault: Mapping[str, Any]) -> None:
        numbers = fault.get("ctx", {})
        super().__init__(
            {key: f"{value:g}" if isinstance(value, float) else value for key, value in numbers.items()}
        )


def _found(fault: Any) -> str:
    value = fault["input"]
    if fault["type"] in (MISSING, UNKNOWN) or (fault["type"] == "value_error" and "found" in fault["msg"]):
        return ""
    if isinstance(value, dict):
        # The value of a whole table would repeat the table.
        return ", found a table" if fault["type"] in _EXPECTED else ""
    known = re.findall(r"'([^']*)'", fault["msg"]) if fault["type"] == "literal_error" else []
    hint = did_you_mean(value, known) if isinstance(value, str) else ""
    return f", found {printable(repr(value), _MOST_FOUND)}{hint}"
