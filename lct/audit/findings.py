"""Findings: what was found wrong, by invariant, and memories of bounded size."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

FOUND_MAX = 1_000
"""Findings that are kept; a journal that is wrong throughout needs no longer list."""

Body = dict[str, Any]
ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Violation:
    """One thing that does not hold: the invariant's id, in words, and the row (0 where it is of no single one)."""

    invariant: str
    detail: str
    journal: str
    journal_seq: int

    def as_document(self) -> dict[str, str | int]:
        """Return it as a JSON object."""
        return {
            "invariant": self.invariant,
            "detail": self.detail,
            "journal": self.journal,
            "journal_seq": self.journal_seq,
        }


class Findings:
    """Violations in the order found, each once."""

    def __init__(self) -> None:
        """Start with none."""
        self._found: dict[Violation, None] = {}
        self.left_out = 0
        self._told = 0

    def add(self, invariant: str, detail: str, journal: str, journal_seq: int) -> None:
        """Keep a violation, unless it is known or there are very many."""
        violation = Violation(invariant, detail, journal, journal_seq)
        if violation in self._found:
            return
        if len(self._found) >= FOUND_MAX:
            self.left_out += 1
        else:
            self._found[violation] = None

    def __iter__(self) -> Iterator[Violation]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def fresh(self) -> list[Violation]:
        """Return those found since the last call."""
        new = list(self._found)[self._told :]
        self._told = len(self._found)
        return new


class Recent(Generic[ValueT]):
    """The newest `most` entries (None: all); `is_whole` says that none was forgotten."""

    def __init__(self, most: int | None) -> None:
        """Start empty."""
        self._most = most
        self._kept: OrderedDict[Any, ValueT] = OrderedDict()
        self.is_whole = True

    def __contains__(self, key: Any) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._kept)

    def get(self, key: Any) -> ValueT | None:
        """Return an entry, None where there is none or it was forgotten."""
        return self._kept.get(key)

    def put(self, key: Any, value: ValueT) -> None:
        """Keep an entry."""
        self._kept[key] = value
        if self._most is not None and len(self._kept) > self._most:
            self._kept.popitem(last=False)
            self.is_whole = False

    def pop(self, key: Any) -> ValueT | None:
        """Take an entry out."""
        return self._kept.pop(key, None)
