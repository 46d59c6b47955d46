"""Checks of arguments: what is of another type is refused in one line, before a library stumbles over it.

NumPy's numbers, texts and truth values stand for Python's own everywhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

import numpy as np

from qkd_qiskit.errors import QKDError
from qkd_qiskit.text import printable

Params = ParamSpec("Params")
Result = TypeVar("Result")
Kinds = type | tuple[type, ...]

NOTHING = type(None)
_WORDS = {NOTHING: "None", Integral: "a whole number", Real: "a number", str: "a text"}
_MOST_SIGNS = 60


def takes(
    error: type[QKDError], **kinds: Kinds
) -> Callable[[Callable[Params, Result]], Callable[Params, Result]]:
    """Return a decorator that checks the types of some arguments of a function.

    NumPy's scalars reach the function as Python's, in all of its arguments: keys of caches, files and
    `type(value) is int` would otherwise tell them apart.

    Args:
        error: Class of the exception.
        **kinds: By name of the argument, the type or types that it may have; `numbers.Integral` for whole
            numbers. What is left to its default is not checked.

    Raises:
        QKDError: As the class `error`, when the function is called with another type.
    """

    def decorate(function: Callable[Params, Result]) -> Callable[Params, Result]:
        signature = inspect.signature(function)
        unknown = kinds.keys() - signature.parameters.keys()
        assert not unknown, f"{function.__qualname__} has no argument {unknown}"

        @wraps(function)
        def checked(*args: Params.args, **kwargs: Params.kwargs) -> Result:
            bound = signature.bind(*map(plain, args), **{name: plain(kwargs[name]) for name in kwargs})
            given = bound.arguments
            for name in kinds.keys() & given.keys():
                if not isinstance(given[name], kinds[name]):
                    raise error(f"{name}: expected {_expected(kinds[name])}, found {found(given[name])}")
            return function(*bound.args, **bound.kwargs)

        return checked

    return decorate


def items(error: type[QKDError], name: str, values: Any, expected: str) -> tuple[Any, ...]:
    """Return what is in a sequence.

    Args:
        error: Class of the exception.
        name: Name of the argument.
        values: The sequence.
        expected: What it should be, in words.

    Raises:
        QKDError: As the class `error`, if it is none.
    """
    if isinstance(values, Iterable):
        try:
            return tuple(values)
        except TypeError:
            # Arrays without axes say that they can be gone through.
            pass
    raise error(f"{name}: expected {expected}, found {found(values)}")


def plain(value: Any) -> Any:
    """Return a NumPy scalar as Python's number, text or truth value, and anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def found(value: object) -> str:
    """Return a value as words of a message: what it looks like, and its type."""
    if value is None:
        return "None"
    return f"{printable(repr(value), _MOST_SIGNS)} of type {type(value).__name__}"


def _expected(kinds: Kinds) -> str:
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    return " or ".join(dict.fromkeys(_WORDS.get(kind, f"a {kind.__name__}") for kind in wanted))
