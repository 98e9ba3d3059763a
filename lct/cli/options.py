"""Options: what several verbs are asked with, read into values that are sound or refused with exit code 2."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

SECONDS_PER_DAY = 86_400


def money(*, above: int | None = None, at_least: int = 0, below: int | None = None) -> Callable[[Any], Decimal]:
    """Return a reader of a decimal number within bounds."""

    def read(text: Any) -> Decimal:
        from lct.domain.money import parse_money

        try:
            value = parse_money(str(text))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        if above is not None and value <= above:
            raise typer.BadParameter(f"{text} is not above {above}")
        if value < at_least or (below is not None and value >= below):
            raise typer.BadParameter(f"{text} is not at least {at_least}{f' and below {below}' if below else ''}")
        return value

    return read


def moment(text: Any) -> int:
    """Read a UTC date or an RFC 3339 time as nanoseconds."""
    from lct.clock import parse_rfc3339

    try:
        return parse_rfc3339(str(text))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no date like 2024-01-31 and no RFC 3339 time") from None


def names(text: Any) -> tuple[str, ...]:
    """Read a list with commas; spaces around its names do not matter, and a name counts once."""
    found = tuple(dict.fromkeys(name.strip() for name in str(text).split(",") if name.strip()))
    if not found:
        raise typer.BadParameter("names nothing")
    return found


def one_of(*words: str) -> Callable[[Any], str]:
    """Return a reader of one of some words."""

    def read(text: Any) -> str:
        if text not in words:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(words)}")
        return str(text)

    return read


def complete_strategies(incomplete: str) -> Iterator[str]:
    """Complete a strategy, also as the last of a list with commas."""
    from lct import catalog

    yield from _last_of_list(incomplete, catalog.names("strategies"))


def complete_symbols(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Complete a symbol out of the recordings of --data, or of the synthetic market."""
    data = ctx.params.get("data")
    if data is not None:
        from lct.formats.files import listing

        folder = Path(str(data)).expanduser()
        symbols = sorted({symbol for symbol, _ in listing(folder)}) if folder.is_dir() else []
    else:
        from plugins.feeds.synthetic import COINS

        symbols = sorted(COINS)
    yield from _last_of_list(incomplete, symbols)


def complete_daemons(incomplete: str) -> Iterator[str]:
    """Complete a daemon, also as the last of a list with commas."""
    from lct.supervisor import conf

    yield from _last_of_list(incomplete, conf.chosen(conf.shipped(), None))


def _last_of_list(incomplete: str, known: list[str]) -> Iterator[str]:
    before, comma, last = incomplete.rpartition(",")
    for name in known:
        if name.startswith(last.strip()):
            yield f"{before}{comma}{name}"


Only = Annotated[
    Any,
    typer.Option(
        "--only", parser=names, metavar="A,B", autocompletion=complete_daemons, help="Only these daemons; without: all."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Last = Annotated[int | None, typer.Option("--last", min=1, help="Only the newest N.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write the rows to this CSV file too.")]
Account = Annotated[str | None, typer.Option("--account", help="Which account of this home; else that of house.toml.")]
ConfigDir = Annotated[
    Path | None,
    typer.Option("--config", help="Folder of configuration files; else config/ of the home, else the defaults."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one setting, as in trading_engine.entry_score=0.6."),
]

Data = Annotated[
    Path | None, typer.Option("--data", help="Recorded bars, a folder or a file; without: the synthetic market.")
]
Symbols = Annotated[
    Any,
    typer.Option(
        "--symbols", parser=names, metavar="A,B", autocompletion=complete_symbols, help="Universe; without: all."
    ),
]
Timeframe = Annotated[str | None, typer.Option("--timeframe", help="Bars to trade on, as in 5m or 1h.")]
From = Annotated[
    Any, typer.Option("--from", parser=moment, metavar="TIME", help="First open, inclusive: UTC date or RFC 3339.")
]
To = Annotated[
    Any, typer.Option("--to", parser=moment, metavar="TIME", help="Where to stop, exclusive: UTC date or RFC 3339.")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Which synthetic market.")]
Days = Annotated[int | None, typer.Option("--days", min=1, max=3660, help="How much of the synthetic market.")]
Strategies = Annotated[
    Any,
    typer.Option(
        "--strategies",
        parser=names,
        metavar="A,B",
        autocompletion=complete_strategies,
        help="Strategies to run; without: those of strategy_engine.toml.",
    ),
]
Cash = Annotated[Any, typer.Option("--cash", parser=money(above=0), metavar="QUOTE", help="Paper money at the start.")]
Fee = Annotated[
    Any, typer.Option("--fee", parser=money(below=1), metavar="FRACTION", help="Fee as a fraction of the notional.")
]
Spread = Annotated[Any, typer.Option("--spread-bps", parser=money(), metavar="BPS", help="Whole bid-ask spread.")]
Slippage = Annotated[
    Any, typer.Option("--slippage-bps", parser=money(), metavar="BPS", help="What a market order pays beyond that.")
]
Participation = Annotated[
    Any, typer.Option("--participation", parser=money(), metavar="FRACTION", help="Share of a bar's volume at most.")
]
