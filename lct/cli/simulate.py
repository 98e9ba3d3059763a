"""`lct simulate`: the whole house against a venue that fails as real ones do, by seed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lct.cli import options as o
from lct.cli.output import Manners, print_facts, print_json, print_rows, progress, say

if TYPE_CHECKING:
    from lct.simulation.campaign import Tally
    from lct.simulation.run import Outcome

app = typer.Typer(add_completion=False)

FIRST = ("seeds", "faults", "orders", "fills", "lost", "duplicated", "orphaned", "drift", "lives")


@app.command()
def simulate(
    ctx: typer.Context,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1_000_000, help="How many runs, from --first on.")] = 20,
    first: Annotated[int, typer.Option("--first", min=0, help="The first seed.")] = 1,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Run this one alone, as it was.")] = None,
    shrink: Annotated[bool, typer.Option("--shrink", help="Make the first failing run as small as it gets.")] = False,
    json: o.Json = False,
) -> None:
    """Kill, tear and deceive a simulated house by seed, leave it in peace, and compare it with the venue's own books.

    Exit code 1 where an order was lost, doubled or orphaned, a balance drifted, or an invariant broke; each failing
    seed is told with the command that repeats it.

    Example: lct simulate --seeds 100 --json
    """
    from lct.simulation.campaign import tally

    numbers = [seed] if seed is not None else list(range(first, first + seeds))
    sum_ = tally(_played(numbers, ctx.obj))
    print_json(document_of(sum_)) if json else _print(sum_)
    _explain(sum_, ctx.obj, shrink=shrink)
    if not sum_.is_clean:
        raise typer.Exit(1)


def _played(seeds: list[int], manners: Manners) -> "list[Outcome]":
    """Run the seeds under a progress bar; Ctrl-C ends it, and what was run is not told as if it were all."""
    from lct.simulation.campaign import outcomes

    done: list[Outcome] = []
    with progress("simulating", len(seeds), manners) as advance:
        for outcome in outcomes(seeds):
            done.append(outcome)
            advance(len(done))
    return done


def document_of(sum_: "Tally") -> dict[str, Any]:
    """Return a campaign as a document of JSON."""
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(sum_)
    return found


def _print(sum_: "Tally") -> None:
    rows = [
        {"fault": kind, "struck": sum_.faults_by_kind[kind], **states} for kind, states in sum_.faults_by_state.items()
    ]
    columns = tuple(rows[0]) if rows else ("fault", "struck")
    print_rows(rows, json=False, columns=columns, none="no fault struck")
    held = "all" if sum_.is_clean else f"all but {', '.join(sorted({one.invariant for one in sum_.violations}))}"
    print_facts({**{name: getattr(sum_, name) for name in FIRST}, "invariants held": held}, json=False)


def _explain(sum_: "Tally", manners: Manners, *, shrink: bool) -> None:
    """Say what broke, and how to see it again."""
    for violation in sum_.violations[:10]:
        say(f"seed {violation.seed}: {violation.invariant}: {violation.detail}", manners)
    for failing in sorted({violation.seed for violation in sum_.violations}):
        say(f"again: lct simulate --seed {failing} --shrink", manners)
    if sum_.violations and shrink:
        from lct.simulation.campaign import smallest

        worst = sum_.violations[0]
        say(f"seed {worst.seed} breaks {worst.invariant} with these faults alone:", manners)
        for fault in smallest(worst.seed, worst.invariant):
            say(f"  {fault}", manners)
