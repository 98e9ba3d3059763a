"""Auditing: the independent checker as a process of its own beside the chains, for `lct journal verify`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lct.errors import JournalError

TOLD_MAX = 3


def settings_of(config: Path | None, account: str | None) -> list[str]:
    """Return what the checker has to know of an account's limits, as its arguments."""
    from lct.cli.settings import configured
    from lct.run.checking import limits_of

    settings = configured(config, account)
    return limits_of(settings.house.mode, settings.execution)


def audited(place: Path, words: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the violations that `python -m lct.audit` finds in a folder; JournalError where it comes to no end."""
    command = [sys.executable, "-m", "lct.audit", str(place), "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        if done.returncode not in (0, 1):
            raise ValueError(done.stderr)
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise JournalError(f"the checker came to no end: {last}") from None
    return found


def with_violations(rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of verified journals, each with the violations of its daemon (of its file: in the first row)."""
    made = []
    left = list(found)
    for row in rows:
        names = (row["daemon"], Path(row["file"]).stem)
        own = [one for one in left if one["journal"] in names]
        left = [one for one in left if one not in own]
        made.append({**row, "violations": own})
    return made


def refuse(found: list[dict[str, Any]]) -> None:
    """Raise JournalError that names the first violations, if there are any."""
    if found:
        told = "; ".join(
            f"{one['invariant']} {one['journal']} row {one['journal_seq']}: {one['detail']}" for one in found[:TOLD_MAX]
        )
        more = f"; and {len(found) - TOLD_MAX} more" if len(found) > TOLD_MAX else ""
        raise JournalError(f"the audit finds what must not be: {told}{more}")
