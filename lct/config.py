"""Configuration: strict, frozen structs from TOML files; what is wrong is named by file, line and key.

Numbers with a point come out of TOML as Decimal, so money stays exact; a `float` field takes them too. Bounds stand in
the struct: `Annotated[int, Meta(ge=0)]`, and for money, which msgspec cannot bound, `Meta(extra={"ge": 0})`.
"""

import datetime as dt
import json
import operator
import os
import re
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from lct.errors import ConfigError, nearest

Hook = Callable[[type, Any], Any]
T = TypeVar("T", bound=msgspec.Struct)

CONFIG_BYTES_MAX = 1_048_576
HOME_FOLDERS = ("config", "journal", "bars", "run", "log", "keys", "plugins")
BOM = b"\xef\xbb\xbf"
PLAIN = (Decimal, dt.date, dt.time, dt.datetime)
BOUNDS = {"ge": (operator.ge, ">="), "gt": (operator.gt, ">"), "le": (operator.le, "<="), "lt": (operator.lt, "<")}
INTEGER_BITS, EXPONENT_MAX = 63, 300
COMMENT_WIDTH = 108
UNCOMMENT = "# Uncomment this line first, and then every key: one left out is not as shown."

HEADER = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}")
ASSIGNED = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
AT_KEY = re.compile(r"(?P<reason>.*?)(?: - at `\$?(?P<key>.*)`)?$", re.DOTALL)
MISSING = re.compile(r"Object missing required field `(.+)`")


def load(path: Path, kind: type[T], hook: Hook) -> T:
    """Read a TOML file into the frozen struct `kind`; `hook` is its dec_hook (lct.domain.money.money_hook).

    Raises ConfigError, which names the file, the line where it is known, and the key.
    """
    text, values = _parsed(path)
    return _convert(values, kind, hook, lambda key: _place(path, text, key))


def findings(path: Path, kind: type[msgspec.Struct], hook: Hook) -> list[str]:
    """Return all that is wrong with a file, each as `load` would say it, and empty where it would read the file."""
    try:
        text, values = _parsed(path)
        wrong = [*_unknown_keys(values, inspect.type_info(kind)), *_bad_numbers(values)]
        if not wrong:
            _convert(values, kind, hook, lambda key: _place(path, text, key))
    except ConfigError as error:
        return [str(error)]
    return [f"{_place(path, text, key)}: {reason}" for key, reason in wrong]


def convert(values: Any, kind: type[T], hook: Hook, where: str) -> T:
    """Turn a table that was read already into the struct `kind`; ConfigError names `where` it stands."""
    return _convert(values, kind, hook, lambda _key: where)


def override(config: T, pairs: Sequence[str], hook: Hook) -> T:
    """Return `config` with `key=value` pairs applied: dotted keys, TOML values or bare words, checked as in a file.

    Raises ConfigError naming the pair that is wrong.
    """
    for pair in pairs:
        key, equals, word = pair.partition("=")
        key, word = key.strip(), word.strip()
        if not equals or not all(key.split(".")):
            raise ConfigError(f"--set {pair!r}: write key=value, as in --set max_open_orders=5")
        config = _with(config, key, word, hook)
    return config


def defaults_dir() -> Path:
    """Return the folder of the default configuration files: inside the wheel, or `configs/` of a checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "default_configs"
    return shipped if shipped.is_dir() else package.parent / "configs"


def home() -> Path:
    """Return the folder that holds all that lct keeps: $LCT_HOME, or the platform's folder for user data."""
    named = os.environ.get("LCT_HOME", "").strip()
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("lct", appauthor=False)


def ensure_home(home: Path) -> None:
    """Create the home and its folders, closed to everyone else (0700); ConfigError where that cannot be done."""
    for folder in (home, *(home / name for name in HOME_FOLDERS)):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)  # the umask, or an older lct, may have left it open
        except OSError as error:
            raise ConfigError(f"cannot make {folder} ({error.strerror}); set LCT_HOME to a folder of yours") from None


