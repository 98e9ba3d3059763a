"""The rules of the house that no linter sees."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import lct
import plugins

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("lct", "daemons", "plugins")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MEASURING = sorted(path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
OUTSIDE_TIME_AND_CHANCE = [ROOT / "lct" / "clock.py", *sorted((ROOT / "lct" / "run").glob("*.py"))]
REFUSED_NAMES = {"manager", "helper", "helpers", "util", "utils", "enhanced", "fixed", "v2", "base2"}
MODE_FLAGS = {"dry_run", "is_live", "is_backtest"}
LAZY = ("ccxt", "pandas", "textual", "talib", "pyarrow", "zmq", "sqlite_utils")


def here(path: Path, line: int | None = None) -> str:
    """Say where something stands, as an editor understands it."""
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


def nodes(paths: list[Path]) -> Iterator[tuple[Path, ast.AST]]:
    """Every node of every file."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_bytes())):
            yield path, node


def functions(paths: list[Path]) -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function and method."""
    for path, node in nodes(paths):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield path, node


def modules_in(folder: Path) -> list[str]:
    """The modules and packages directly in a folder; a folder without Python in it is neither."""
    files = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")]
    folders = [path.name for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.py"))]
    return sorted(files + folders)


def floors() -> dict[str, bool]:
    """The floors of the layers contract, and whether each is still written in parentheses."""
    contract = next(c for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["id"] == "floors")
    written = [floor.strip() for layer in contract["layers"] for floor in layer.split("|")]
    return {floor.strip("()"): floor.startswith("(") for floor in written}


# --- the floors


def test_every_module_of_lct_is_on_a_floor() -> None:
    """A module on no floor may import whatever it likes, and nobody would notice."""
    alone = {"audit"}  # the independent checker stands beside the house

    homeless = [name for name in modules_in(ROOT / "lct") if f"lct.{name}" not in floors()]

    assert [name for name in homeless if name not in alone] == []


def test_the_checker_is_kept_apart_from_every_module() -> None:
    """A module that its contracts do not list could be shared unnoticed."""
    contracts = {one["id"]: one for one in PYPROJECT["tool"]["importlinter"]["contracts"]}
    others = {f"lct.{name}" for name in modules_in(ROOT / "lct")} - {"lct.audit"}

    assert others - set(contracts["audit"]["forbidden_modules"]) == set()
    assert others - set(contracts["audited"]["source_modules"]) == {"lct.simulation"}  # a bench for both


def test_a_floor_that_is_built_has_lost_its_parentheses() -> None:
    """In parentheses a floor may be missing: one that was renamed would go unchecked."""
    built = {f"lct.{name}" for name in modules_in(ROOT / "lct")}

    assert [floor for floor, optional in floors().items() if optional and floor in built] == []


def test_every_folder_of_python_is_a_package() -> None:
    """The import contracts do not look into a folder without an __init__.py."""
    folders = {path.parent for path in SOURCES}

    assert sorted(here(folder) for folder in folders if not (folder / "__init__.py").exists()) == []


PLANTED = {
    "an unplanted copy": ({}, ""),
    "a domain that opens a socket": (
        {"lct/domain/planted.py": "import zmq"},
        "Only the bus touches ZeroMQ",
    ),
    "a daemon that knows another": (
        {"daemons/planted_a.py": "import daemons.planted_b", "daemons/planted_b.py": ""},
        "No daemon knows another",
    ),
    "a domain that reads the clock": (
        {"lct/domain/planted.py": "import time"},
        "The domain and the messages reach nothing outside",
    ),
    "a domain that knows what a plugin is": (
        {"lct/domain/planted.py": "import lct.ports"},
        "A floor uses those below it",
    ),
    "a checker that knows the domain": (
        {"lct/audit/planted.py": "import lct.domain.money"},
        "The checker knows nothing of the house",
    ),
    "a daemon that leans on the checker": (
        {"daemons/planted.py": "import lct.audit"},
        "Nobody builds on the checker",
    ),
    "a plugin that reaches for a daemon": (
        {"plugins/planted.py": "import daemons.planted", "daemons/planted.py": ""},
        "A floor uses those below it",
    ),
}


@pytest.mark.parametrize(("files", "contract"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_import_breaks_its_contract(files: dict[str, str], contract: str, tmp_path: Path) -> None:
    """A contract that nothing can break holds nothing."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")

    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--no-cache", "--no-logo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    broken = re.findall(r"^(.+?) BROKEN\b", done.stdout, re.MULTILINE)
    assert broken == ([contract] if contract else []), done.stdout + done.stderr
    assert done.returncode == (1 if contract else 0), done.stdout + done.stderr


