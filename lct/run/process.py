"""One process of a house: a daemon, or the conductor, put together, recovered, and living until it is told to end."""

import asyncio
import hashlib
import os
import resource
import signal
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

import lct
from lct import log
from lct.bus import points
from lct.bus.presence import socket_folder
from lct.bus.room import Room
from lct.bus.shell import Life, Shell
from lct.bus.wall import WallClock
from lct.clock import NS_PER_SECOND, now_ns, rfc3339
from lct.config import defaults_dir, ensure_home, home, load
from lct.daemon import Daemon, hearers
from lct.domain.money import money_hook, use_money_context
from lct.errors import LctError, Refused
from lct.ports.base import TimedPort
from lct.run.config import HouseConfig, install_id, journal_folder, keep_or_compare, read_kept
from lct.run.members import Site, build, checked_venue, feed, strategies
from lct.store.sqlite import SqliteJournal

if TYPE_CHECKING:
    from lct.bus.live import Living
    from lct.ports.feed import Feed
    from lct.run.switch import Switch

CONDUCTOR = "conductor"
TIME, REPLAYED = "LCT_TIME", "replayed"
"""`LCT_TIME=replayed` has the house live in replayed time; otherwise it lives on the wall clock."""
SPEED = "LCT_SPEED"
CLOCK = "LCT_CLOCK"
GATEWAY = "api_gateway"
EXECUTION = "execution"
ACCOUNT = "LCT_ACCOUNT"
"""Which account the house trades, where not that of house.toml."""
DAEMONS = "LCT_DAEMONS"
"""Which daemons the house has, where not all that there are."""
HTTP_PORTS, AUTO = "LCT_HTTP_PORTS", "auto"
ON_WALL_CLOCK = frozenset({"api_gateway", "monitoring"})
"""The bundled daemons that live on the wall clock in a replayed house too; a test compares it with the classes."""
LOG_BYTES_MAX, LOG_BACKUPS = 4_194_304, 3

DAYS_OF_MARKET = 8
"""How long a made-up market lasts on the wall clock, with its day of history: a week, and then it is over."""

if TYPE_CHECKING:
    from lct.bus.session import Session

T = TypeVar("T", bound=msgspec.Struct)


def config_folder(root: Path) -> Path:
    """Return the folder that configures a home's house: its own where it has files, else the defaults."""
    own = root / "config"
    return own if any(own.glob("*.toml")) else defaults_dir()


def daemon_names() -> tuple[str, ...]:
    """Return the daemons that this house has, sorted: those of the environment, else every module of daemons/."""
    import daemons

    named = os.environ.get(DAEMONS)
    if named:
        return tuple(sorted(set(filter(None, named.split(",")))))
    folder = Path(str(daemons.__file__)).parent
    files = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    return tuple(sorted(name for name in files if not name.startswith("_")))


def lives_on_wall_clock(name: str) -> bool:
    """Whether a daemon lives on the wall clock in replayed time too."""
    from lct.run.members import BUILDERS, daemon_class

    return name in ON_WALL_CLOCK or (name not in BUILDERS and daemon_class(name).on_wall_clock)


