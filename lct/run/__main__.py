"""`python -m lct.run NAME`: one process of a house, as a supervisor starts it."""

import sys

from lct.run.starts import run

if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python -m lct.run NAME (a daemon, conductor or audit)", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    sys.exit(run(sys.argv[1]))
