"""Metrics: the text is what a Prometheus server reads, and its buckets only rise."""

import re

from hypothesis import given
from hypothesis import strategies as st

from lct.domain.metrics import DaemonMetrics, GateMetrics, buckets, exposition

LINE = re.compile(r'lct_[a-z_]+\{daemon="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")?\} [0-9.]+')


def row(name: str = "market_data", **extra: object) -> DaemonMetrics:
    values = {
        "name": name,
        "state": "late",
        "epoch": 3,
        "restarts": 2,
        "heartbeat_age_seconds": 3.25,
        "md_seq": 7,
        "journal_seq": 8,
        "heard": 9,
        "said": 10,
        "malformed": 11,
        "latency_ms": {"10": 2, "1": 5, "inf": 1},
        "age_seconds": {"bar": 1.5},
    }
    return DaemonMetrics(**{**values, **extra})


def test_each_figure_is_a_line_with_its_daemon():
    text = exposition([row()])

    for line in (
        "# TYPE lct_heard_total counter",
        'lct_state{daemon="market_data"} 1',
        'lct_epoch{daemon="market_data"} 3',
        'lct_restarts_total{daemon="market_data"} 2',
        'lct_heartbeat_age_seconds{daemon="market_data"} 3.250',
        'lct_md_seq{daemon="market_data"} 7',
        'lct_journal_seq{daemon="market_data"} 8',
        'lct_heard_total{daemon="market_data"} 9',
        'lct_said_total{daemon="market_data"} 10',
        'lct_malformed_total{daemon="market_data"} 11',
        'lct_age_seconds{daemon="market_data",of="bar"} 1.500',
        "# TYPE lct_latency_seconds histogram",
        'lct_latency_seconds_bucket{daemon="market_data",le="0.001"} 5',
        'lct_latency_seconds_bucket{daemon="market_data",le="0.01"} 7',
        'lct_latency_seconds_bucket{daemon="market_data",le="+Inf"} 8',
        'lct_latency_seconds_count{daemon="market_data"} 8',
    ):
        assert line in text.splitlines()
    assert text.endswith("\n")


def test_a_family_is_announced_once_for_all_daemons():
    text = exposition([row("a"), row("b")])

    assert text.count("# TYPE lct_state gauge") == 1
    assert 'lct_state{daemon="a"} 1\nlct_state{daemon="b"} 1' in text


@given(st.text(), st.text())
def test_no_name_breaks_out_of_its_line(name, what):
    lines = exposition([row(name, age_seconds={what: 1.0})]).split("\n")

    assert all(LINE.fullmatch(line) for line in lines if line and not line.startswith("# "))


@given(st.dictionaries(st.floats(0).map(str) | st.text(max_size=4), st.integers(0, 10**9)))
def test_buckets_rise_to_the_count_of_all(latency_ms):
    rising = buckets(latency_ms)
    counts = [count for _, count in rising]

    assert counts == sorted(counts)
    assert rising[-1] == ("+Inf", sum(latency_ms.values()))


def test_how_execution_stands_is_told_where_it_has_said_so():
    gate = GateMetrics("halted", 2, 1, 0, 3, 1.5, None, 0.25)
    lines = exposition([row()], gate).splitlines()

    for line in (
        "lct_execution_standing 2",
        "lct_execution_unknown_orders 2",
        "# TYPE lct_execution_unprotected_seconds_total counter",
        "lct_execution_unprotected_seconds_total 1.500",
        "lct_execution_age_seconds 0.250",
    ):
        assert line in lines
    assert not any("reconciled" in line for line in lines), "it has never compared"
    assert not any("lct_execution" in line for line in exposition([row()]).splitlines())
