"""Tables on a narrow terminal: numbers and words stay whole, columns go in their order; in a pipe nothing is cut."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from lct.cli.tables import fitted

COLUMNS = ("time", "client_order_id", "amount", "reason")
ROWS = [
    ["2024-01-31T20:10:00Z", "eb7300a3e112358d", "16.063", "insufficient balance"],
    ["2024-01-31T20:11:00Z", "eb738561e112358d", "0.00012345", "-"],
]
SPARE = ("client_order_id", "reason")


def test_a_table_that_fits_stays_as_it_is() -> None:
    table = fitted(COLUMNS, ROWS, SPARE, 100)

    assert (table.columns, table.rows, table.left_out) == (list(COLUMNS), ROWS, [])


def test_times_and_ids_become_short_before_a_column_goes() -> None:
    table = fitted(COLUMNS, ROWS, SPARE, 65)

    assert table.left_out == []
    assert table.rows[0] == ["01-31 20:10:00", "eb7300a3", "16.063", "insufficient balance"]


def test_times_of_two_years_keep_the_year() -> None:
    rows = [*ROWS, ["2025-01-31T20:11:00Z", "eb738561e112358d", "1", "-"]]

    assert fitted(COLUMNS, rows, SPARE, 65).rows[2][0] == "2025-01-31 20:11:00"


def test_words_are_cut_at_their_end_and_columns_go_in_their_order() -> None:
    cut, one, two = (fitted(COLUMNS, ROWS, SPARE, width) for width in (62, 44, 30))

    assert cut.rows[0][-1] == "insufficient bal…"
    assert (one.left_out, two.left_out) == (["client_order_id"], ["client_order_id", "reason"])
    assert two.rows[1] == ["01-31 20:11:00", "0.00012345"]


def on_terminal(words: list[str], home: Path, columns: int) -> tuple[list[str], str]:
    """Run `lct` with stdout on a terminal of this width; return its lines, and what it said on stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {**os.environ, "LCT_HOME": str(home), "NO_COLOR": "1", "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "lct", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={name: value for name, value in env.items() if name != "COLUMNS"},
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    _, err = process.communicate(timeout=30)
    return re.sub(r"\x1b\[\d*m", "", shown.decode()).splitlines(), err.decode()


@pytest.mark.parametrize(
    "words",
    [
        ["execution", "fills", "--last", "5"],
        ["execution", "orders", "--last", "5"],
        ["portfolio", "trades", "--last", "5"],
        ["journal", "show", "--last", "5"],
        ["portfolio", "positions"],
        ["journal", "query", "select *, hex(hash) from journal where daemon = 'portfolio' order by position limit 5"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_row_is_one_line_of_80_columns_and_a_pipe_has_all(words: list[str], lct: Any, home: Path) -> None:
    lct("run", "--days", "1", "--symbols", "BTC/USDT,ETH/USDT", "--strategies", "ema_cross", "--cycles", "600")

    lines, err = on_terminal(words, home, 80)
    piped = lct(*words).stdout.splitlines()

    assert len(lines) == len(piped) > 2
    assert max(map(len, lines)) <= 80, lines
    assert "left out" in err
    assert "--json has all" in err
    assert max(map(len, piped)) > 80
    assert [line for line in piped if line != line.rstrip()] == []
