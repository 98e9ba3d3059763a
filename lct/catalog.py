"""The catalog: which plugins exist, found without importing them, and loaded one by name.

A plugin is one file, `plugins/<group>/<name>.py`, with one class of the group's port in it. Those of the house, those
in `$LCT_HOME/plugins/<group>/` and those that installed packages announce as entry points (`lct.feeds`, ...) are alike.
"""

import hashlib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from inspect import isabstract
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

import plugins
from lct.config import home
from lct.errors import LctError, NotFound, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of plugin: the class it must extend, as `module:Class`, and what one is called in a sentence."""

    port: str
    noun: str


GROUPS = {
    "strategies": Group("lct.ports.strategy:Strategy", "strategy"),
    "feeds": Group("lct.ports.feed:Feed", "feed"),
    "exchanges": Group("lct.ports.exchange:Exchange", "exchange"),
    "token_sources": Group("lct.ports.token_source:TokenSource", "token_source"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that exists: its name, who brought it (`bundled`, `user` or `package`), and the file or entry point."""

    group: str
    name: str
    origin: str
    where: str
    entry: "EntryPoint | None" = None


def found(group: str, extra: Sequence[Path] = ()) -> list[Found]:
    """Return every plugin of a group, sorted by name, without importing any; a name that is taken twice is there twice.

    `extra` are further folders laid out like `$LCT_HOME/plugins`. Raises NotFound for an unknown group.
    """
    _group(group)
    seen = [Found(group, path.stem, "bundled", str(path)) for path in _files(Path(plugins.__file__).parent / group)]
    for folder in (home() / "plugins", *extra):
        seen += [Found(group, path.stem, "user", str(path)) for path in _files(folder / group)]
    for entry in _announced_in(f"lct.{group}"):
        seen.append(Found(group, entry.name, "package", f"{entry.value} ({entry.group})", entry))
    return sorted(seen, key=lambda plugin: (plugin.name, plugin.origin, plugin.where))


@cache
def _announced_in(group: str) -> tuple["EntryPoint", ...]:
    """Return the entry points of the packages that are installed; a process looks once."""
    from importlib.metadata import entry_points  # a tenth of what a daemon that has no plugins loads

    return tuple(entry_points(group=group))


def names(group: str, extra: Sequence[Path] = ()) -> list[str]:
    """Return the names of a group's plugins, sorted; raises NotFound for an unknown group."""
    return sorted({plugin.name for plugin in found(group, extra)})


def load(group: str, name: str, extra: Sequence[Path] = ()) -> type[Any]:
    """Import exactly one plugin and return its class, a child of the group's port.

    Raises NotFound for an unknown group or name, and LctError where the name is taken twice, breaks the rule for names,
    or the file does not import or does not hold exactly one plugin of that name.
    """
    noun = _group(group).noun
    candidates = [plugin for plugin in found(group, extra) if plugin.name == name]
    if not candidates:
        raise NotFound(f"no {noun} named {name!r}; {nearest(name, names(group, extra))}")
    if len(candidates) > 1:
        places = " and ".join(plugin.where for plugin in candidates)
        raise LctError(f"two plugins are named {name!r}: {places}; rename one")
    plugin = candidates[0]
    if not NAME.fullmatch(name):
        raise LctError(
            f"{plugin.where}: {name!r} cannot name a plugin; use a-z, 0-9 and _, a letter first, at most 32 characters"
        )
    kind = _announced(plugin) if plugin.entry else _only_class(plugin, _module(plugin))
    if getattr(kind, "name", None) != name:
        raise LctError(f"{plugin.where}: {kind.__name__}.name is {getattr(kind, 'name', None)!r}; it must be {name!r}")
    return kind


def _group(group: str) -> Group:
    if group not in GROUPS:
        raise NotFound(f"no plugin group {group!r}; {nearest(group, GROUPS)}")
    return GROUPS[group]


def _files(folder: Path) -> list[Path]:
    """Return the plugin files of a folder; `_name.py` is none, and neither is what an editor leaves behind."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.glob("*.py") if path.is_file() and path.name[0] not in "._")


def _port(group: str) -> type[Any]:
    module, _, name = _group(group).port.partition(":")
    port: type[Any] = getattr(importlib.import_module(module), name)
    return port


def _module(plugin: Found) -> ModuleType:
    """Import the file of a plugin: a bundled one as part of its package, a user's under a name of its own."""
    try:
        if plugin.origin == "bundled":
            return importlib.import_module(f"plugins.{plugin.group}.{plugin.name}")
        return _import_file(plugin)
    except (Exception, SystemExit) as error:  # a stranger's file may raise anything, and the reader needs its name
        raise LctError(f"{plugin.where}{_line(plugin.where, error)} does not import: {_reason(error)}") from error


class _SourceOnly(importlib.machinery.SourceFileLoader):
    """Compiles the file as it is now, and leaves no bytecode beside it."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source; never read or write a cache."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _import_file(plugin: Found) -> ModuleType:
    digest = hashlib.sha256(plugin.where.encode()).hexdigest()[:8]
    name = f"lct_plugin_{plugin.group}_{plugin.name}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, plugin.where, loader=_SourceOnly(name, plugin.where))
    assert spec is not None, "a loader was given"
    assert spec.loader is not None, "a loader was given"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and msgspec look a class's module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _only_class(plugin: Found, module: ModuleType) -> type[Any]:
    """Return the one class of the group's port that the module itself defines."""
    port = _port(plugin.group)
    own = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, port) and thing.__module__ == module.__name__
    ]
    whole = [kind for kind in dict.fromkeys(own) if not isabstract(kind)]
    if len(whole) == 1:
        return whole[0]
    if whole:
        listed = ", ".join(kind.__name__ for kind in whole)
        raise LctError(f"{plugin.where}: defines {len(whole)} plugins ({listed}); one file holds one")
    if own:
        lacking = ", ".join(sorted(getattr(own[0], "__abstractmethods__", ())))
        raise LctError(f"{plugin.where}: {own[0].__name__} does not define {lacking}")
    raise LctError(f"{plugin.where}: no class in it extends {port.__name__} (from {port.__module__})")


def _announced(plugin: Found) -> type[Any]:
    """Load an entry point and check that it names a whole class of the group's port."""
    assert plugin.entry is not None, "only entry points come here"
    try:
        kind = plugin.entry.load()
    except (Exception, SystemExit) as error:  # as for a file: a stranger's package may raise anything
        raise LctError(f"{plugin.where} does not import: {_reason(error)}") from error
    port = _port(plugin.group)
    if not isinstance(kind, type) or not issubclass(kind, port) or isabstract(kind):
        raise LctError(f"{plugin.where}: is not a whole class that extends {port.__name__}")
    return kind


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error) or 'no message'}"


def _line(where: str, error: BaseException) -> str:
    """Return `, line N` for the last line of the plugin's own file that led to the error."""
    if isinstance(error, SyntaxError) and error.filename == where:
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == where]
    return f", line {lines[-1]}" if lines else ""
