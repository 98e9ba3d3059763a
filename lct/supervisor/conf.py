"""The supervisor's settings: supervisord.conf as it is shipped, and the copy of it that a home runs."""

import configparser
import io
from collections.abc import Sequence
from pathlib import Path

from lct.errors import ConfigError, NotFound, nearest

NAME = "supervisord.conf"
PROGRAM = "program:"
CONDUCTOR = "conductor"
AUDIT = "audit"
"""The independent checker, which is no daemon: it stands wherever execution does."""
CHECKED = "execution"
CONDUCTOR_PRIORITY = 50
"""After those that keep the books, before those that begin."""
CHECKOUT_PYTHON = '"%(here)s/.venv/bin/python"'
COMMENTS = (";", "#")

PYTHON, SOCKET = "LCT_PYTHON", "LCT_SUPERVISOR_SOCKET"
"""Environment variables that a copy expands: so no path is quoted by hand, whatever letters it has."""
OWNER = "LCT_SUPERVISOR_OWNER"
"""The process that supervisord is not to outlive; without it, it lives until it is told to end."""


def shipped() -> Path:
    """Return the supervisord.conf of this installation: inside the wheel, or at the root of a checkout."""
    package = Path(__file__).resolve().parent.parent
    carried = package / "default_configs" / NAME
    return carried if carried.exists() else package.parent / NAME


def programs(path: Path) -> list[str]:
    """Return the programs of a file in the order they start in; ConfigError where it cannot be read."""
    parser = _parsed(path)
    names = [section.removeprefix(PROGRAM) for section in parser.sections() if section.startswith(PROGRAM)]
    return sorted(names, key=lambda name: (_priority(parser, name), name))


def chosen(path: Path, only: Sequence[str] | None) -> list[str]:
    """Return the programs of `only` (None: all) in the order they start in; NotFound for a stranger."""
    known = [name for name in programs(path) if name not in (CONDUCTOR, AUDIT)]
    for name in only or ():
        if name not in known:
            raise NotFound(f"no daemon named {name!r} in {path}; {nearest(name, known)}")
    return known if only is None else [name for name in known if name in only]


def with_checker(path: Path, names: Sequence[str]) -> list[str]:
    """Return daemons with the checker behind them, where execution is one of them and the file has a checker."""
    return [*names, AUDIT] if CHECKED in names and AUDIT in programs(path) else list(names)


def copy(path: Path, names: Sequence[str], password: str, *, conductor: bool = False) -> str:
    """Return the text of a home's own file: some programs of `path`, run by this Python, logging into the home.

    With `conductor` it has [program:conductor] too, made like the others. It is for a supervisord that runs in `run` of
    the home, with the environment variables PYTHON and SOCKET.
    """
    parser = _parsed(path)
    if conductor and not parser.has_section(PROGRAM + CONDUCTOR):
        _add_conductor(parser, names[0])
    wanted = [*names, CONDUCTOR] if conductor else names
    for section in parser.sections():
        if section.startswith(PROGRAM) and section.removeprefix(PROGRAM) not in wanted:
            parser.remove_section(section)
    parser.remove_section("supervisorctl")
    _put(parser, "unix_http_server", {"file": f"%(ENV_{SOCKET})s", "username": "lct", "password": password})
    _put(parser, "supervisord", {"pidfile": "supervisord.pid", "logfile": "../log/supervisord.log"})
    for name in wanted:
        section = PROGRAM + name
        command = parser.get(section, "command").replace(CHECKOUT_PYTHON, f'"%(ENV_{PYTHON})s"')
        _put(parser, section, {"command": command, "stdout_logfile": "../log/%(program_name)s.out.log"})
    text = io.StringIO()
    parser.write(text)
    return f"; made by `lct up` out of {NAME}; changes are lost\n\n{text.getvalue()}"


def _add_conductor(parser: configparser.RawConfigParser, like: str) -> None:
    section = PROGRAM + CONDUCTOR
    parser.add_section(section)
    for key, value in parser.items(PROGRAM + like):
        words = value.split(" ")
        own = [CONDUCTOR if word == like else word for word in words] if key == "command" else words
        parser.set(section, key, " ".join(own))
    parser.set(section, "priority", str(CONDUCTOR_PRIORITY))


def _put(parser: configparser.RawConfigParser, section: str, values: dict[str, str]) -> None:
    for key, value in values.items():
        parser.set(section, key, value)


def _priority(parser: configparser.RawConfigParser, name: str) -> int:
    return parser.getint(PROGRAM + name, "priority", fallback=999)


def _parsed(path: Path) -> configparser.RawConfigParser:
    """Read a file as supervisord does."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=COMMENTS, strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"), str(path))
        for name in ("supervisord", "unix_http_server"):
            parser.options(name)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (configparser.Error, ValueError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    return parser