def test_the_command_line_starts_without_its_heavy_parts() -> None:
    """`lct --help` answers at once; ccxt alone takes a second to import."""
    if not (ROOT / "lct" / "cli" / "__init__.py").exists():
        pytest.skip("lct.cli is not built yet")
    ask = f"import sys, lct.cli; print([name for name in {LAZY!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


# --- companions and packaging


def test_every_daemon_has_its_companions() -> None:
    """What a daemon says, its settings and its tests are found under its own name."""
    missing = [
        f"{name}: {companion}"
        for name in modules_in(ROOT / "daemons")
        for companion in (
            f"lct/messages/{name}.py",
            f"configs/{name}.toml",
            f"tests/daemons/test_{name}.py",
        )
        if not (ROOT / companion).exists()
    ]

    assert missing == []


def test_lct_and_plugins_come_from_one_place() -> None:
    """`plugins` is a common name: another distribution's would be imported in its stead."""
    assert Path(plugins.__file__).parent.parent == Path(lct.__file__).parent.parent


def test_the_wheel_carries_the_packages_and_the_default_settings(tmp_path: Path) -> None:
    """An installed lct finds its defaults in lct/default_configs; a checkout reads configs/."""
    defaults = {f"lct/default_configs/{path.name}" for path in (ROOT / "configs").glob("*.toml")}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    wheel = next(tmp_path.glob("*.whl"))

    carried = set(zipfile.ZipFile(wheel).namelist())

    assert {here(path) for path in SOURCES} <= carried
    assert defaults <= carried
    assert {"lct/py.typed", "lct/default_configs/supervisord.conf"} <= carried


# --- size and names


@pytest.mark.parametrize(
    ("paths", "file_lines", "function_lines"),
    [([*SOURCES, ROOT / "dev.py"], 400, 50), (MEASURING, 500, 60)],
    ids=["source", "tests and benchmarks"],
)
def test_no_file_and_no_function_is_too_long(paths: list[Path], file_lines: int, function_lines: int) -> None:
    """Over the limit, a noun wants out: a file or a function of its own."""
    lengths = {here(path): len(path.read_bytes().splitlines()) for path in paths}
    spans = {
        f"{here(path, node.lineno)} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, node in functions(paths)
    }

    assert {where: lines for where, lines in lengths.items() if lines > file_lines} == {}
    assert {where: lines for where, lines in spans.items() if lines > function_lines} == {}


def test_a_command_parses_asks_and_prints() -> None:
    """Twenty lines are enough for that; more is work that belongs to a floor below."""
    long = {}
    for path, node in functions(sorted((ROOT / "lct" / "cli").rglob("*.py"))):
        called = [mark.func if isinstance(mark, ast.Call) else mark for mark in node.decorator_list]
        if any(isinstance(mark, ast.Attribute) and mark.attr in {"command", "callback"} for mark in called):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            long[f"{here(path, node.lineno)} {node.name}"] = lines

    assert {where: lines for where, lines in long.items() if lines > 20} == {}


