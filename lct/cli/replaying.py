"""Replaying: an account of its own for recorded bars that the daemons play."""

from pathlib import Path

from lct.errors import NotFound, Refused

DIGEST_BYTES = 4


def furnished(path: Path, account: str | None) -> str:
    """Write down which bars an account of this home replays, and return its name: without one, named after the bars.

    The same bars once more go on where they were left. Raises NotFound where there are none, ConfigError for settings
    that cannot be, and Refused for an account that began with something else.
    """
    from hashlib import blake2b

    from lct.cli.settings import Market, Money, configured, traded
    from lct.config import ensure_home, home
    from lct.run.config import journal_folder, keep_or_compare
    from lct.run.members import checked_venue, feed

    bars = path.expanduser().absolute()
    if not bars.exists():
        raise NotFound(f"{bars}: no such file or folder of recorded bars")
    name = account or f"replay_{blake2b(str(bars).encode(), digest_size=DIGEST_BYTES).hexdigest()}"
    house = traded(configured(account=name), Market(data=bars), Money()).house
    checked_venue(house, feed(house))
    ensure_home(home())
    folder = journal_folder(home(), house)
    if (folder / "house.db").exists():
        raise Refused(f"the account {name} was run in one process by `lct run`; leave it, and choose another --account")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep_or_compare(folder / "house.json", house)
    return name
