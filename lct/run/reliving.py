"""Reliving: sessions of a home's daemons on the wall clock, lived again by daemons that are made anew."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec

from lct.bus import heard
from lct.bus.replay import Bodies, Relived, Reliving
from lct.bus.session import folders
from lct.domain.money import use_money_context
from lct.errors import NotFound, nearest
from lct.run.config import install_id, journal_folder, read_kept
from lct.run.members import Site, build, feed, strategies
from lct.run.process import Settled, house_of


def relive(
    root: Path, names: Sequence[str], session: int | None = None, account: str | None = None
) -> Iterator[Relived]:
    """Live a session of each daemon again (the last one, if not `session`) and yield what was compared.

    Without names it is that of every daemon that has one. Raises NotFound for a daemon or session without a record,
    Differs at the first decision that differs, JournalError where the record does not suffice.
    """
    use_money_context()
    site, folder = _site(root, account)
    known = [path.name.removesuffix(".heard") for path in sorted(folder.glob("*.heard"))]
    for name in names:
        if name not in known:
            raise NotFound(f"no session of {name!r} is on record in {folder}; {nearest(name, known)}")
    if not known:
        raise NotFound(f"no session is on record in {folder}; `lct up` makes one on the wall clock")
    with closing(Bodies(folder)) as bodies:
        for name in names or known:
            yield from _relived(name, folder, session, bodies, site, is_named=name in names)


def _relived(
    name: str, folder: Path, session: int | None, bodies: Bodies, site: Site, *, is_named: bool
) -> Iterator[Relived]:
    lives = heard.lives(folders(folder, name)[0])
    if session is not None and session not in lives:
        if is_named:
            raise NotFound(f"no session {session} of {name} is on record; there are {', '.join(map(str, lives))}")
        return
    if lives:
        reliving = Reliving(name, folder, session or lives[-1], bodies)
        daemon, _ = build(name, replace(site, expected=reliving.speakers))
        yield reliving.live(daemon)


def _site(root: Path, account: str | None) -> tuple[Site, Path]:
    """Return what the members of the house share, and where its journals lie; nothing is opened to be written."""
    settled = Settled(root)
    house = house_of(settled)
    if account is not None:
        house = msgspec.structs.replace(house, account=account)
    folder = journal_folder(root, house)
    if not (folder / "house.json").exists():
        raise NotFound(f"nothing has run yet in {folder}")
    house = read_kept(folder / "house.json")
    site = Site(
        house,
        lambda: feed(house),
        None,
        install_id(root),
        config=settled.read,
        strategies=lambda config: strategies(config.strategies, config.parameters),
        recorded=False,
    )
    return site, folder