def test_every_name_says_what_it_names() -> None:
    """A manager, a helper or a v2 is where somebody stopped looking for the noun."""

    def words(name: str) -> set[str]:
        return {word.lower() for word in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+", name)}

    paths = [*SOURCES, *MEASURING]
    files = [here(path) for path in paths if words(path.stem) & REFUSED_NAMES]
    classes = [
        f"{here(path, node.lineno)} {node.name}"
        for path, node in nodes(paths)
        if isinstance(node, ast.ClassDef) and words(node.name) & REFUSED_NAMES
    ]

    assert files + classes == []


# --- time, chance and modes


def test_nothing_depends_on_the_hash_of_a_string() -> None:
    """hash() of a string differs from process to process; ruff cannot ban a built-in."""
    calls = [
        here(path, node.lineno)
        for path, node in nodes([path for path in SOURCES if path not in OUTSIDE_TIME_AND_CHANCE])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hash"
    ]

    assert calls == []


def test_only_the_clock_measures() -> None:
    """ruff bans the clocks of the library; perf_counter is left to tests, benchmarks and dev.py."""
    readers = [
        here(path, node.lineno)
        for path, node in nodes([path for path in SOURCES if path not in OUTSIDE_TIME_AND_CHANCE])
        if (isinstance(node, ast.Attribute) and node.attr.startswith("perf_counter"))
        or (isinstance(node, ast.ImportFrom) and any(n.name.startswith("perf_counter") for n in node.names))
    ]

    assert readers == []


def test_a_mode_is_a_choice_of_parts_and_no_flag() -> None:
    """What is tested is what runs: only lct/run knows which parts it chose."""
    flags = set()
    for path, node in nodes([path for path in SOURCES if path.parent != ROOT / "lct" / "run"]):
        spoken = {getattr(node, field, None) for field in ("id", "attr", "arg", "name")}
        if spoken & MODE_FLAGS:
            flags.add(here(path, getattr(node, "lineno", None)))
    settings = [here(path) for path in (ROOT / "configs").rglob("*.toml") if names_a_mode(path.read_text())]

    assert sorted(flags) + settings == []


def names_a_mode(text: str) -> bool:
    """Whether a text has one of the flags in it."""
    return re.search(rf"\b({'|'.join(sorted(MODE_FLAGS))})\b", text) is not None


def test_no_exception_is_swallowed() -> None:
    """Catch what you can act on; the rest ends the process, and supervisord starts it again."""
    swallowed = [
        here(path, node.lineno)
        for path, node in nodes([*SOURCES, ROOT / "dev.py"])
        if isinstance(node, ast.ExceptHandler) and swallows(node)
    ]

    assert swallowed == []


def swallows(handler: ast.ExceptHandler) -> bool:
    """A bare except that does not raise again, or a broad one that does nothing."""
    kind = handler.type
    caught = {getattr(part, "id", "") for part in (kind.elts if isinstance(kind, ast.Tuple) else [kind])}
    if kind is None or "BaseException" in caught:
        return not any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    idle = all(
        isinstance(line, ast.Pass | ast.Continue | ast.Break)
        or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        or (isinstance(line, ast.Return) and (line.value is None or isinstance(line.value, ast.Constant)))
        for line in handler.body
    )
    return "Exception" in caught and idle


# --- what is in the repository


def tracked() -> dict[str, str]:
    """Every text file that git knows, by name."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (data := path.read_bytes()):
            texts[name] = data.decode(errors="replace")
    return texts


def test_no_file_names_a_place_on_the_machine_it_was_written_on() -> None:
    """A path that exists for one author only is noise to all others."""
    places = "|".join(re.escape(str(place)) for place in (ROOT, Path.home()) if len(place.parts) > 1)
    own = re.compile(rf"(?<![\w.~/-])({places})(?![\w-])")

    assert [name for name, text in tracked().items() if own.search(text)] == []


def test_no_file_names_a_package_index() -> None:
    """Where packages come from is the machine's setting; the lock holds names, versions and hashes."""
    address = re.compile(r"://[^\s/]*(pypi|pythonhosted|npmjs|debian)")
    setting = re.compile(r"^\s*(--)?(extra-)?(index-url|find-links)\b", re.MULTILINE)

    named = [name for name, text in tracked().items() if address.search(text) or setting.search(text)]

    assert named == []
