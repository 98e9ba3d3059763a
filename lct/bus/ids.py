"""Ids of requests that have not expired: which were carried out here, and which wait for a reply."""

from collections.abc import Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


class Unexpired(Generic[KeyT]):
    """A limited set of keys, each until its time; what has expired makes room."""

    def __init__(self, most: int) -> None:
        """Hold at most `most` keys."""
        self._until: dict[KeyT, int] = {}
        self._most = most
        self._sweep_at = most
        self._first_ns = 0

    def __contains__(self, key: KeyT) -> bool:
        return key in self._until

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: KeyT, until_ns: int, now_ns: int) -> bool:
        """Hold a key until a time; return False where there is no room for it."""
        if len(self._until) >= self._sweep_at and self._first_ns <= now_ns:
            self._sweep(now_ns)
        if len(self._until) >= self._most:
            return False
        self._until[key] = until_ns
        return True

    def remove(self, key: KeyT) -> bool:
        """Let a key go; return whether it was held."""
        return self._until.pop(key, None) is not None

    def _sweep(self, now_ns: int) -> None:
        self._until = {key: until_ns for key, until_ns in self._until.items() if until_ns > now_ns}
        self._first_ns = min(self._until.values(), default=0)
