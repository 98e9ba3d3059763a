"""`lct trading`: starts, stops, pauses and resumes trading, runs one cycle now, and tells how it goes."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.asking import OPERATOR, ask, confirm
from lct.cli.output import print_facts, print_json, print_rows

if TYPE_CHECKING:
    from lct.messages.trading_engine import PauseTrading, ResumeTrading, StartTrading, StopTrading

app = typer.Typer(name="trading", no_args_is_help=True, add_completion=False)

PROPOSALS = ("symbol", "side", "amount", "exits", "reason", "strategy", "intent_id")
PROPOSALS_SPARE = ("intent_id", "exits", "strategy")

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the journal; at most 200 letters.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Rehearse = Annotated[bool, typer.Option("--dry-run", help="Only tell what would happen.")]


@app.callback()
def trading() -> None:
    """Whether the house trades. Each verb needs a running house. Example: lct trading status"""


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
def resume(reason: Reason = "", rehearse: Rehearse = False, json: o.Json = False) -> None:
    """Enter again after a pause; where trading runs already, nothing happens.

    Example: lct trading resume
    """
    from lct.messages.trading_engine import ResumeTrading

    _turn(ResumeTrading(reason[:200], OPERATOR), rehearse=rehearse, json=json)


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
    """Show whether trading runs, who set it so, and what was proposed and withheld since the engine started.

    Example: lct trading status --json
    """
    from daemons.api_gateway.documents import trading as documented
    from lct.messages.trading_engine import GetTradingStatus

    print_facts(documented(ask(GetTradingStatus())), json=json)


def _turn(request: "StartTrading | StopTrading | PauseTrading | ResumeTrading", *, rehearse: bool, json: bool) -> None:
    """Ask for another state of trading, or only tell what would come of asking."""
    from daemons.api_gateway.documents import turned as documented

    document = _foreseen(type(request)) if rehearse else documented(ask(request))
    print_facts(document, json=json)


def _foreseen(kind: Any) -> dict[str, Any]:
    from daemons.trading_engine.control import turned
    from lct.messages.trading_engine import GetTradingStatus

    before = ask(GetTradingStatus()).state
    state, done = turned(kind, before)
    changed = state is not before
    return {"state": state.value, "changed": changed, "done": f"would be {done}" if changed else done}
