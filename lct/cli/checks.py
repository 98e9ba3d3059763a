"""Checks: what `lct doctor` looks at, the installation and the home here; each returns a finding and its fix."""

import platform
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lct.cli.vitals import Finding, all_vitals
from lct.config import home

PYTHON_MIN = (3, 11)
SQLITE_MIN = (3, 37, 0)
"""The first with STRICT tables."""
FREE_BYTES_MIN = 1 << 30
PINNED = {"journal_mode": "wal", "trusted_schema": 0, "cell_size_check": 1}


def all_checks() -> list[dict[str, Any]]:
    """Run every check and return a row for each."""
    checks = {
        "python": python,
        "sqlite": sqlite,
        "packages": packages,
        "home": modes,
        "config": configuration,
        **all_vitals(),
        "disk": disk,
    }
    rows = []
    for name, check in checks.items():
        passed, detail, fix = check()
        rows.append({"check": name, "passed": passed, "detail": detail, "fix": "" if passed else fix})
    return rows


def python() -> Finding:
    """Look at the version of Python."""
    return sys.version_info >= PYTHON_MIN, platform.python_version(), "install Python 3.11 or newer"


def sqlite() -> Finding:
    """Look at the version of SQLite, and at what the journal pins on a file of its own."""
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        return False, f"SQLite {version}", "use a Python with SQLite 3.37 or newer"
    from lct.store.sqlite import SqliteJournal, open_to_read

    with TemporaryDirectory(prefix="lct-doctor-") as folder:
        path = Path(folder) / "probe.db"
        SqliteJournal(path).close()
        db = open_to_read(path)
        found = {name: db.execute(f"pragma {name}").fetchone()[0] for name in PINNED}
        db.close()
    pinned = ", ".join(f"{name}={value}" for name, value in found.items())
    return found == PINNED, f"SQLite {version}, {pinned}, one writer", "this SQLite ignores its settings; use another"


def packages() -> Finding:
    """See that `plugins` and `daemons` are ours: the names are common, and another package could take them."""
    import daemons
    import lct
    import plugins

    folders = {str(Path(str(package.__file__)).parent.parent) for package in (lct, plugins, daemons)}
    return (
        len(folders) == 1,
        f"lct, plugins and daemons in {' and '.join(sorted(folders))}",
        "another package has taken a name; install lct into an environment of its own",
    )


def modes() -> Finding:
    """See that nobody else can read the home."""
    root = home()
    if root.exists() and not root.is_dir():
        return False, f"{root} is a file", "set LCT_HOME to a folder of yours"
    if not root.is_dir():
        return True, f"{root} is not there yet; `lct init` makes it", ""
    open_ = sorted(str(path.relative_to(root)) or "." for path in _private(root) if _is_open(path))
    shown = ", ".join(open_[:5]) + (f" and {len(open_) - 5} more" if len(open_) > 5 else "")
    detail = f"{root} is open to others: {shown}" if open_ else f"{root} is closed to others"
    return not open_, detail, f"chmod -R go-rwx {root}"


def _private(root: Path) -> Iterator[Path]:
    yield root
    for folder in ("config", "journal", "keys", "run", "log"):
        yield from (root / folder).rglob("*")


def _is_open(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.lstat().st_mode) & 0o077) and not path.is_symlink()
    except FileNotFoundError:  # a running house removes its files when it pleases
        return False


def configuration() -> Finding:
    """Read the configuration as the house would."""
    from lct.cli.effective import checked
    from lct.cli.settings import config_dir

    folder = config_dir()
    wrong = [row["detail"] for row in checked(folder) if not row["passed"]]
    return not wrong, "; ".join(wrong) or f"{folder} is sound", "correct it; `lct config check` shows all findings"


def disk() -> Finding:
    """Look for room where the home is, or will be."""
    folder = home()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return free >= FREE_BYTES_MIN, f"{free / 1e9:.1f} GB free at {folder}", "make room: at least 1 GiB is asked for"
