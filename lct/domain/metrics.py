"""Metrics: what a daemon counts, and the text that a Prometheus server reads."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from lct.domain.health import BY_BADNESS, State

UNBOUNDED = "+Inf"
"""The upper bound of the last bucket, as Prometheus spells it."""


class DaemonMetrics(msgspec.Struct, frozen=True):
    """What one daemon counted in this life, as of its last heartbeat.

    `latency_ms` counts messages by the upper bound of their time from hearing to having committed, each in one bucket;
    `age_seconds` says how long ago something of a kind last happened ("cycle", "bar", "order", ...). `restarts` counts
    the lives that monitoring saw begin after the first.
    """

    name: str
    state: State
    epoch: int
    restarts: int
    heartbeat_age_seconds: float
    md_seq: int
    journal_seq: int
    heard: int
    said: int
    malformed: int
    latency_ms: dict[str, int]
    age_seconds: dict[str, float]


class GateMetrics(msgspec.Struct, frozen=True):
    """What execution told of itself `age_seconds` ago.

    `unprotected_seconds` is the time (message time) that positions have been without a stop at the venue so far, in
    this life of execution; `reconciled_age_seconds` None where it has never compared its accounts with the venue.
    """

    standing: str
    unknown_orders: int
    foreign_orders: int
    frozen_symbols: int
    differences: int
    unprotected_seconds: float
    reconciled_age_seconds: float | None
    age_seconds: float


def _bound(text: str) -> float:
    """Read the upper bound of a bucket; what is no number counts as unbounded."""
    try:
        value = float(text)
    except ValueError:
        return float("inf")
    return value if value == value else float("inf")  # noqa: PLR0124 - only NaN differs from itself


def buckets(latency_ms: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return a histogram as Prometheus has it: rising bounds (s), each count with all below it, the last unbounded."""
    counts: dict[float, int] = {float("inf"): 0}
    for text, count in latency_ms.items():
        counts[_bound(text)] = counts.get(_bound(text), 0) + count
    rising, total = [], 0
    for bound in sorted(counts):
        total += counts[bound]
        rising.append((UNBOUNDED if bound == float("inf") else f"{bound / 1000:g}", total))
    return rising


def exposition(daemons: Iterable[DaemonMetrics], gate: GateMetrics | None = None) -> str:
    """Return metrics in the text format of Prometheus; times are in seconds."""
    rows = list(daemons)
    lines = [line for name, kind, about in FAMILIES for line in _family(name, kind, about, rows)]
    if gate is not None:
        lines += _of_gate(gate)
    return "\n".join(lines) + "\n"


FAMILIES = (
    ("state", "gauge", "0 up, 1 late, 2 down."),
    ("epoch", "gauge", "Which life of the daemon this is."),
    ("restarts_total", "counter", "Lives that began while monitoring watched."),
    ("heartbeat_age_seconds", "gauge", "Age of the last heartbeat."),
    ("md_seq", "gauge", "Last bars heard."),
    ("journal_seq", "gauge", "Last durable event."),
    ("heard_total", "counter", "Messages heard in this life."),
    ("said_total", "counter", "Messages said in this life."),
    ("malformed_total", "counter", "Frames dropped in this life."),
    ("age_seconds", "gauge", "Since something of a kind last happened."),
    ("latency_seconds", "histogram", "From hearing a message to having committed."),
)


STANDINGS = ("active", "reducing", "halted")
GATE_FAMILIES = (
    ("standing", "gauge", "0 active, 1 reducing, 2 halted."),
    ("unknown_orders", "gauge", "Orders of which nobody knows whether the venue has them."),
    ("foreign_orders", "gauge", "Open orders at the venue that are not ours."),
    ("frozen_symbols", "gauge", "Symbols that are not traded freely."),
    ("differences", "gauge", "Lines in which our books differ from the venue's."),
    ("unprotected_seconds", "counter", "Time of positions without a stop at the venue."),
    ("reconciled_age_seconds", "gauge", "Since our books were last compared with the venue's."),
    ("age_seconds", "gauge", "Since execution told this."),
)


def _of_gate(gate: GateMetrics) -> Iterator[str]:
    """Yield the lines of what execution told; what it never did is left out."""
    for field, kind, about in GATE_FAMILIES:
        value = STANDINGS.index(gate.standing) if field == "standing" else getattr(gate, field)
        if value is not None:
            name = f"lct_execution_{field}{'_total' if kind == 'counter' else ''}"
            text = f"{value:.3f}" if isinstance(value, float) else str(value)
            yield from (f"# HELP {name} {about}", f"# TYPE {name} {kind}", f"{name} {text}")


def _family(name: str, kind: str, about: str, rows: Iterable[DaemonMetrics]) -> Iterator[str]:
    yield f"# HELP lct_{name} {about}"
    yield f"# TYPE lct_{name} {kind}"
    for row in rows:
        who = f'daemon="{_escaped(row.name)}"'
        if name == "age_seconds":
            for what, age in sorted(row.age_seconds.items()):
                yield f'lct_{name}{{{who},of="{_escaped(what)}"}} {age:.3f}'
        elif name == "latency_seconds":
            rising = buckets(row.latency_ms)
            for bound, count in rising:
                yield f'lct_{name}_bucket{{{who},le="{bound}"}} {count}'
            yield f"lct_{name}_count{{{who}}} {rising[-1][1]}"
        else:
            yield f"lct_{name}{{{who}}} {_value(name, row)}"


def _value(name: str, row: DaemonMetrics) -> str:
    if name == "state":
        return str(BY_BADNESS.index(row.state))
    value = getattr(row, name.removesuffix("_total"))
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
