"""Daemon files: what `lct daemon new` writes, a daemon that keeps the fees of fills, for one to begin with."""

import keyword
import re
from collections.abc import Mapping
from pathlib import Path

from lct.errors import ConfigError, Refused
from lct.supervisor import conf

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
TAKEN = {"house", conf.CONDUCTOR, conf.AUDIT, "supervisord", "client", "operator"}
"""Names that something else in a house goes by."""
PORT = re.compile(r"^#?\s*http_port\s*=\s*(\d+)", re.MULTILINE)
FIRST_PORT = 8_000
LINE_WIDTH = 120
PRIORITY = 75
"""A daemon that only hears starts after those that it hears."""
LIKE = "portfolio"

DAEMON = '''\
"""{title}: hears fills, keeps their fees by asset, and answers how much was paid."""

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

{imports}


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What {name} can be told; each setting has its default here, and here alone."""

    http_port: Annotated[int, Meta(ge=0, le=65535, description="loopback port of GET /health; 0: any free one")] = {at}


class {klass}(Daemon):
    """Durable: the fees are a fold of its own facts, so a kill loses nothing and nothing counts twice."""

    name = "{name}"
    durable = True

    def __init__(self, config: Config | None = None) -> None:
        """Start before the first fill."""
        self.config = config or Config()
        self.fills = 0
        self.fees: dict[str, Decimal] = {{}}
        self._heard = 0

    def apply(self, event: Event) -> None:
        """Fold one fact into the sums: the only place where they change, live and after a restart."""
        assert type(event) is FeeNoted, f"{name} cannot apply {{event}}"
        self._heard = event.fill
        self.fills += 1
        self.fees[event.asset] = self.fees.get(event.asset, ZERO) + event.fee

    @on(Filled)
    def note(self, fill: Filled, now_ns: int) -> Saying:
        """Note the fee of a fill; one that was noted in an earlier life is known by its number."""
        if fill.journal_seq <= self._heard:
            return None
        return (FeeNoted(fill.journal_seq, fill.fee_asset, fill.fee),)

    @answers(Get{klass})
    def report(self, request: Get{klass}, now_ns: int) -> FeesPaid:
        """Tell what was paid so far."""
        return FeesPaid(now_ns, self.fills, dict(sorted(self.fees.items())))
'''

MESSAGES = '''\
"""What {name} says and answers: the fees of fills."""

{imports}


class FeeNoted(Event, frozen=True, gc=False, tag="{name}.fee_noted"):
    """The fee of a fill is kept; `fill` is the journal_seq of the fill."""

    durable = True

    fill: int
    asset: str
    fee: Money


class FeesPaid(Event, frozen=True, tag="{name}.fees_paid"):
    """How many fills there were, and the sum of their fees by asset."""

    time_ns: int
    fills: int
    fees: dict[str, Money]


class Get{klass}(Request[FeesPaid], frozen=True, tag="{name}.get"):
    """How much did we pay?"""
'''

VERB = '''\
"""`lct {name}`: the fees that were paid, as the daemon keeps them."""

import typer

from lct.cli import options as o
from lct.cli.output import print_facts

app = typer.Typer(add_completion=False)


@app.command()
def report(json: o.Json = False) -> None:
    """Tell how many fills there were, and their fees by asset; exit code 3 where the daemon does not answer.

    Example: lct {name} --json
    """
{imports}

    found = ask(Get{klass}())
    print_facts({{"fills": found.fills, "fees": found.fees}}, json=json)
'''

TEST = '''\
"""{title}: fees are a fold of fills, and each fill counts once."""

from decimal import Decimal

{imports}


def fill(journal_seq: int, fee: str, asset: str = "USDT") -> Filled:
    return Filled(
        journal_seq,
        0,
        f"order-{{journal_seq}}",
        f"intent-{{journal_seq}}",
        f"trade-{{journal_seq}}",
        "trend",
        "BTC/USDT",
        Side.BUY,
        Decimal(1),
        Decimal(100),
        Decimal(fee),
        asset,
        State.FILLED,
        journal_seq,
    )


def hear(daemon: {klass}, *fills: Filled) -> list[object]:
    """Let it hear fills one after the other, as a bus would: what it says is applied at once."""
    said: list[object] = []
    for one in fills:
        for event in daemon.note(one, 0) or ():
            assert isinstance(event, FeeNoted)
            daemon.apply(event)
            said.append(event)
    return said


def test_a_fill_is_noted_with_its_fee() -> None:
    assert hear({klass}(), fill(7, "0.5")) == [FeeNoted(7, "USDT", Decimal("0.5"))]


def test_fees_add_up_by_asset() -> None:
    daemon = {klass}()

    hear(daemon, fill(1, "0.5"), fill(2, "0.25"), fill(3, "0.001", "BNB"))

    found = daemon.report(Get{klass}(), 9)
    assert (found.time_ns, found.fills) == (9, 3)
    assert found.fees == {{"BNB": Decimal("0.001"), "USDT": Decimal("0.75")}}


def test_a_fill_that_is_heard_again_counts_once() -> None:
    daemon = {klass}()
    hear(daemon, fill(1, "0.5"))

    assert hear(daemon, fill(1, "0.5"), fill(2, "0.5")) == [FeeNoted(2, "USDT", Decimal("0.5"))]


def test_a_new_life_knows_what_the_last_one_noted() -> None:
    facts = hear({klass}(), fill(1, "0.5"), fill(2, "0.5"))
    daemon = {klass}()

    for fact in facts:
        assert isinstance(fact, FeeNoted)
        daemon.apply(fact)

    assert hear(daemon, fill(2, "0.5")) == []
    assert daemon.fees == {{"USDT": Decimal(1)}}
'''

