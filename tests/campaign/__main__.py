"""Campaigns of real kills, beside a venue process with books of its own.

`python3 dev.py campaign kill --points 1000`: execution, at named points of an order's life and of recovery.
`python3 dev.py campaign house --points 100`: every daemon of a house that trades, one, several and all at once.
`python3 dev.py campaign policies --points 500`: common ways to send orders, and lct, each under so many kills.

The figures are on stdout, how far it is on stderr where that is a terminal.
"""
# ruff: noqa: T201

import argparse
import json
import os
import sys
import time
from statistics import median, quantiles
from typing import Any

from tests.campaign.house import KILLS_A_HOUSE, WAYS, house_of_kills
from tests.campaign.kill import POINTS, ZEROS, Tally, plan, rig_of_kills
from tests.campaign.policies import table
from tests.campaign.running import side_by_side

FOUND_MAX = 20
JOBS = 2 * (os.cpu_count() or 1)


def main() -> int:
    """Run the campaign; return 1 where something was lost, doubled, orphaned, adrift or against an invariant."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="dev.py campaign", description=__doc__, formatter_class=form)
    parser.add_argument("what", choices=("kill", "house", "policies"))
    parser.add_argument("--points", type=int, default=1_000, help="how many kills (default 1000); of each policy")
    parser.add_argument("--seed", type=int, default=1, help="the rigs are seed.0, seed.1, ... (default 1)")
    parser.add_argument("--rig", type=int, help="only this rig of the campaign, as it was")
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"rigs at once (default {JOBS}: they wait a lot)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    if asked.what == "policies":
        rows = table(asked.points, asked.seed)
        print(json.dumps(rows) if asked.json else as_table(rows))
        return 0
    began = time.perf_counter()
    if asked.what == "house":
        rig, plans = house_of_kills, plan(WAYS, asked.points, f"{asked.seed}", KILLS_A_HOUSE)
    else:
        rig, plans = rig_of_kills, plan(POINTS, asked.points, f"{asked.seed}")
    tally = side_by_side(rig, plans if asked.rig is None else [plans[asked.rig]], asked.jobs)
    document = {**as_document(tally), "seed": asked.seed, "seconds": round(time.perf_counter() - began, 1)}
    print(json.dumps(document) if asked.json else shown(document))
    return 0 if tally.is_clean else 1


def as_document(tally: Tally) -> dict[str, Any]:
    """Return what was done and found; seconds are from a kill to the next life's first verdict."""
    ready = sorted(tally.ready_seconds)
    document: dict[str, Any] = {
        "kills": tally.kills.total(),
        "by_way": {name: tally.kills[name] for name in (*POINTS, *dict.fromkeys(WAYS)) if tally.kills[name]},
        "orders": tally.orders,
        "fills": tally.fills,
        **{name: tally.found[name] for name in ZEROS},
        "found": tally.details[:FOUND_MAX],
    }
    if len(ready) > 1:
        document["ready_seconds"] = {
            "p50": round(median(ready), 3),
            "p99": round(quantiles(ready, n=100, method="inclusive")[98], 3),
            "max": round(ready[-1], 3),
        }
    return document


def shown(document: dict[str, Any]) -> str:
    """Return the document as lines for a person."""
    ways = [f"  {name:28s} {count:6d}" for name, count in document["by_way"].items()]
    zeros = ", ".join(f"{name} {document[name]}" for name in ZEROS)
    figures = f"{document['kills']} kills, {document['orders']} orders, {document['fills']} fills"
    ready = document.get("ready_seconds")
    told = [f"from a kill to the next verdict: {ready}"] if ready else []
    return "\n".join([*ways, f"{figures} in {document['seconds']} s", zeros, *told, *document["found"]])


def as_table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a table for a person."""
    names = list(rows[0])
    lines = [names, *([str(row[name]) for name in names] for row in rows)]
    return "\n".join(line[0].ljust(26) + "".join(word.rjust(12) for word in line[1:]) for line in lines)


if __name__ == "__main__":
    sys.exit(main())
