"""Members: the daemons that there are, and where each is found."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lct.cli.daemon_files import PORT
from lct.config import defaults_dir, home
from lct.errors import NotFound, nearest


def places() -> dict[str, Path]:
    """Return the modules and packages of daemons/ by name; none is imported."""
    spec = find_spec("daemons")
    assert spec is not None, "the daemons are installed with this package"
    folder = Path(str(spec.origin)).parent
    found = {path.stem: path for path in folder.glob("[a-z]*.py")}
    found |= {path.parent.name: path.parent for path in folder.glob("[a-z]*/__init__.py")}
    return dict(sorted(found.items()))


def check_name(name: str) -> None:
    """Raise NotFound for a name that no daemon has."""
    known = places()
    if name not in known:
        raise NotFound(f"no daemon named {name!r}; {nearest(name, known)}")


def listed() -> list[dict[str, Any]]:
    """Return each daemon as a row: its HTTP port, the real one where it runs, its state and its process."""
    from lct.supervisor import Supervisor
    from lct.supervisor.overview import overview

    supervisor = Supervisor(home())
    states = {found.name: found for found in overview(supervisor).daemons}
    told = supervisor.presences()
    rows = []
    for name, path in places().items():
        state, about = states.get(name), told.get(name)
        is_told = about is not None and state is not None and about.pid == state.pid
        rows.append(
            {
                "name": name,
                "http_port": about.http_port if about is not None and is_told else _configured_port(name),
                "state": state.state if state else "down",
                "pid": state.pid if state else None,
                "where": str(path),
            }
        )
    return rows


def _configured_port(name: str) -> int | None:
    """Return the port that the settings of a daemon name, its default where they leave it out."""
    for folder in (home() / "config", defaults_dir()):
        path = folder / f"{name}.toml"
        found = PORT.search(path.read_text(encoding="utf-8")) if path.exists() else None
        if found is not None:
            return int(found[1])
    return None
