"""`python -m lct.audit FOLDER`: check the journals of an account, once or again and again."""

import argparse
import json
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from lct.audit import journals
from lct.audit.against import Against
from lct.audit.beating import Beat
from lct.audit.checking import Audit
from lct.audit.findings import Violation
from lct.audit.paper import Paper
from lct.audit.rates import USUAL, Limits
from lct.audit.watching import KEPT, Watch, watch


def parser() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    made = argparse.ArgumentParser(prog="python -m lct.audit", description="Check the journals of an account.")
    made.add_argument("folder", type=Path, help="the folder of an account's journals, or one journal")
    made.add_argument("--witness", type=Path, help="a ledger of the venue, in JSON, to compare with")
    made.add_argument("--install-id", help="whose orders these are; else the file `install_id` of the home says it")
    made.add_argument("--max-unknown", type=int, default=USUAL.max_unknown, help="max_unknown of the house's limits")
    made.add_argument("--orders-per-second", type=int, help="max_orders_per_second that the house had all the time")
    made.add_argument("--orders-per-minute", type=int, help="max_orders_per_minute that the house had all the time")
    made.add_argument("--json", action="store_true", help="print one JSON document")
    made.add_argument("--watch", type=float, metavar="SECONDS", help="check what is new, again and again")
    made.add_argument("--beat", type=Path, metavar="FILE", help="with --watch: tell there each second that it looks")
    made.add_argument("--parent", type=int, metavar="PID", help="with --beat: end with this process, which began it")
    made.add_argument("--name", default="audit", help="who tells in that file (default: audit)")
    made.add_argument("--halt-file", type=Path, help="written at a violation (default: HALT in the folder)")
    made.add_argument("--dump-folder", type=Path, help="where dumps go (default: audit in the folder)")
    return made


def main(words: list[str] | None = None) -> int:
    """Check, print, and return the exit code: 0 all holds, 1 something does not, 2 bad usage or nothing to read."""
    asked = parser().parse_args(words)
    if not asked.folder.exists() or (asked.watch is None and not journals.paths(asked.folder)):
        print(f"no journal at {asked.folder}", file=sys.stderr)
        return 2
    ledger = None if asked.witness is None else json.loads(asked.witness.read_bytes())
    if asked.watch is not None:
        return _watch(asked)
    audit = Audit(journals.identity_of(asked.folder, asked.install_id, ledger), limits=_limits(asked))
    try:
        journals.read(list(journals.files(asked.folder)), audit, Paper(asked.folder) if asked.folder.is_dir() else None)
    except sqlite3.OperationalError as error:
        print(f"{asked.folder} cannot be read: {error}", file=sys.stderr)
        return 2
    counts = None if ledger is None else Against(audit, ledger).counts()
    _print(audit, counts, as_json=asked.json)
    return 1 if len(audit.findings) else 0


def _limits(asked: argparse.Namespace) -> Limits:
    return Limits(asked.max_unknown, asked.orders_per_second, asked.orders_per_minute)


def _print(audit: Audit, counts: dict[str, int] | None, *, as_json: bool) -> None:
    found: Any = [violation.as_document() for violation in audit.findings]
    if as_json:
        print(json.dumps(found if counts is None else {"violations": found, **counts}))
        return
    for violation in audit.findings:
        print(_line(violation))
    if counts is not None:
        print(", ".join(f"{name} {count}" for name, count in counts.items()))
    if audit.findings.left_out:
        print(f"and {audit.findings.left_out} more")
    print(f"{audit.chains.rows} rows, {len(audit.findings) + audit.findings.left_out} violations")


def _line(violation: Violation) -> str:
    return f"{violation.invariant}  {violation.journal} {violation.journal_seq}: {violation.detail}"


def _watch(asked: argparse.Namespace) -> int:
    folder: Path = asked.folder

    def make() -> Audit:
        identity = journals.identity_of(folder, asked.install_id, None)
        return Audit(identity, kept=KEPT, limits=_limits(asked))

    looking = Watch(folder, make, asked.halt_file or folder / "HALT", asked.dump_folder or folder / "audit")
    with suppress(KeyboardInterrupt):
        watch(
            looking,
            asked.watch,
            lambda violation: print(_line(violation), flush=True),
            lambda text: print(text, file=sys.stderr, flush=True),
            *([] if asked.beat is None else [Beat(asked.beat, asked.name, asked.parent)]),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
