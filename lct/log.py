"""The log: one line per fact, as JSON for machines or in columns for a person at a terminal."""

import json as stdlib_json
import logging
import sys
from collections.abc import MutableMapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, TextIO

import msgspec

from lct.clock import now_ns, rfc3339
from lct.errors import ConfigError, nearest

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

Facts = MutableMapping[str, Any]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
FIRST_KEYS = ("timestamp", "service", "level", "message")


def configure(
    service: str, level: str = "info", json: bool | None = None, file: "TextIO | Rotated | None" = None
) -> None:
    """Set the log of this process up: who speaks, from which level on, in which form, and where to (None: stderr).

    Without a form it is JSON, unless it goes to a terminal. What libraries say through the standard library's logging
    comes out in the same form, from `warning` on.
    Raises ConfigError for an unknown level.
    """
    structlog = _structlog()
    if level not in LEVELS:
        raise ConfigError(f"no log level {level!r}; {nearest(level, LEVELS)}")
    stream: Any = _Stderr() if file is None else file
    as_json = not stream.isatty() if json is None else json
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            _Head(service),
            *(_json_tail() if as_json else _console_tail(colors=stream.isatty())),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,  # a later `configure` must reach loggers that modules already hold
    )
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(max(LEVELS[level], logging.WARNING))


def get(**facts: Any) -> "FilteringBoundLogger":
    """Return a logger that adds `facts` to all it says: `log.get(symbol="BTC/USDT").info("order.accepted", id=7)`."""
    logger: FilteringBoundLogger = _structlog().get_logger(**facts)
    return logger


def _structlog() -> ModuleType:
    """Load structlog with the first process that logs, and without rich where nobody else has loaded that.

    structlog would draw tracebacks with it, which we never ask for: four fifths of its import, and 5 MiB a process.
    """
    if "structlog" not in sys.modules and "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails, and structlog does without
        try:
            return import_module("structlog")
        finally:
            del sys.modules["rich"]
    return import_module("structlog")


class _Stderr:
    """Whatever stderr is when something is said: one that stood there before may be closed by then."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


class Rotated:
    """A text file for a log, with the ones before it beside it as `.1`, `.2`, ...; none grows too large."""

    def __init__(self, path: Path, bytes_max: int, backups: int) -> None:
        """Append to `path`; a line that would make it larger than `bytes_max` begins a new file."""
        self.path = path
        self._bytes_max = bytes_max
        self._backups = backups
        self._file = self._open()

    def _open(self) -> TextIO:
        file = self.path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        self._size = file.tell()
        return file

    def write(self, text: str) -> int:
        """Write a line."""
        if self._size and self._size + len(text) > self._bytes_max:
            self._file.close()
            for number in range(self._backups, 0, -1):
                older = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
                if older.exists():
                    older.replace(self.path.with_name(f"{self.path.name}.{number}"))
            self._file = self._open()
        self._size += len(text.encode())
        return self._file.write(text)

    def flush(self) -> None:
        """Write what is in memory."""
        self._file.flush()

    def isatty(self) -> bool:
        """Return False: nobody reads along."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Head:
    """Puts the time, the service, the level and the message before the facts."""

    def __init__(self, service: str) -> None:
        self.service = service

    def __call__(self, _logger: Any, _method: str, facts: Facts) -> Facts:
        head = {
            "timestamp": rfc3339(now_ns()),
            "service": self.service,
            "level": facts.pop("level", "info"),
            "message": facts.pop("event", ""),
        }
        rest = {f"fact_{key}" if key in FIRST_KEYS else key: value for key, value in facts.items()}
        return {**head, **rest}


def _json_tail() -> "list[Processor]":
    from structlog.processors import ExceptionRenderer

    # the standard traceback has no local variables: they may hold keys
    return [ExceptionRenderer(), _as_json]


def _console_tail(*, colors: bool) -> "list[Processor]":
    from structlog.dev import ConsoleRenderer, plain_traceback

    renderer = ConsoleRenderer(
        colors=colors,
        event_key="message",
        exception_formatter=plain_traceback,
        repr_native_str=True,  # a name from outside cannot move the cursor
        sort_keys=False,
    )
    return [renderer]


def _as_json(_logger: Any, _method: str, facts: Facts) -> str:
    try:
        return msgspec.json.encode(facts, enc_hook=str).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        # a fact that no JSON can hold must not end the process that reports it
        return stdlib_json.dumps({str(key): str(value) for key, value in facts.items()})


class _Forward(logging.Handler):
    """Carries records of the standard library's logging into the log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record, with the library's name and its traceback as facts."""
        level = record.levelname.lower()
        number = LEVELS.get(level, logging.WARNING)
        get(library=record.name).log(number, record.getMessage(), exc_info=record.exc_info or None)
