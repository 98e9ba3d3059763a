"""Monitor and discovery on the command line: fixed shapes, exit codes, and no name that harms a terminal."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemons.monitoring import Monitoring
from daemons.token_discovery import TokenDiscovery
from lct.messages.base import Heartbeat
from lct.messages.token_source import TokenSeen
from lct.ports.token_source import TokenPort
from plugins.token_sources.synthetic import HOUR_NS, Synthetic
from tests.cli.answering import answering

NOW = 1_704_067_200_000_000_000
HEALTH = ["name", "state", "pid", "ready", "heartbeat_age_seconds", "reasons"]
TOKEN = ["chain", "mint", "symbol", "name", "source", "seen_at", "gates", "score", "tradable"]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose path is short enough for sockets."""
    monkeypatch.delenv("COLUMNS", raising=False)
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        monkeypatch.setenv("LCT_HOME", folder)
        yield Path(folder)


def monitoring(**beats: float) -> Monitoring:
    """Return monitoring of a house of two, with heartbeats of these ages in seconds."""
    daemon = Monitoring(("execution", "portfolio"))
    list(daemon.recovered(NOW))
    for name, age in beats.items():
        told = Heartbeat(name, 0, 3, 77, True, NOW - int(age * 1e9), heard=5, last_ns={"bar": NOW}, latency_ms={"1": 5})
        list(daemon.beat(told, NOW))
    return daemon


def discovery(hours: int) -> TokenDiscovery:
    """Return token_discovery after some hours of synthetic tokens."""
    daemon = TokenDiscovery()
    source = Synthetic(Synthetic.Config(), NOW, NOW + hours * HOUR_NS)
    for token in TokenPort(source).results(NOW + hours * HOUR_NS):
        assert isinstance(token, TokenSeen)
        daemon.screen(token, 0)
    return daemon


def test_health_has_its_shape_and_ends_with_0_where_all_are_up(document: Any, home: Path) -> None:
    with answering(home, monitoring(execution=0, portfolio=1), NOW):
        found = document("monitor", "health")

    assert list(found) == ["verdict", "daemons"]
    assert [list(row) for row in found["daemons"]] == [HEALTH, HEALTH]
    assert found["verdict"] == "up"
    assert list(found["daemons"][1].values()) == ["portfolio", "up", 77, True, 1.0, []]


def test_health_ends_with_1_where_somebody_is_not_up(lct: Any, home: Path) -> None:
    with answering(home, monitoring(execution=4), NOW):
        told, shown = lct("monitor", "health", "--json"), lct("monitor", "health")

    found = json.loads(told.stdout)
    assert (told.exit_code, shown.exit_code, found["verdict"]) == (1, 1, "down")
    assert [row["state"] for row in found["daemons"]] == ["late", "down"]
    assert found["daemons"][1]["pid"] is None
    assert "no heartbeat for 4.0 s" in shown.stdout
    assert "never heard" in shown.stdout
    assert "the house is down" in shown.stderr


@pytest.mark.parametrize(
    "words", [("monitor", "health"), ("monitor", "metrics"), ("discovery", "tokens"), ("monitor", "health", "--json")]
)
def test_without_an_answer_it_ends_with_3_and_says_what_to_do(lct: Any, words: tuple[str, ...]) -> None:
    result = lct(*words)

    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")


def test_metrics_are_rows_or_the_text_of_prometheus(document: Any, lct: Any, home: Path) -> None:
    with answering(home, monitoring(execution=2), NOW):
        rows = document("monitor", "metrics")
        text, table = lct("monitor", "metrics", "--prometheus"), lct("monitor", "metrics")
        both = lct("monitor", "metrics", "--prometheus", "--json")

    assert [row["name"] for row in rows] == ["execution"]
    assert (rows[0]["epoch"], rows[0]["heard"], rows[0]["latency_ms"], rows[0]["age_seconds"]) == (
        3,
        5,
        {"1": 5},
        {"bar": 0.0},
    )
    assert 'lct_heard_total{daemon="execution"} 5' in text.stdout.splitlines()
    assert "execution" in table.stdout
    assert both.exit_code == 2


def test_tokens_have_their_shape_with_every_gate(document: Any, home: Path) -> None:
    with answering(home, discovery(hours=30), NOW):
        found = document("discovery", "tokens", "--last", "60")
        good = document("discovery", "tokens", "--last", "60", "--tradable")

    assert len(found) == 60
    assert all(list(row) == TOKEN for row in found)
    assert all(list(gate) == ["gate", "verdict", "evidence"] for row in found for gate in row["gates"])
    assert {gate["verdict"] for row in found for gate in row["gates"]} == {"pass", "fail", "unknown"}
    assert [row["seen_at"] for row in found] == sorted(row["seen_at"] for row in found)
    assert good[-1] in found
    assert all(row["tradable"] and 0.5 <= row["score"] <= 1 for row in good)


def test_the_table_says_what_speaks_against_a_token_and_holds_no_escape(lct: Any, home: Path) -> None:
    with answering(home, discovery(hours=40), NOW):
        shown = lct("discovery", "tokens", "--last", "100")

    assert shown.exit_code == 0
    assert "sale: a simulated sale was refused" in shown.stdout
    assert "looks like USDT, which is another token" in shown.stdout
    assert not set(shown.stdout) & set("\x1b\x07\x00\u202e\u200b\u2028\r")


def test_nothing_seen_and_nothing_tradable_are_told_apart(lct: Any, home: Path) -> None:
    with answering(home, TokenDiscovery(), NOW):
        nothing = lct("discovery", "tokens")

    assert (nothing.stdout, nothing.stderr) == ("", "no token was seen yet\n")


@pytest.mark.parametrize("last", ["0", "101", "x"])
def test_a_number_out_of_bounds_is_bad_usage(lct: Any, last: str) -> None:
    assert lct("discovery", "tokens", "--last", last).exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source = 'synthetik'\n", "did you mean 'synthetic'"),
        ("[sources.synthetic]\nper_hour = 0\n", "per_hour"),
        ("[thresholds]\nmax_top_holders = 2.0\n", "thresholds.max_top_holders"),
    ],
)
def test_a_wrong_setting_of_discovery_is_named(lct: Any, home: Path, text: str, said: str) -> None:
    (home / "token_discovery.toml").write_text(text)

    result = lct("config", "check", str(home))

    assert result.exit_code == 2
    assert said in result.stdout
