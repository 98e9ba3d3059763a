"""The sources of a house: which daemons must be started again after somebody saved a file."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

POLL_SECONDS = 0.5
FILES_MAX = 5_000
SUFFIXES = (".py", ".toml")


class Sources:
    """Looks at the times of source and settings files; a file that came or went has changed too."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Take the folders, and how their files are now."""
        self._folders = list(folders)
        self._seen = dict(self._files())

    @classmethod
    def of_this_house(cls, home: Path) -> "Sources":
        """Return those of the installed packages, the default settings, and the settings and plugins of a home."""
        from lct.config import defaults_dir

        root = Path(__file__).resolve().parents[2]
        folders = [root / "lct", root / "daemons", root / "plugins", defaults_dir(), home / "config", home / "plugins"]
        return cls(folders)

    def stale(self, names: Sequence[str]) -> list[str]:
        """Return those of `names` that run what was changed since the last look."""
        before, self._seen = self._seen, dict(self._files())
        changed = [path for path in {*before, *self._seen} if before.get(path) != self._seen.get(path)]
        changed = [
            path.relative_to(folder.parent) for path in changed for folder in self._folders if folder in path.parents
        ]
        return [name for name in names if any(concerns(path, name) for path in changed)]

    def _files(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        left = FILES_MAX
        for folder in self._folders:
            for path in folder.rglob("*"):
                if path.suffix in SUFFIXES and left:
                    left -= 1
                    try:
                        about = path.stat()
                    except FileNotFoundError:  # an editor puts a file in place of another
                        continue
                    yield path, (about.st_mtime_ns, about.st_size)


def concerns(path: Path, name: str) -> bool:
    """Whether a daemon runs a file, as in `daemons/tax.py`: its own module and settings, and what belongs to all."""
    folder, inner = path.parts[:2]
    if folder == "daemons":
        return inner in {name, f"{name}.py", "__init__.py"}
    if path.suffix == ".toml":
        return path.stem in {name, "house"}
    return folder != "lct" or inner not in {"cli", "tui"}
