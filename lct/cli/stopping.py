"""Stopping: what halting, flattening and resuming a house takes, and how the standing of its gate is told."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lct.cli.asking import OPERATOR, ask
from lct.cli.output import manners, say
from lct.errors import LctError, NoAnswer, Refused

if TYPE_CHECKING:
    from lct.domain.orders import Order
    from lct.messages.execution import Done, ExecutionStatus, Resume
    from lct.run.config import HouseConfig
    from lct.run.house import House
    from lct.run.switch import Pulled

PATIENCE_MS = 1_500
"""How long execution may take to answer where there is another way to know, or to go on without it."""
CHECKED = "lct trading resume --i-checked"


def folders(account: str | None) -> list[Path]:
    """Return the folders of the accounts that are meant: the one named, else all in hand, else that of house.toml."""
    from lct.config import home
    from lct.run.switch import folders_in_hand

    in_hand = folders_in_hand(home()) if account is None else []
    if in_hand:
        return in_hand
    from lct.cli.accounts import folder_of

    return [folder_of(None, account)]


def gate() -> "ExecutionStatus | None":
    """Return how execution says that it stands, None where it does not say."""
    from lct.messages.execution import GetExecutionStatus

    try:
        return ask(GetExecutionStatus(), patience_ms=PATIENCE_MS)
    except LctError:
        return None


def standing_facts(account: str | None = None) -> dict[str, Any]:
    """Return how the gate stands, in the shape of `lct trading status --json`; null where nobody says."""
    from daemons.api_gateway.documents import stands

    return {**stands(gate()), "halt_files": [str(path) for path in files(account)]}


def files(account: str | None) -> list[Path]:
    """Return the files that halt an account, or all in hand; none where the configuration names no account."""
    from lct.run.switch import FILE, standing

    try:
        found = folders(account)
    except LctError:
        return []
    return [folder / FILE for folder in found if standing(folder) is not None]


# -- halting -------------------------------------------------------------------------------------------------------


def halt(reason: str, account: str | None, *, flatten: bool) -> tuple[dict[str, Any], bool]:
    """Pull the kill switch; return what came of it as `--json` has it, and whether execution is known to be halted."""
    from lct.config import home
    from lct.messages.execution import Halt
    from lct.run.switch import halt as pulled

    found = pulled(
        home(),
        folders(account),
        Halt(reason[:200], OPERATOR, flatten),
        lambda request: ask(request, patience_ms=PATIENCE_MS),
    )
    _say_what_is_missing(found, flatten=flatten)
    return halted(found), found.is_confirmed


def halted(found: "Pulled") -> dict[str, Any]:
    """Return the document of a halt."""
    by = "reply" if found.reply is not None else "journal" if found.is_journaled else None
    return {
        "standing": found.reply.standing.value if found.reply is not None else "halted" if found.is_journaled else None,
        "changed": not found.was_halted if found.is_confirmed else None,
        "done": found.in_words,
        "halt_files": [str(path) for path in found.files],
        "signalled_pid": found.pid,
        "confirmed_by": by if found.is_confirmed else None,
    }


def _say_what_is_missing(found: "Pulled", *, flatten: bool) -> None:
    for trouble in found.unwritten:
        say(f"no file was written: {trouble}", manners())
    if found.reply is None:
        say(f"no confirmation: {found.unanswered}", manners())
        if flatten:
            say("positions were not closed: `lct trading flatten` once execution answers", manners())


def foreseen_halt(account: str | None, *, flatten: bool) -> dict[str, Any]:
    """Return what a halt would do now."""
    from lct.config import home
    from lct.run.switch import FILE, pid_of

    status = gate()
    return {
        "standing": None if status is None else status.standing.value,
        "done": f"would be halted{', and all positions closed' if flatten else ''}",
        "halt_files": [str(folder / FILE) for folder in folders(account)],
        "signalled_pid": pid_of(home()),
        "cancelled": [order.client_order_id for order in open_orders()],
    }


def open_orders() -> "list[Order]":
    """Return the orders that a cancel of all would reach, as far as execution says; protection is left out.

    What guards a position is a stop or a bracket that only reduces.
    """
    from lct.domain.orders import OrderType
    from lct.messages.execution import GetOrders

    try:
        orders = ask(GetOrders(), patience_ms=PATIENCE_MS).orders
    except LctError as error:
        say(f"the open orders are not known: {error}", manners())
        return []
    guards = {OrderType.STOP, OrderType.BRACKET}
    return [order for order in orders if order.is_working and order.type not in guards]


# -- a house in one process ----------------------------------------------------------------------------------------


def is_halted(house: "HouseConfig") -> bool:
    """Whether the file stands that halts the house of an account."""
    from lct.config import home
    from lct.run.config import journal_folder
    from lct.run.switch import FILE

    return (journal_folder(home(), house) / FILE).exists()


def refuse_halted(house: "HouseConfig") -> None:
    """Refuse to run a house that somebody halted, with the way out."""
    from lct.config import home
    from lct.run.config import journal_folder
    from lct.run.switch import standing

    folder = journal_folder(home(), house)
    order = standing(folder)
    if order is not None:
        why = ", ".join(filter(None, (order.by, order.reason)))
        raise Refused(f"{folder.name} is halted ({why}). Look why, then: {CHECKED} --account {house.account}")


def halt_house(house: "House", config: "HouseConfig") -> None:
    """Have a house in this process obey the file: it lets nothing through and cancels, and its journal says so."""
    from lct.config import home
    from lct.messages.execution import Halt
    from lct.run.config import journal_folder
    from lct.run.switch import standing

    order = standing(journal_folder(home(), config))
    if order is None:
        return
    try:
        say(house.ask(Halt(order.reason, order.by)).done, manners())
        house.bus.checkpoint()
    except LctError as error:  # it stands still in any case: nobody runs it
        say(f"its orders were not cancelled: {error}", manners())


def _resume_in_one_process(request: "Resume", account: str | None) -> "Done | None":
    """Have the house of `lct run` take a request while nobody runs it; None where the account has no such house."""
    from lct.cli.run import settings_of
    from lct.cli.settings import Market, Money, configured
    from lct.config import home
    from lct.run.account import HOUSE
    from lct.run.config import journal_folder
    from lct.run.house import attend_house

    if not (journal_folder(home(), configured(None, account).house) / f"{HOUSE}.db").exists():
        return None
    house = attend_house(home(), settings_of(None, account, Market(), Money(), (), None, manners()))
    try:
        reply = house.ask(request)
        house.bus.checkpoint()
        return reply
    finally:
        house.close()


# -- resuming ------------------------------------------------------------------------------------------------------


def refuse_unchecked(account: str | None, symbol: str | None) -> None:
    """Refuse to resume what is latched: a person has to say that they looked."""
    stands = files(account)
    status = gate()
    if stands:
        raise Refused(f"{stands[0]} stands. Look why, then: {CHECKED}")
    if status is not None and (status.standing.value != "active" or symbol is not None):
        why = ", ".join(filter(None, (status.by, status.reason)))
        what = f"the gate is {status.standing.value}{f' ({why})' if why else ''}"
        raise Refused(
            f"{what}. Look at `lct execution status`, then: {CHECKED}{f' --symbol {symbol}' if symbol else ''}"
        )


def resume_gate(reason: str, account: str | None, symbol: str | None) -> dict[str, Any]:
    """Remove the file, then have execution let orders through again; return what came of it.

    Raises Refused where execution refuses, NoAnswer where it does not answer: then it is as it was, without the file.
    """
    from lct.messages.execution import Resume
    from lct.run.switch import FILE, release

    removed = [folder / FILE for folder in folders(account) if symbol is None and release(folder)]
    for path in removed:
        say(f"removed {path}", manners())
    request = Resume(reason[:200], OPERATOR, symbol)
    try:
        reply = _resume_in_one_process(request, account) or ask(request)
    except NoAnswer as error:
        raise NoAnswer(f"{error} If it was halted, it still is: `lct up`, then {CHECKED} once more.") from None
    status = None if reply.changed else gate()
    if status is not None and (
        status.standing.value != "active" or symbol in status.frozen or (not symbol and status.frozen)
    ):
        raise Refused(f"execution did not resume: {reply.done}; `lct execution status` tells more")
    return {"standing": reply.standing.value, "gate": reply.done, "removed": [str(path) for path in removed]}


def resumed(reason: str, account: str | None, symbol: str | None, *, checked: bool) -> dict[str, Any]:
    """Resume the gate where that was checked, and the engine; refuse what is latched otherwise."""
    from daemons.api_gateway.documents import turned
    from lct.messages.trading_engine import ResumeTrading

    gate_now: dict[str, Any] = {"standing": None, "gate": None, "removed": []}
    if checked:
        gate_now = resume_gate(reason, account, symbol)
        if symbol is not None:
            return gate_now
    else:
        refuse_unchecked(account, symbol)
    try:
        engine = turned(ask(ResumeTrading(reason[:200], OPERATOR)))
    except NoAnswer:
        if not checked:
            raise
        engine = {"state": None, "changed": None, "done": "trading_engine does not answer, and is as it was"}
    return {**engine, **gate_now}


def foreseen_resume(account: str | None) -> dict[str, Any]:
    """Return what a resume would find."""
    from lct.messages.trading_engine import ResumeTrading

    return {**foreseen(ResumeTrading), **standing_facts(account)}


def foreseen(kind: Any) -> dict[str, Any]:
    """Return what would come of asking the engine for another state of trading."""
    from daemons.trading_engine.control import turned
    from lct.messages.trading_engine import GetTradingStatus

    before = ask(GetTradingStatus()).state
    state, done = turned(kind, before)
    changed = state is not before
    return {"state": state.value, "changed": changed, "done": f"would be {done}" if changed else done}


# -- flattening ----------------------------------------------------------------------------------------------------


def flattened(reason: str, symbol: str | None, book: str | None) -> dict[str, Any]:
    """Have positions closed at the market; return what came of it."""
    from daemons.api_gateway.documents import done
    from lct.messages.execution import Flatten

    return done(ask(Flatten(reason[:200], OPERATOR, symbol, book)))


def positions(symbol: str | None, book: str | None) -> list[dict[str, Any]]:
    """Return the positions that a flattening would close."""
    from daemons.api_gateway.documents import positions as documented
    from lct.messages.portfolio import GetPositions

    rows = documented(ask(GetPositions()))
    return [row for row in rows if symbol in {None, row["symbol"]} and book in {None, row["strategy"]}]