SETTINGS = """\
# What {name} can be told.

# loopback port of GET /health; 0: any free one
# http_port = {at}
"""


def write_daemon(name: str) -> dict[str, str]:
    """Write a daemon with its messages, settings, verb, test and program into the checkout; return where they are.

    No file of Python that is there changes. Raises ConfigError for a name that cannot be one, and Refused where it is
    taken, or where there is no checkout to write into.
    """
    root = conf.shipped().parent
    if not (root / "pyproject.toml").exists() or not (root / "daemons").is_dir():
        raise Refused("a daemon is written into a checkout of lct, and this is an installed one; clone the repository")
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(f"{name!r} cannot name a daemon; use a-z, 0-9 and _, a letter first, at most 32 characters")
    texts = _texts(name, next_port(root / "configs"))
    places = {about: root / place for about, (place, _) in texts.items()}
    package = root / "daemons" / name
    taken = [str(path) for path in (*places.values(), package, root / "lct" / "cli" / name) if path.exists()]
    if taken or name in TAKEN or name in conf.programs(conf.shipped()):
        where = taken[0] if taken else f"{name!r}"
        raise Refused(f"{where} is there already; choose another name")
    for about, (_, text) in texts.items():
        with places[about].open("x", encoding="utf-8") as file:
            file.write(text)
    _add_program(name)
    written = {about: str(path) for about, path in places.items()}
    return {**written, "program": str(conf.shipped()), "try": f"lct up --only execution,{name}"}


def next_port(folder: Path) -> int:
    """Return the port after the highest that the settings of a folder name."""
    named = [int(number) for path in folder.glob("*.toml") for number in PORT.findall(path.read_text(encoding="utf-8"))]
    return max([FIRST_PORT - 1, *(port for port in named if port)]) + 1


def _texts(name: str, port: int) -> dict[str, tuple[str, str]]:
    """Return what is to be written, by what it is: its place and its text."""
    words = [word for word in name.split("_") if word]
    klass = "".join(word.capitalize() for word in words)
    own, facts = f"lct.messages.{name}", {"FeeNoted", f"Get{klass}"}
    needs: dict[str, Mapping[str, set[str]]] = {
        DAEMON: {
            "lct.daemon": {"Daemon", "Saying", "answers", "on"},
            "lct.domain.money": {"ZERO"},
            "lct.messages.base": {"Event"},
            "lct.messages.execution": {"Filled"},
            own: {*facts, "FeesPaid"},
        },
        MESSAGES: {"lct.domain.money": {"Money"}, "lct.messages.base": {"Event", "Request"}},
        VERB: {"lct.cli.asking": {"ask"}, own: {f"Get{klass}"}},
        TEST: {
            f"daemons.{name}": {klass},
            "lct.domain.orders": {"Side", "State"},
            "lct.messages.execution": {"Filled"},
            own: facts,
        },
    }

    def made(template: str, indent: str = "") -> str:
        imports = _imports(needs[template], indent)
        return template.format(name=name, klass=klass, title=" ".join(words).capitalize(), at=port, imports=imports)

    return {
        "daemon": (f"daemons/{name}.py", made(DAEMON)),
        "messages": (f"lct/messages/{name}.py", made(MESSAGES)),
        "settings": (f"configs/{name}.toml", SETTINGS.format(name=name, at=port)),
        "verb": (f"lct/cli/{name}.py", made(VERB, "    ")),
        "test": (f"tests/daemons/test_{name}.py", made(TEST)),
    }


def _imports(needs: Mapping[str, set[str]], indent: str) -> str:
    """Return imports in the order and the width that the house's formatter gives them."""
    lines = []
    for module in sorted(needs):
        names = sorted(needs[module], key=_rank)
        line = f"{indent}from {module} import {', '.join(names)}"
        if len(line) > LINE_WIDTH:
            inner = "".join(f"{indent}    {name},\n" for name in names)
            line = f"{indent}from {module} import (\n{inner}{indent})"
        lines.append(line)
    return "\n".join(lines)


def _rank(name: str) -> tuple[int, str]:
    """Constants before classes before functions, each by the alphabet."""
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


def _add_program(name: str) -> None:
    """Append a program, kept running like the others."""
    path = conf.shipped()
    text = path.read_text(encoding="utf-8")
    like = text.partition(f"[program:{LIKE}]")[2].partition("\n[")[0]
    lines = [line for line in like.replace(LIKE, name).strip().splitlines() if line]
    own = [f"priority={PRIORITY}" if line.startswith("priority") else line for line in lines]
    path.write_text(f"{text.rstrip()}\n\n[program:{name}]\n{chr(10).join(own)}\n", encoding="utf-8")
