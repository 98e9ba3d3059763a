"""Plugins: what the catalog finds, as rows and as the parameters of one."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import inspect

from lct import catalog
from lct.errors import LctError, NotFound, nearest


def group_of(word: str) -> str:
    """Return the group that a person means by `strategies` or by `strategy`; NotFound names the nearest."""
    nouns = {group.noun: name for name, group in catalog.GROUPS.items()}
    if word not in nouns and word not in catalog.GROUPS:
        raise NotFound(f"no kind of plugin {word!r}; {nearest(word, [*nouns, *catalog.GROUPS])}")
    return nouns.get(word, word)


def plugin_rows(group: str | None) -> list[dict[str, Any]]:
    """Return the plugins of one group or of all, none of them imported."""
    groups = list(catalog.GROUPS) if group is None else [group_of(group)]
    return [
        {"group": plugin.group, "name": plugin.name, "origin": plugin.origin, "where": plugin.where}
        for name in groups
        for plugin in catalog.found(name)
    ]


def plugin_facts(group: str, name: str) -> dict[str, Any]:
    """Return what one plugin says of itself, with its parameters."""
    kind = catalog.load(group, name)
    plugin = next(plugin for plugin in catalog.found(group) if plugin.name == name)
    return {
        "group": group,
        "name": name,
        "summary": kind.summary,
        "origin": plugin.origin,
        "where": plugin.where,
        "parameters": parameters(kind.Config) if hasattr(kind, "Config") else [],
    }


def strategy_rows() -> list[dict[str, Any]]:
    """Return all strategies; what is wrong with one that does not load stands in its summary."""
    return [_strategy_row(plugin) for plugin in catalog.found("strategies")]


def _strategy_row(plugin: catalog.Found) -> dict[str, Any]:
    row: dict[str, Any] = {"name": plugin.name, "origin": plugin.origin, "warmup": None, "timeframes": []}
    try:
        kind = catalog.load("strategies", plugin.name)
        row |= {"warmup": kind().warmup, "timeframes": list(kind.timeframes), "summary": kind.summary}
    except LctError as error:
        row["summary"] = f"does not load: {error}"
    return row


def strategy_facts(name: str) -> dict[str, Any]:
    """Return what one strategy says of itself, and the block of the anchor grid that follows from its warmup."""
    from lct.domain.anchor import block_bars

    kind = catalog.load("strategies", name)
    facts = plugin_facts("strategies", name)
    del facts["group"]
    warmup = kind().warmup
    return {**facts, "warmup": warmup, "block_bars": block_bars(warmup), "timeframes": list(kind.timeframes)}


def parameters(kind: type[msgspec.Struct]) -> list[dict[str, Any]]:
    """Return the fields of a Config: type, default, bounds, the range to search, and what each is."""
    return [_parameter(field) for field in msgspec.structs.fields(kind)]


def _parameter(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    info = inspect.type_info(field.type)
    meta, inner = _unwrapped(info)
    bounds = {"min": getattr(inner, "ge", None), "above": getattr(inner, "gt", None)}
    bounds |= {"max": getattr(inner, "le", None), "below": getattr(inner, "lt", None)}
    extra = dict(meta.extra or {}) if meta is not None else {}
    search = extra.get("search")
    return {
        "name": field.encode_name,
        "type": "money" if _is_money(inner) else type(inner).__name__.removesuffix("Type").lower().removeprefix("var"),
        "default": _default(field),
        **bounds,
        "search": None if search is None else list(search),
        "description": str((meta.extra_json_schema or {}).get("description", "")) if meta is not None else "",
    }


def _unwrapped(info: Any) -> tuple[inspect.Metadata | None, Any]:
    """Return the annotation and the type of a field, also from inside an optional."""
    if isinstance(info, inspect.Metadata):
        return info, _unwrapped(info.type)[1]
    if isinstance(info, inspect.UnionType):
        parts = [_unwrapped(part) for part in info.types if not isinstance(part, inspect.NoneType)]
        return parts[0] if len(parts) == 1 else (None, info)
    return None, info


def _is_money(info: Any) -> bool:
    return isinstance(info, inspect.CustomType | inspect.DecimalType)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT:
        return None
    plain: Any = msgspec.to_builtins(value, builtin_types=(Decimal,))
    return plain
