"""`lct trading`: starts, stops, pauses, halts and resumes trading, closes positions, and tells how it goes."""

from typing import TYPE_CHECKING, Annotated

import typer

from lct.cli import options as o
from lct.cli.asking import OPERATOR, ask, confirm
from lct.cli.market import complete
from lct.cli.output import print_facts, print_json, print_rows

if TYPE_CHECKING:
    from lct.messages.trading_engine import PauseTrading, StartTrading, StopTrading

app = typer.Typer(name="trading", no_args_is_help=True, add_completion=False)

PROPOSALS = ("symbol", "side", "amount", "exits", "reason", "strategy", "intent_id")
HELD = ("symbol", "amount", "average_price", "mark_price", "unrealized_profit", "strategy")
NOT_CONFIRMED = 3
PROPOSALS_SPARE = ("intent_id", "exits", "strategy")

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the journal; at most 200 letters.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Symbol = Annotated[
    str | None, typer.Option("--symbol", autocompletion=complete, metavar="SYMBOL", help="Only this one, as BTC/USDT.")
]
Rehearse = Annotated[bool, typer.Option("--dry-run", help="Only tell what would happen.")]


@app.callback()
def trading() -> None:
    """Whether the house trades. All verbs but halt need a running house. Example: lct trading status"""


@app.command()
def start(reason: Reason = "", rehearse: Rehearse = False, json: o.Json = False) -> None:
    """Trade again after a stop; where trading runs already, nothing happens.

    Example: lct trading start
    """
    from lct.messages.trading_engine import StartTrading

    _turn(StartTrading(reason[:200], OPERATOR), rehearse=rehearse, json=json)


@app.command()
def stop(reason: Reason = "", yes: Yes = False, rehearse: Rehearse = False, json: o.Json = False) -> None:
    """Propose nothing any more, exits included, until trading is started; protective stops at the venue stand.

    Example: lct trading stop --reason "moving house" --yes
    """
    from lct.messages.trading_engine import StopTrading

    if not rehearse:
        confirm("stop", "stop trading: positions are left by their protective stops alone", yes=yes)
    _turn(StopTrading(reason[:200], OPERATOR), rehearse=rehearse, json=json)


@app.command()
def pause(reason: Reason = "", yes: Yes = False, rehearse: Rehearse = False, json: o.Json = False) -> None:
    """Enter nothing new until trading is resumed; exits go on.

    Example: lct trading pause --dry-run
    """
    from lct.messages.trading_engine import PauseTrading

    if not rehearse:
        confirm("pause", "enter nothing new until trading is resumed", yes=yes)
    _turn(PauseTrading(reason[:200], OPERATOR), rehearse=rehearse, json=json)


@app.command()
def resume(
    reason: Reason = "",
    checked: Annotated[
        bool,
        typer.Option("--i-checked", help="Lift a halt too: you looked why it came, and nothing is wrong any more."),
    ] = False,
    symbol: Symbol = None,
    account: o.Account = None,
    rehearse: Rehearse = False,
    json: o.Json = False,
) -> None:
    """Enter again after a pause, and with --i-checked after a halt; where trading runs already, nothing happens.

    A halt is latched: without --i-checked it is refused, and execution refuses while its accounts differ from the
    venue's (`lct execution reconcile`). With --symbol only one frozen symbol is let go.

    Example: lct trading resume --i-checked --reason "the venue is back"
    """
    from lct.cli.stopping import foreseen_resume, resumed

    found = foreseen_resume(account) if rehearse else resumed(reason, account, symbol, checked=checked)
    print_facts(found, json=json)


@app.command()
def halt(
    flatten: Annotated[bool, typer.Option("--flatten", help="Close all positions at the market too.")] = False,
    reason: Reason = "",
    account: o.Account = None,
    yes: Yes = False,
    rehearse: Rehearse = False,
    json: o.Json = False,
) -> None:
    """Let no order through, cancel the open ones, and keep it so until `resume --i-checked`; stops at the venue stay.

    It works whatever is dead: a file, a signal to execution, and a question, in this order. Exit code 0 where execution
    is known to be halted, 3 where only the file stands: then it halts when it next looks, or starts.

    Example: lct trading halt --reason "what is this?" --yes
    """
    from lct.cli.stopping import foreseen_halt
    from lct.cli.stopping import halt as pulled

    if rehearse:
        print_facts(foreseen_halt(account, flatten=flatten), json=json)
        return
    confirm("halt", f"halt: no order is let through{', all positions are closed' if flatten else ''}", yes=yes)
    document, is_confirmed = pulled(reason, account, flatten=flatten)
    print_facts(document, json=json)
    if not is_confirmed:
        raise typer.Exit(NOT_CONFIRMED)


@app.command()
def flatten(
    symbol: Symbol = None,
    book: Annotated[
        str | None, typer.Option("--book", autocompletion=o.complete_strategies, help="Only that of this strategy.")
    ] = None,
    reason: Reason = "",
    yes: Yes = False,
    rehearse: Rehearse = False,
    json: o.Json = False,
) -> None:
    """Close all positions at the market; the gate then lets through only what reduces, until `resume --i-checked`.

    Example: lct trading flatten --symbol BTC/USDT --dry-run
    """
    from lct.cli.stopping import flattened, positions

    if rehearse:
        print_rows(positions(symbol, book), json=json, columns=HELD, none="there is nothing to close")
        return
    confirm("flatten", f"close {symbol or 'all positions'}{f' of {book}' if book else ''} at the market", yes=yes)
    print_facts(flattened(reason, symbol, book), json=json)


@app.command()
def cycle(reason: Reason = "", yes: Yes = False, json: o.Json = False) -> None:
    """Decide once, now, on the last scores, entries included: also where trading is paused or stopped.

    `lct strategy signals` shows these scores.

    Example: lct trading cycle --yes --json
    """
    from daemons.api_gateway.documents import cycle as documented
    from lct.messages.trading_engine import RunCycle

    confirm("cycle", "have what the last scores call for proposed now", yes=yes)
    document = documented(ask(RunCycle(reason[:200], OPERATOR)))
    if json:
        print_json(document)
        return
    proposed = document.pop("proposed")
    print_facts(document, json=False)
    print_rows(proposed, json=False, columns=PROPOSALS, none="nothing was proposed", spare=PROPOSALS_SPARE)


@app.command()
def status(json: o.Json = False) -> None:
    """Show whether trading runs, who set it so, what was proposed and withheld, and what the gate lets through.

    standing is null where execution does not answer.

    Example: lct trading status --json
    """
    from daemons.api_gateway.documents import trading as documented
    from lct.cli.stopping import standing_facts
    from lct.messages.trading_engine import GetTradingStatus

    print_facts({**documented(ask(GetTradingStatus())), **standing_facts()}, json=json)


def _turn(request: "StartTrading | StopTrading | PauseTrading", *, rehearse: bool, json: bool) -> None:
    """Ask for another state of trading, or only tell what would come of asking."""
    from daemons.api_gateway.documents import turned as documented
    from lct.cli.stopping import foreseen

    document = foreseen(type(request)) if rehearse else documented(ask(request))
    print_facts(document, json=json)
