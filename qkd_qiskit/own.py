"""Objects of a user's own, which go by name beside those of a registry while a block runs.

Settings, results and messages name things; a registry finds what is meant. What a program passes as an object
is lent to the registry under its name, for as long as the run lasts and in no other thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Generic, TypeVar

Item = TypeVar("Item")


class OwnObjects(Generic[Item]):
    """The objects of one kind that are lent at the moment, by name."""

    def __init__(self, kind: str) -> None:
        """Lend nothing yet.

        Args:
            kind: What the objects are, in words.
        """
        self._lent: ContextVar[Mapping[str, Item]] = ContextVar(f"own {kind}")

    def all(self) -> Mapping[str, Item]:
        """Return what is lent, by name."""
        return self._lent.get(MappingProxyType({}))

    @contextmanager
    def lent(self, objects: Mapping[str, Item]) -> Iterator[None]:
        """Lend objects within a block, beside those that are lent already.

        Args:
            objects: By name; one of a name that is lent already takes its place.
        """
        token = self._lent.set({**self.all(), **objects})
        try:
            yield
        finally:
            self._lent.reset(token)
