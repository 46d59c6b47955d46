"""Arguments of another type are refused in one line that names what was expected and found."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import pytest

from qkd_qiskit.arguments import NOTHING, items, takes
from qkd_qiskit.arrays import as_numbers
from qkd_qiskit.errors import DataError, ModelError


@takes(DataError, count=Integral, name=(str, NOTHING))
def work(count: int, name: str | None = None, *, rest: object = None) -> tuple[object, ...]:
    """Return what was given."""
    return count, name, rest


def test_arguments_of_the_right_type_pass() -> None:
    assert work(3) == (3, None, None)
    assert work(np.int64(3), name="a", rest=[]) == (3, "a", [])
    assert work.__doc__ == "Return what was given."


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_numpy_scalars_arrive_as_those_of_python(kind: type[np.integer]) -> None:
    count, name, rest = work(kind(3), np.str_("a"), rest=np.float32(0.5))
    assert (type(count), type(name), type(rest)) == (int, str, float)
    assert (count, name, rest) == (3, "a", 0.5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"count": 2.5}, r"count: expected a whole number, found 2\.5 of type float"),
        ({"count": None}, "count: expected a whole number, found None"),
        ({"count": 1, "name": b"x"}, "name: expected a text or None, found b'x' of type bytes"),
        (
            {"count": 1, "name": ["x"] * 99},
            r"name: expected a text or None, found \['x', .*\.\.\. of type list",
        ),
    ],
)
def test_others_are_refused(given: dict[str, object], expected: str) -> None:
    with pytest.raises(DataError, match=expected) as found:
        work(**given)  # type: ignore[arg-type]
    assert len(str(found.value).splitlines()) == 1
    assert len(str(found.value)) < 150


def test_a_call_that_python_refuses_is_refused_by_python() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'count'"):
        work()  # type: ignore[call-arg]


def test_only_arguments_that_there_are_can_be_checked() -> None:
    with pytest.raises(AssertionError, match="has no argument"):
        takes(DataError, other=str)(work)


def test_sequences_are_gone_through_once() -> None:
    assert items(DataError, "names", (name for name in "ab"), "names") == ("a", "b")
    for wrong in (None, 3, np.array(3)):
        with pytest.raises(DataError, match="names: expected names, found"):
            items(DataError, "names", wrong, "names")


def test_numbers_are_real_numbers() -> None:
    np.testing.assert_array_equal(as_numbers([[1, 2], [True, 3]], ModelError, "x"), [[1.0, 2.0], [1.0, 3.0]])
    assert as_numbers(np.float32(2), ModelError, "x").dtype == np.float64
    for wrong in (None, "3", b"3", 1j, [1, None], [[1], [1, 2]], [10**30], {}, np.array("x")):
        with pytest.raises(ModelError, match="x: expected real numbers, found"):
            as_numbers(wrong, ModelError, "x")
