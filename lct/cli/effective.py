"""Effective: the settings that hold, which file set each, and what is wrong with the files."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from lct.config import PLAIN, findings
from lct.domain.money import money_hook
from lct.errors import LctError, NotFound, nearest
from lct.run.house import Settings, load_settings
from lct.run.members import feed, strategies, token_source


def effective(folder: Path, section: str | None) -> list[dict[str, Any]]:
    """Return each setting as a row of key, value and source; NotFound for an unknown section."""
    sections = Settings.__struct_fields__
    if section is not None and section not in sections:
        raise NotFound(f"no section {section!r}; {nearest(section, sections)}")
    settings = load_settings(folder)
    rows = []
    for name in sections if section is None else (section,):
        path = folder / f"{name}.toml"
        written = set(_keys(tomllib.loads(path.read_text(encoding="utf-8")))) if path.exists() else set()
        values = msgspec.to_builtins(getattr(settings, name), builtin_types=PLAIN)
        for key, value in _leaves(values):
            source = str(path) if key in written else "default"
            rows.append({"key": f"{name}.{key}", "value": value, "source": source})
    return rows


def checked(folder: Path) -> list[dict[str, Any]]:
    """Return what is wrong with each file of a folder, one row a finding; a sound file has one row that says so."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.toml")):
        found = findings(path, kinds[path.stem], money_hook) if path.stem in kinds else []
        rows += [_row(path.name, text) for text in found] or [_row(path.name)]
    if all(row["passed"] for row in rows):
        rows += _together(folder)
    return rows


def _together(folder: Path) -> list[dict[str, Any]]:
    """Check what no single file shows: that the plugins it names are there and take their tables."""
    try:
        settings = load_settings(folder)
        strategies(settings.strategy_engine.strategies, settings.strategy_engine.parameters)
        feed(settings.house)
        token_source(settings.token_discovery.source, settings.token_discovery.sources, 0, 0)
    except LctError as error:
        return [_row("all files together", str(error))]
    return []


def _row(file: str, finding: str | None = None) -> dict[str, Any]:
    return {"file": file, "passed": finding is None, "detail": finding or ""}


def _leaves(values: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{at}{name}.")
        else:
            yield f"{at}{name}", str(value) if isinstance(value, PLAIN[1:]) else value


def _keys(values: Mapping[str, Any]) -> Iterator[str]:
    for key, _ in _leaves(values):
        yield key