def document(kind: type[msgspec.Struct], values: dict[str, Any] | None = None) -> str:
    """Write a TOML file for `kind`: each field under its description, its default as a comment; `values` are set.

    So a default stands in one place, the struct, and files show it. Inner structs become tables.
    """
    about = (kind.__dict__.get("__doc__") or "").strip().partition("\n")[0]
    head = [*_comment(about), ""] if about else []
    return "\n".join([*head, *_table(kind, values or {}, "", None)]).rstrip("\n") + "\n"


def _parsed(path: Path) -> tuple[str, dict[str, Any]]:
    text = _text(path)
    try:
        return text, tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}, {_syntax_error(str(error), text)}") from None
    except (ValueError, RecursionError, ArithmeticError):
        raise ConfigError(f"{path}: a number is too long, or arrays are nested too deep") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > CONFIG_BYTES_MAX:
            raise ConfigError(f"{path}: larger than {CONFIG_BYTES_MAX} bytes; that is no configuration file")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `lct init` writes the default ones") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if raw.startswith(BOM):
        raise ConfigError(f"{path}: starts with a byte-order mark; save it as UTF-8 without")
    if not raw.strip():
        raise ConfigError(f"{path}: is empty; `lct init` writes the default one again")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8 text; save it as UTF-8") from None


def _convert(values: Any, kind: type[T], hook: Hook, place: Callable[[str], str]) -> T:
    """Turn parsed TOML into `kind`; `place` says where a dotted key stands, for the message."""
    info = inspect.type_info(kind)
    for key, reason in (*_unknown_keys(values, info), *_bad_numbers(values)):
        raise ConfigError(f"{place(key)}: {reason}")
    try:
        config = msgspec.convert(values, kind, dec_hook=hook)
    except msgspec.ValidationError as error:
        key, reason = _explain(str(error))
        raise ConfigError(f"{place(key)}: {f'{key}: ' if key else ''}{reason}") from None
    for key, reason in _out_of_bounds(config, info):
        raise ConfigError(f"{place(key)}: {key}: {reason}")
    return config


