"""Spans of time: what was asked for, what is there, and what is left to ask."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """From `from_ns` up to, and without, `to_ns`; UTC."""

    from_ns: int
    to_ns: int


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch as one, and none that is empty."""
    found: list[Span] = []
    for span in sorted(span for span in spans if span.to_ns > span.from_ns):
        if found and span.from_ns <= found[-1].to_ns:
            found[-1] = Span(found[-1].from_ns, max(found[-1].to_ns, span.to_ns))
        else:
            found.append(span)
    return found


def left_of(wanted: Span, there: Iterable[Span]) -> list[Span]:
    """Return what of a span is in none of those that are there, in order."""
    left, at_ns = [], wanted.from_ns
    for span in merged(there):
        if span.from_ns >= wanted.to_ns:
            break
        if span.from_ns > at_ns:
            left.append(Span(at_ns, span.from_ns))
        at_ns = max(at_ns, span.to_ns)
    if at_ns < wanted.to_ns:
        left.append(Span(at_ns, wanted.to_ns))
    return left


def windows(span: Span, length_ns: int) -> Iterator[Span]:
    """Cut a span into windows of a length; the last one may be shorter."""
    for at_ns in range(span.from_ns, span.to_ns, length_ns):
        yield Span(at_ns, min(at_ns + length_ns, span.to_ns))
