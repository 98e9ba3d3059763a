"""Documents: replies of the house in the shapes that `lct ... --json` prints and the gateway gives."""

from decimal import Decimal
from typing import Any

from lct.clock import NS_PER_SECOND, rfc3339
from lct.messages.execution import Difference, Done, ExecutionStatus
from lct.messages.market_data import History, Symbols, Ticker
from lct.messages.portfolio import Positions
from lct.messages.strategy_engine import Signals
from lct.messages.trading_engine import CycleRun, Proposed, TradingStatus, TradingTurned

Document = dict[str, Any]

POSITION = ("symbol", "amount", "average_price", "mark_price", "unrealized_profit", "realized_profit", "strategy")
BAR = ("time", "open", "high", "low", "close", "volume")
SYMBOL = ("symbol", "timeframe", "bars", "last", "time")
SIGNAL = ("strategy", "symbol", "score", "regime", "time")
COMPARED = ("reconciled_at", "standing", "differences", "foreign", "unknown")
PROPOSAL = ("symbol", "side", "amount", "exits", "reason", "strategy", "intent_id")


def positions(reply: Positions) -> list[Document]:
    """Open positions; the money is Decimal."""
    return [{name: getattr(line, name) for name in POSITION} for line in reply.positions]


def bars(reply: History) -> list[Document]:
    """Bars, oldest first; `time` is when each opened."""
    columns = (reply.open, reply.high, reply.low, reply.close, reply.volume)
    times = map(rfc3339, reply.open_ns)
    return [dict(zip(BAR, (time, *map(price, row)), strict=True)) for time, *row in zip(times, *columns, strict=True)]


def symbols(reply: Symbols) -> list[Document]:
    """Symbols of which there are bars; `time` is when the last bar closed."""
    return [
        {
            "symbol": line.symbol,
            "timeframe": reply.timeframe,
            "bars": line.bars,
            "last": price(line.last),
            "time": rfc3339(line.time_ns),
        }
        for line in reply.symbols
    ]


def ticker(reply: Ticker) -> Document:
    """How a symbol stands; `change` is a fraction, the prices and the volume are Decimal."""
    return {
        "symbol": reply.symbol,
        "time": rfc3339(reply.time_ns),
        "last": price(reply.last),
        "change": reply.change,
        "open": price(reply.open),
        "high": price(reply.high),
        "low": price(reply.low),
        "volume": price(reply.volume),
        "bars": reply.bars,
        "timeframe": reply.timeframe,
    }


def signals(reply: Signals) -> list[Document]:
    """The last scores; `time` is the close of the bar that a score is of."""
    return [
        {
            "strategy": signal.strategy,
            "symbol": signal.symbol,
            "score": signal.score,
            "regime": signal.regime,
            "time": rfc3339(signal.time_ns),
        }
        for signal in reply.signals
    ]


def trading(reply: TradingStatus) -> Document:
    """How trading goes, and who set it so."""
    return {
        "state": reply.state.value,
        "reason": reply.reason,
        "by": reply.by,
        "cycles": reply.cycles,
        "signals": reply.signals,
        "proposals": reply.proposals,
        "withheld": reply.withheld,
    }


def turned(reply: TradingTurned) -> Document:
    """What became of a request to start, stop, pause or resume."""
    return {"state": reply.state.value, "changed": reply.changed, "done": reply.done}


def done(reply: Done) -> Document:
    """What became of a request to execution, and how its gate stands now."""
    return {"standing": reply.standing.value, "changed": reply.changed, "done": reply.done}


def gate(reply: ExecutionStatus) -> Document:
    """How execution stands; `unprotected_seconds` counts the time that positions were without a stop so far."""
    return {
        "time": rfc3339(reply.time_ns),
        "standing": reply.standing.value,
        "reason": reply.reason,
        "by": reply.by,
        "ready": reply.ready,
        "frozen": reply.frozen,
        "reconciled_at": None if reply.reconciled_ns is None else rfc3339(reply.reconciled_ns),
        "differences": [difference(line) for line in reply.differences],
        "unknown": list(reply.unknown),
        "foreign": list(reply.foreign),
        "unprotected_seconds": reply.unprotected_ns / NS_PER_SECOND,
        "denials": reply.denials,
    }


def stands(reply: ExecutionStatus | None) -> Document:
    """What the gate lets through, beside how trading goes; null where execution does not say."""
    return {
        "standing": None if reply is None else reply.standing.value,
        "standing_reason": None if reply is None else reply.reason,
        "standing_by": None if reply is None else reply.by,
    }


def comparison(reply: ExecutionStatus) -> Document:
    """What the last comparison with the venue found."""
    document = gate(reply)
    return {"even": not reply.differences, **{name: document[name] for name in COMPARED}}


def difference(line: Difference) -> Document:
    """One line of a comparison with the venue."""
    return {"kind": line.kind, "name": line.name, "ours": line.ours, "theirs": line.theirs}


def cycle(reply: CycleRun) -> Document:
    """What one cycle out of turn decided."""
    return {
        "state": reply.state.value,
        "strategies": reply.strategies,
        "done": reply.done,
        "proposed": [_proposal(proposed) for proposed in reply.proposed],
    }


def price(value: float) -> Decimal:
    """Return a float of a bar as the shortest Decimal that reads back as the same float."""
    return Decimal(repr(value))


def _proposal(proposed: Proposed) -> Document:
    return {
        "symbol": proposed.symbol,
        "side": proposed.side.value,
        "amount": proposed.amount,
        "exits": proposed.exits,
        "reason": proposed.reason,
        "strategy": proposed.book,
        "intent_id": proposed.intent_id,
    }
