"""`lct run`: the whole house in one process, on from where it stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.output import Manners, print_facts, progress, say

if TYPE_CHECKING:
    from lct.cli.drive import Came
    from lct.cli.settings import Market, Money
    from lct.run.house import Settings

app = typer.Typer(add_completion=False)


@app.command()
def run(  # noqa: PLR0917 - Typer calls by name
    ctx: typer.Context,
    cycles: Annotated[int | None, typer.Option("--cycles", min=1, help="Stop after N more timestamps.")] = None,
    strategies: o.Strategies = None,
    data: o.Data = None,
    symbols: o.Symbols = None,
    timeframe: o.Timeframe = None,
    from_: o.From = None,
    to: o.To = None,
    seed: o.Seed = None,
    days: o.Days = None,
    cash: o.Cash = None,
    fee: o.Fee = None,
    spread_bps: o.Spread = None,
    slippage_bps: o.Slippage = None,
    participation: o.Participation = None,
    account: o.Account = None,
    config: o.ConfigDir = None,
    pairs: o.Set = None,
    json: o.Json = False,
) -> None:
    """Run the house on paper money, one cycle per timestamp of the bars, and keep its journal in the home.

    It goes on where the last run stopped, also after a kill; where `lct trading halt` came it stops, and does not start
    (exit code 4) before `lct trading resume --i-checked`. The first run of an account fixes its bars, cash and
    costs; later ones may leave those options out. Without --cycles it runs until the bars end; Ctrl-C stops it.

    Example: lct run --cycles 100
    """
    from lct.cli.drive import interruptions, leave
    from lct.cli.settings import Market, Money
    from lct.cli.stopping import refuse_halted

    market = Market(data, symbols, timeframe, from_, to, seed, days)
    money = Money(cash, fee, spread_bps, slippage_bps, participation)
    with interruptions() as came:
        settings = settings_of(config, account, market, money, tuple(pairs or ()), strategies, ctx.obj)
        refuse_halted(settings.house)
        facts, whole = _run(settings, cycles, ctx.obj, came)
    print_facts(facts, json=json)
    leave(0 if whole else came())
    refuse_halted(settings.house)


def settings_of(
    config: Path | None,
    account: str | None,
    market: "Market",
    money: "Money",
    pairs: tuple[str, ...],
    strategies: tuple[str, ...] | None,
    manners: Manners,
) -> "Settings":
    """Return the settings of the files with what the account was started with and what was typed."""
    import msgspec

    from lct.cli.settings import Market, Money, config_dir, configured, strategies_of, traded
    from lct.config import defaults_dir, home
    from lct.run.config import kept_house

    settings = configured(config, account)
    kept = kept_house(home(), settings.house)
    if kept is not None:
        folder = config_dir(config)
        is_written = (folder / "house.toml").exists() and folder != defaults_dir()
        if is_written and kept != traded(settings, Market(), Money(), ()).house:
            say("the account goes on with the bars and the money it was started with, not those of house.toml", manners)
        settings = msgspec.structs.replace(settings, house=kept)
    settings = traded(settings, market, money, pairs)
    return settings if strategies is None else strategies_of(settings, strategies)


def _run(settings: "Settings", cycles: int | None, manners: Manners, came: "Came") -> tuple[dict[str, Any], bool]:
    """Run a house for some cycles; return its summary, and whether nothing broke it off."""
    from lct.cli.drive import drive, journal_file, private, say_refused, summary
    from lct.cli.stopping import halt_house, is_halted
    from lct.config import ensure_home, home
    from lct.messages.market_data import GetDataQuality
    from lct.run.house import open_house

    private()
    ensure_home(home())
    house = open_house(home(), settings)
    try:
        with _log(home(), settings) as facts:
            first, total = house.bus.md_seq, len(house.tape)
            facts.info("house.started", epoch=house.bus.epoch, md_seq=first, bars_until=total)
            until = total if cycles is None else min(first + cycles, total)
            if first:
                say(f"going on after {first:,} of {total:,} timestamps", manners)
            with progress("run", until - first, manners) as move:
                done = lambda md_seq: move(md_seq - first)  # noqa: E731
                whole = drive(house, until, done, came, is_halted=lambda: is_halted(settings.house))
            if is_halted(settings.house):
                halt_house(house, settings.house)
            elif not whole:
                say("interrupted; the same command goes on from here", manners)
            say_refused(house.ask(GetDataQuality()).refused, manners)
            stands = summary(house, journal_file(home(), settings.house), first)
            facts.info("house.stopped", whole=whole, **stands)
            return stands, whole
    finally:
        house.close()


@contextmanager
def _log(home: Path, settings: "Settings") -> Iterator[Any]:
    """Keep the log of a house in log/house.log of its home."""
    from lct import log
    from lct.run.config import journal_folder

    with (home / "log" / "house.log").open("a", encoding="utf-8", buffering=1) as file:
        log.configure("house", json=True, file=file)
        try:
            yield log.get(account=journal_folder(home, settings.house).name)
        finally:
            log.configure("house")  # what is said after this goes to stderr, and to no closed file