class Settled:
    """The settings of one process, read when they are asked for."""

    def __init__(self, root: Path) -> None:
        """Read nothing yet."""
        self.home = root
        self.folder = config_folder(root)

    def read(self, name: str, kind: type[T]) -> T:
        """Read one file of the configuration, defaults where it is not there; raises ConfigError."""
        path = self.folder / f"{name}.toml"
        return load(path, kind, money_hook) if path.exists() else kind()

    def http_port(self, name: str) -> int:
        """Return the port of a daemon's health, 0 for any free one."""
        if os.environ.get(HTTP_PORTS) == AUTO:
            return 0
        kind = getattr(import_module(f"daemons.{name}"), "Config", None)
        return getattr(self.read(name, kind), "http_port", 0) if kind is not None else 0

    @property
    def hash(self) -> str:
        """A hash of all files of the configuration: members of one house have the same."""
        digest = hashlib.blake2b(digest_size=8)
        for path in sorted(self.folder.glob("*.toml")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()


def site_of(settled: Settled, *, is_replayed: bool) -> Site:
    """Return what the members of a house share, as its configuration says; the first start fixes what is kept."""
    house = house_of(settled)
    folder = journal_folder(settled.home, house)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (folder / "house.db").exists():
        raise Refused(
            f"{folder.name} was run in one process by `lct run`; use another account, or `lct portfolio reset`"
        )
    if (folder / "house.json").exists():
        house = read_kept(folder / "house.json")
    elif not is_replayed:
        house = beginning_today(house)
    return Site(
        house,
        partial(_first_feed, folder / "house.json", house, is_replayed=is_replayed),
        folder,
        install_id(settled.home),
        config=settled.read,
        strategies=lambda config: strategies(config.strategies, config.parameters),
        recorded=is_replayed,
        expected=daemon_names(),
    )


def _first_feed(path: Path, house: HouseConfig, *, is_replayed: bool) -> "Feed":
    """Load the feed of a house that can be lived, and keep what it is from its first start on."""
    made = feed(house)
    checked_venue(house, made)
    if not is_replayed and not made.has_future:
        raise Refused(f"the feed {made.name} plays what was recorded: `lct up --replay`, or another feed in house.toml")
    keep_or_compare(path, house)
    return made


def house_of(settled: Settled) -> HouseConfig:
    """Return the house of the configuration, or of the account that the environment names."""
    house = settled.read("house", HouseConfig)
    account = os.environ.get(ACCOUNT)
    return msgspec.structs.replace(house, account=account) if account else house


def beginning_today(house: HouseConfig) -> HouseConfig:
    """Return a house whose made-up market begins yesterday, so that there is history, where nobody said otherwise."""
    yesterday = rfc3339(now_ns() - 86_400 * NS_PER_SECOND)[:10]
    synthetic = {"start": yesterday, "days": DAYS_OF_MARKET, **house.feeds.get("synthetic", {})}
    return msgspec.structs.replace(house, feeds={**house.feeds, "synthetic": synthetic})


@contextmanager
def logging_to(root: Path, name: str) -> Any:
    """Keep the log of a process in log/NAME.log of its home, rotated."""
    with log.Rotated(root / "log" / f"{name}.log", LOG_BYTES_MAX, LOG_BACKUPS) as file:
        log.configure(name, json=True, file=file)
        try:
            yield log.get()
        finally:
            log.configure(name)  # what is said after this goes to stderr, and to no closed file


def main(name: str) -> int:
    """Run one process of the house whose home is $LCT_HOME; return its exit code."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold what the process knows
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # it says: look at the kill switch; who begins looks anyway
    points.arm(name)
    use_money_context()
    root = home()
    ensure_home(root)
    with logging_to(root, name) as facts:
        facts.info("process.starting", pid=os.getpid(), time=os.environ.get(TIME, "wall"))
        try:
            asyncio.run(_conduct(root) if name == CONDUCTOR else _play(name, root))
        except (LctError, OSError) as error:
            facts.error("process.failed", reason=str(error))
            raise
        except Exception:
            facts.critical("process.crashed", exc_info=True)
            raise
        facts.info("process.ended")
    return 0


async def _play(name: str, root: Path) -> None:
    """Recover one daemon and let it live."""
    is_replayed = os.environ.get(TIME) == REPLAYED
    settled = Settled(root)
    site = site_of(settled, is_replayed=is_replayed)
    with ExitStack() as stack:
        if is_replayed and not lives_on_wall_clock(name):
            shell = await _by_rounds(name, settled, site, stack)
        else:
            shell = await _on_the_wall_clock(name, settled, site, stack)
        await shell.live()


def _journal(name: str, site: Site, stack: ExitStack, synchronous: str) -> SqliteJournal:
    assert site.folder is not None, "a house of processes keeps its journals"
    journal = SqliteJournal(site.folder / f"{name}.db", synchronous=synchronous)
    stack.callback(journal.close)
    return journal


async def _shell_of(
    room: Room,
    journal: SqliteJournal,
    settled: Settled,
    http_port: int | None,
    stack: ExitStack,
    session: "Session | None" = None,
) -> Shell:
    """Recover a room, and open the shell around it."""
    name = room.name
    room.recover()
    life = Life(name, room.epoch, settled.home, http_port, lct.__version__, settled.hash)
    shell = Shell(life, room.seat.answerers, lambda after: journal.rows(name, after), room.journal_seq)
    shell.md_seq = room.md_seq
    stack.callback(shell.close)
    if session is not None:
        session.attend(shell.telling)  # its first heartbeat too
    await shell.open()
    log.get().info("process.recovered", epoch=room.epoch, journal_seq=room.journal_seq, md_seq=room.md_seq)
    return shell


async def _by_rounds(name: str, settled: Settled, site: Site, stack: ExitStack) -> Shell:
    from lct.bus.rounding import Rounding

    journal = _journal(name, site, stack, "NORMAL")
    daemon, ports = build(name, site)
    _close_at_the_end(ports, stack)
    switch = _switch_of(daemon, site)
    room = Room(daemon, [*switch, *ports], journal)
    shell = await _shell_of(room, journal, settled, settled.http_port(name), stack)
    rounding = Rounding(shell, room)
    for one in switch:
        rounding.before_turn = one.offer
        one.attend(stack, lambda: None)
    rounding.open(socket_folder(settled.home))
    stack.callback(rounding.close)
    return shell


async def _on_the_wall_clock(name: str, settled: Settled, site: Site, stack: ExitStack) -> Shell:
    from lct.bus.live import Living
    from lct.bus.session import Session

    journal = _journal(name, site, stack, "FULL")
    daemon, ports = build(name, site)
    _close_at_the_end(ports, stack)
    assert site.folder is not None, "a journal lies in a folder"
    clock = WallClock() if lives_on_wall_clock(name) else wall_clock()
    # who watches a replayed house hears words that are not on record: its life cannot be lived again
    kept = None if site.recorded else site.folder
    switch = _switch_of(daemon, site)
    session = Session(name, kept, journal, [*switch, *ports], clock.now_ns, settled.hash, site.expected)
    room = Room(daemon, session.ports, session.journal)
    room.commits_results = True
    serves = name == GATEWAY
    shell = await _shell_of(room, journal, settled, None if serves else settled.http_port(name), stack, session)
    living = Living(shell, room, session, site.expected)
    living.clock = clock
    for one in switch:
        one.attend(stack, partial(_pulled, one, living))
    if name == "market_data":
        living.keep_history(lambda: build(name, site)[0])
    living.open(socket_folder(settled.home))
    stack.callback(living.close)
    if name == EXECUTION:
        _connect(ports, living, shell)
    if serves:
        from daemons.api_gateway import Config
        from lct.run.serving import ServedPort, begin

        (port,) = ports
        assert isinstance(port, ServedPort), port
        config = settled.read(name, Config)
        serving = begin(shell, living, port, config, settled.http_port(name), settled.home)
        stack.callback(serving.cancel)
    return shell


def _connect(ports: list[TimedPort], living: "Living", shell: Shell) -> None:
    """Have venues over the network wake their daemon, end it where they fail, and begin to listen."""
    from lct.ports.remote import Remote

    for port in ports:
        if isinstance(port, Remote):
            port.wake, port.fail, port.passes = living.look, shell.end, points.reached
            port.begin()


def _switch_of(daemon: Daemon, site: Site) -> "list[Switch]":
    """Return the kill switch of a daemon that obeys it, which is execution: before its other ports."""
    if daemon.name != EXECUTION:
        return []
    from lct.messages.exchange import HaltOrdered
    from lct.run.switch import Switch

    assert site.folder is not None, "a journal lies in a folder"
    return [Switch(site.folder)] if HaltOrdered in hearers(daemon) else []


def _pulled(switch: "Switch", living: "Living") -> None:
    """Let a daemon on the wall clock hear at once that somebody pulled the switch."""
    switch.offer()
    living.look()


def wall_clock() -> WallClock:
    """Return the clock of this house: the machine's, unless a test has it run faster (`LCT_CLOCK=rate,origin`)."""
    plan = os.environ.get(CLOCK)
    if not plan:
        return WallClock()
    rate, _, origin_ns = plan.partition(",")
    return WallClock(float(rate), int(origin_ns))


def _close_at_the_end(ports: list[TimedPort], stack: ExitStack) -> None:
    for port in ports:
        if hasattr(port, "close"):
            stack.callback(port.close)


async def _conduct(root: Path) -> None:
    """Conduct the house's replayed time."""
    from lct.bus.conducting import Conducting
    from lct.bus.conductor import Conductor
    from lct.messages.base import tag_of
    from lct.messages.conductor import GetReplay
    from lct.messages.market_data import BarsClosed
    from lct.messages.strategy_engine import Scored
    from lct.store.rounds import RoundLog

    _import_messages()
    settled = Settled(root)
    house = house_of(settled)
    folder = journal_folder(root, house)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = tuple(name for name in daemon_names() if not lives_on_wall_clock(name))
    rounds = RoundLog(folder / "rounds.db", (tag_of(BarsClosed), tag_of(Scored)))
    life = Life(CONDUCTOR, rounds.epoch, root, None, lct.__version__, settled.hash)
    shell = Shell(life, (GetReplay,), lambda _after: (), is_hub=True)
    speed = os.environ.get(SPEED)
    conducting = Conducting(shell, Conductor(names, rounds), float(speed) if speed else None)
    with ExitStack() as stack:
        stack.callback(shell.close)
        await shell.open()
        conducting.open(socket_folder(root))
        stack.callback(conducting.close)
        await shell.live()


def _import_messages() -> None:
    """Load every type of message there is: who carries requests from outside must know a sound one."""
    import lct.messages

    folder = Path(str(lct.messages.__file__)).parent
    for path in sorted(folder.glob("*.py")):
        if not path.stem.startswith("_"):
            import_module(f"lct.messages.{path.stem}")
