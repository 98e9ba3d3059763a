"""Health: every daemon that there should be, up, late or down by the age of its last heartbeat."""

from lct.clock import NS_PER_SECOND
from lct.domain.health import DaemonHealth, worst
from lct.domain.text import clean
from lct.tui import figures
from lct.tui.house import Member, View
from lct.tui.widgets.panel import Panel
from lct.tui.widgets.table import Cell, Column, Row

FRESH_SECONDS = 2
NAME_WIDTH = 24
REASON_WIDTH = 120
KINDS = {"up": "good", "late": "warn", "down": "bad"}
SIGNS = {"up": "●", "late": "◐", "down": "○"}


class Health(Panel):
    """The daemons, the bad ones with their reasons."""

    TITLE = "Health"
    COLUMNS = (
        Column("daemon", least=15),
        Column("state"),
        Column("beat", right=True),
        Column("up for", right=True, spare=3),
        Column("pid", right=True, spare=4),
        Column("port", right=True, spare=5),
        Column("reasons", spare=2, least=12),
    )

    def draw(self, view: View, now_ns: int, refresh_seconds: float) -> None:
        """Show every daemon as it is at `now_ns`; heartbeats age also while nobody looks."""
        if not view.members:
            self.entitle(clean(view.trouble, REASON_WIDTH), "bad")
            self.say("nobody is known yet")
            return
        healths = [member.health(now_ns) for member in view.members]
        up = sum(health.state == "up" for health in healths)
        verdict = worst(health.state for health in healths)
        note = f"{up} of {len(healths)} up"
        if view.trouble:
            note, verdict = clean(view.trouble, REASON_WIDTH), "down"
        self.entitle(note, KINDS[verdict])
        self.show([row(*pair, now_ns) for pair in zip(view.members, healths, strict=True)], self.COLUMNS)


def row(member: Member, health: DaemonHealth, now_ns: int) -> Row:
    """Return one daemon as cells; what it said before it went is not shown as if it held."""
    told = member.told
    lives = told is not None and health.state != "down"
    return (
        Cell(clean(member.name, NAME_WIDTH), "strong"),
        Cell(f"{SIGNS[health.state]} {health.state}", KINDS[health.state]),
        Cell(_beat(told.beat_ns, now_ns) if told is not None else figures.NOTHING),
        Cell(figures.age(told.started_ns, now_ns) if told is not None and lives else figures.NOTHING, "dim"),
        Cell(str(told.pid) if told is not None and lives else figures.NOTHING, "dim"),
        Cell(str(told.http_port) if told is not None and lives and told.http_port else figures.NOTHING, "dim"),
        Cell(clean(", ".join(health.reasons), REASON_WIDTH), KINDS[health.state]),
    )


def _beat(beat_ns: int, now_ns: int) -> str:
    """Write the age of a heartbeat; below two seconds one is as good as another, and nothing need be drawn."""
    return f"<{FRESH_SECONDS} s" if now_ns - beat_ns < FRESH_SECONDS * NS_PER_SECOND else figures.age(beat_ns, now_ns)
