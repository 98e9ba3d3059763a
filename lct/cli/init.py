"""`lct init`: a home with documented configuration, closed to everyone else."""

from pathlib import Path
from typing import Any

import typer

from lct.cli import options as o
from lct.cli.output import print_facts

app = typer.Typer(add_completion=False)


@app.command()
def init(json: o.Json = False) -> None:
    """Make the home, write the default configuration files into it, and leave alone what is there.

    Example: lct --home ~/lct init
    """
    print_facts(_init(), json=json)


def _init() -> dict[str, Any]:
    from lct.cli.drive import private
    from lct.config import defaults_dir, ensure_home, home
    from lct.run.config import install_id

    private()
    root = home()
    ensure_home(root)
    install_id(root)
    written: list[str] = []
    kept: list[str] = []
    for default in sorted(defaults_dir().glob("*.toml")):
        path = root / "config" / default.name
        there = path.exists() and bool(path.read_bytes().strip())  # nobody wrote an empty file on purpose
        (kept if there else written).append(default.name)
        if not there:
            _copy(default, path)
    return {"home": str(root), "written": written, "kept": kept}


def _copy(default: Path, path: Path) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(default.read_bytes())
    part.chmod(0o600)
    part.replace(path)
