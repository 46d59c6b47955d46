"""A mapping that is bounded: it forgets what was not asked for the longest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Values that are made once, as long as they are asked for often enough.

    `functools.lru_cache` keys by the arguments of a function; here the key may be another one than what the
    value is made of.
    """

    def __init__(self, size: int) -> None:
        """Start with none.

        Args:
            size: Most values that are kept, at least 1.
        """
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def find(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of a key; where there is none yet, make it."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        made = self._values[key] = make()
        if len(self._values) > self._size:
            self._values.popitem(last=False)
        return made
