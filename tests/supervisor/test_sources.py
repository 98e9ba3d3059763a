"""Sources: who runs a file that was saved is started again, and nobody else."""

import os
from pathlib import Path

import pytest

from lct.supervisor.sources import Sources, concerns

NAMES = ("execution", "portfolio")


@pytest.mark.parametrize(
    ("path", "concerned"),
    [
        ("daemons/portfolio.py", ["portfolio"]),
        ("daemons/execution/gate.py", ["execution"]),
        ("daemons/__init__.py", ["execution", "portfolio"]),
        ("daemons/tax.py", []),
        ("configs/portfolio.toml", ["portfolio"]),
        ("configs/house.toml", ["execution", "portfolio"]),
        ("configs/tax.toml", []),
        ("lct/bus/room.py", ["execution", "portfolio"]),
        ("lct/cli/up.py", []),
        ("lct/tui/app.py", []),
        ("plugins/feeds/replay.py", ["execution", "portfolio"]),
    ],
)
def test_a_file_concerns_those_that_run_it(path: str, concerned: list[str]) -> None:
    assert [name for name in NAMES if concerns(Path(path), name)] == concerned


def test_what_was_saved_came_or_went_is_stale_once(tmp_path: Path) -> None:
    folder = tmp_path / "lct" / "daemons"
    folder.mkdir(parents=True)
    kept, gone = folder / "portfolio.py", folder / "execution.py"
    kept.write_text("a = 1\n")
    gone.write_text("a = 1\n")
    (folder / "notes.txt").write_text("no source")
    sources = Sources([folder, tmp_path / "absent"])

    calm = sources.stale(NAMES)
    kept.write_text("a = 2\n")
    os.utime(kept, ns=(1, 1))
    saved = sources.stale(NAMES)
    gone.unlink()
    (folder / "notes.txt").write_text("still none")
    went = sources.stale(NAMES)

    assert (calm, saved, went, sources.stale(NAMES)) == ([], ["portfolio"], ["execution"], [])


def test_this_house_is_watched_with_its_home(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    sources = Sources.of_this_house(tmp_path)

    (tmp_path / "config" / "portfolio.toml").write_text("")

    assert sources.stale(NAMES) == ["portfolio"]