def _with(config: T, key: str, word: str, hook: Hook) -> T:
    """Apply one override: the word as a TOML value, and where the field wants text, as it stands."""
    readings: list[Any] = [word]
    try:
        parsed = tomllib.loads(f"value = {word}", parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        parsed = {}
    if set(parsed) == {"value"}:  # a line break in the word could otherwise set a second key
        readings.insert(0, parsed["value"])
    failures = []
    for value in readings:
        values = msgspec.to_builtins(config, builtin_types=PLAIN)
        *tables, last = key.split(".")
        inner = values
        for name in tables:
            if inner.get(name) is None:
                inner[name] = {}
            inner = inner[name]
            if not isinstance(inner, dict):
                raise ConfigError(f"--set {key}={word}: {name!r} is a value, not a table")
        inner[last] = value
        try:
            return _convert(values, type(config), hook, lambda _: f"--set {key}={word}")
        except ConfigError as error:
            failures.append(error)
    raise failures[0]


def _options(info: Any) -> list[Any]:
    """Return the types a field may have, without annotations and unions around them."""
    if isinstance(info, inspect.Metadata):
        return _options(info.type)
    if isinstance(info, inspect.UnionType):
        return [option for part in info.types for option in _options(part)]
    return [info]


def _inside(value: Any, info: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield what a table, array or struct holds: the way to it (`.key` or `[n]`), the value, and its type (or None)."""
    options = _options(info)
    fields = {f.encode_name: f for option in options if isinstance(option, inspect.StructType) for f in option.fields}
    if isinstance(value, msgspec.Struct):
        for name, field in fields.items():
            yield f".{name}", getattr(value, field.name, None), field.type
    elif isinstance(value, dict):
        others = next((option.value_type for option in options if isinstance(option, inspect.DictType)), None)
        for name, item in value.items():
            yield f".{name}", item, fields[name].type if name in fields else others
    elif isinstance(value, list | tuple):
        kinds = next((getattr(option, "item_types", None) for option in options), None)
        each = next((option.item_type for option in options if hasattr(option, "item_type")), None)
        for index, item in enumerate(value):
            yield f"[{index}]", item, kinds[index] if kinds and index < len(kinds) else each


def _unknown_keys(value: Any, info: Any, at: str = "") -> Iterator[tuple[str, str]]:
    structs = [option for option in _options(info) if isinstance(option, inspect.StructType)]
    if structs and isinstance(value, dict):
        known = {field.encode_name for struct in structs for field in struct.fields}
        known |= {struct.tag_field for struct in structs if struct.tag_field}
        for name in value:
            if name not in known:
                key = f"{at}.{name}".lstrip(".")
                yield key, f"unknown key {key!r}; {nearest(name, known)}"
    for way, item, kind in _inside(value, info):
        yield from _unknown_keys(item, kind, at + way)


def _bad_numbers(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield numbers that TOML can write and no field may hold: nan, inf, and what overflows or vanishes."""
    key = at.lstrip(".")
    if isinstance(value, Decimal) and not value.is_finite():
        yield key, f"{key}: {value} is not a finite number"
    too_far = isinstance(value, Decimal) and value.is_finite() and value and abs(value.adjusted()) > EXPONENT_MAX
    if too_far or (isinstance(value, int) and value.bit_length() > INTEGER_BITS):
        yield key, f"{key}: number out of range"
    for way, item, _ in _inside(value, None):
        yield from _bad_numbers(item, at + way)


def _out_of_bounds(value: Any, info: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield the decimals that break a bound of `Meta(extra=...)`."""
    if isinstance(info, inspect.Metadata) and isinstance(value, Decimal):
        for name, (holds, sign) in BOUNDS.items():
            bound = (info.extra or {}).get(name)
            if bound is not None and not holds(value, Decimal(str(bound))):
                yield at.lstrip("."), f"{value} is out of range; it must be {sign} {bound}"
    if isinstance(info, inspect.Metadata):
        yield from _out_of_bounds(value, info.type, at)
    elif isinstance(info, inspect.UnionType) and isinstance(value, Decimal):
        for part in info.types:
            yield from _out_of_bounds(value, part, at)
    else:
        for way, item, kind in _inside(value, info):
            yield from _out_of_bounds(item, kind, at + way)


def _explain(message: str) -> tuple[str, str]:
    """Take msgspec's message apart: the dotted key (empty for the whole file), and the reason in plain words."""
    match = AT_KEY.match(message)
    assert match is not None, "the pattern matches any text"
    key = (match["key"] or "").lstrip(".")
    missing = MISSING.fullmatch(match["reason"])
    if missing:
        return f"{key}.{missing[1]}".lstrip("."), "is missing, and it has no default"
    reason = match["reason"].replace("`decimal`", "a number with a point").replace("`", "")
    return key, reason[:1].lower() + reason[1:]


def _place(path: Path, text: str, key: str) -> str:
    line = _line_of(text, key)
    return f"{path}, line {line}" if line else str(path)


def _line_of(text: str, key: str) -> int:
    """Return the line where a dotted key (or the nearest table around it) stands in a TOML text, 0 if nowhere."""
    wanted = key.partition("[...]")[0]
    best, best_line = "", 0
    for full, line in _keys(text):
        around = wanted == full or wanted.startswith((f"{full}.", f"{full}["))
        if around and len(full) > len(best):
            best, best_line = full, line
    return best_line


def _keys(text: str) -> Iterator[tuple[str, int]]:
    """Yield each dotted key and table of a TOML text with its line, as far as lines alone can tell."""
    table, arrays, quote = "", Counter[str](), ""
    for number, line in enumerate(text.splitlines(), 1):
        inside, quote = bool(quote), _open_quote(line, quote)
        if inside:
            continue
        header, assigned = HEADER.match(line), ASSIGNED.match(line)
        if header:
            table = _clean(header[2])
            for name in sorted(arrays):
                if table.startswith(f"{name}."):
                    table = f"{name}[{arrays[name] - 1}]{table[len(name) :]}"
            if header[1] == "[[":
                arrays[table] += 1
                table = f"{table}[{arrays[table] - 1}]"
            yield table, number
        elif assigned:
            yield f"{table}.{_clean(assigned[1])}".lstrip("."), number


def _open_quote(line: str, quote: str) -> str:
    """Return the triple quote that is still open after a line, given the one open before it."""
    for mark in re.findall(r'"""|\'\'\'', line):
        if not quote:
            quote = mark
        elif quote == mark:
            quote = ""
    return quote


def _clean(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def _syntax_error(message: str, text: str) -> str:
    """Say tomllib's error with the line first, and a key that is there twice by its name."""
    match = AT_LINE.search(message)
    lines = text.splitlines()
    line = int(match[1]) if match and match[1] else len(lines)
    reason = AT_LINE.sub("", message)
    if "overwrite" in reason or "twice" in reason or "mutate" in reason:
        # tomllib notices at the end of the value, which for the last line is the end of the document
        again = [full for full, number in _keys(text) if number <= line]
        return f"line {line}: key {again[-1] if again else '?'!r} is given twice; keep one"
    return f"line {line}: not TOML: {reason[:1].lower()}{reason[1:]}"


def _table(kind: type[msgspec.Struct], values: dict[str, Any], at: str, shown: msgspec.Struct | None) -> list[str]:
    """Write the lines of a table; `shown` has the values that hold without it, None means those of the type."""
    lines: list[str] = []
    tables: list[str] = []
    for field in msgspec.structs.fields(kind):
        info = inspect.type_info(field.type)
        structs = [option.cls for option in _options(info) if isinstance(option, inspect.StructType)]
        default = _default(field) if shown is None else getattr(shown, field.name)
        name = field.encode_name
        if structs and isinstance(default, msgspec.Struct):
            key, inner = f"{at}.{name}".lstrip("."), type(default)
            # an empty table would change a default that is not its type's
            own = name in values or all(getattr(default, f.name) == _default(f) for f in msgspec.structs.fields(inner))
            head = f"[{key}]" if own else f"{UNCOMMENT}\n# [{key}]"
            tables += [*_comment(_description(info)), head, *_table(inner, values.get(name, {}), key, default)]
            continue
        lines += _comment(_description(info))
        if name in values:
            lines.append(f"{name} = {_written(values[name])}")
        elif default is msgspec.NODEFAULT:
            lines.append(f"# required: {name} = ...")
        elif default is None:
            lines.append(f"# absent by default: {name} = ...")
        else:
            lines.append(f"# {name} = {_written(default)}")
        lines.append("")
    return [*lines, *tables]


def _default(field: msgspec.structs.FieldInfo) -> Any:
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


def _description(info: Any) -> str:
    """Return the description that a field's Meta carries, also from inside an optional."""
    if isinstance(info, inspect.UnionType):
        return next((text for part in info.types if (text := _description(part))), "")
    if not isinstance(info, inspect.Metadata):
        return ""
    return str((info.extra_json_schema or {}).get("description", "")) or _description(info.type)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, COMMENT_WIDTH)]


def _written(value: Any) -> str:
    """Write a value as TOML."""
    plain = msgspec.to_builtins(value, builtin_types=PLAIN)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, str):
        return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(plain, Decimal):
        return format(plain, "f")
    if isinstance(plain, list | tuple):
        return f"[{', '.join(_written(item) for item in plain)}]"
    if isinstance(plain, dict):
        items = (f"{_written(str(key))} = {_written(item)}" for key, item in plain.items() if item is not None)
        return f"{{ {', '.join(items)} }}" if plain else "{}"
    return str(plain)
