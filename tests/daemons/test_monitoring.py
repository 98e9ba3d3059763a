"""Monitoring: silence is noticed and told once, a restart at once, and nothing is cried that it only did not hear."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.monitoring import DAEMONS_MAX, DETAIL_WIDTH, UNPROTECTED_QUIET_NS, Config, Monitoring
from lct.config import convert
from lct.daemon import Later, answerers, hearers
from lct.domain.money import money_hook
from lct.errors import ConfigError
from lct.messages.base import FRAME_BYTES_MAX, Codec, Event, Heartbeat, Ready, encode
from lct.messages.execution import Alerted, Reconciled, Unprotected
from lct.messages.monitoring import (
    ALERTS_TOLD_MAX,
    Alert,
    Alerts,
    GetAlerts,
    GetHouseHealth,
    GetMetrics,
    HouseHealth,
    Metrics,
    ReviewDue,
    StandingDue,
)

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
HOUR = 3_600 * SECOND
LISTENING = 12
"""Seconds after which monitoring alerts what it misses."""


class Watch:
    """Monitoring under a clock that the test moves: heartbeats of the living each second, and its own timer."""

    def __init__(self, *expected, **config):
        self.daemon = Monitoring(expected, Config(**config))
        self.now = START
        self.alive = {}
        self.alerts = []
        self.timer = None
        self.hear(self.daemon.recovered(self.now))

    def hear(self, said):
        told = []
        for thing in said or ():
            if isinstance(thing, Later):
                self.timer = thing
            else:
                told.append(thing)
        self.alerts += told
        return told

    def beat(self, name, epoch=1, **extra):
        time_ns = extra.pop("time_ns", self.now)
        beat = Heartbeat(name, extra.pop("instance", 0), epoch, 100 + epoch, extra.pop("ready", True), time_ns, **extra)
        return self.hear(self.daemon.beat(beat, self.now))

    def greet(self, name, epoch=1, version="1", schema=1, config="c"):
        return self.hear(self.daemon.greet(Ready(name, 0, epoch, version, schema, config), self.now))

    def pass_seconds(self, seconds):
        """Let time go by, second after second; return what was alerted meanwhile."""
        before = len(self.alerts)
        for _ in range(seconds):
            self.now += SECOND
            for name, epoch in self.alive.items():
                self.beat(name, epoch)
            self.ring()
        return self.alerts[before:]

    def ring(self):
        if self.timer is not None and self.timer.at_ns <= self.now:
            due, self.timer = self.timer, None
            self.hear(self.daemon.review(due.message, self.now))

    def health(self):
        return self.daemon.house(GetHouseHealth(), self.now)

    def states(self):
        return {one.name: one.state for one in self.health().daemons}


def house(**config):
    """Return a house of two that live, after monitoring has listened long enough to alert."""
    watch = Watch("a", "b", **config)
    watch.alive = {"a": 1, "b": 1}
    assert watch.pass_seconds(LISTENING) == []
    return watch


def rules(alerts):
    return [(alert.severity, alert.name) for alert in alerts]


def test_it_lives_on_the_wall_clock_without_durable_state():
    assert Monitoring.on_wall_clock
    assert not Monitoring.durable
    assert set(hearers(Monitoring(()))) == {Heartbeat, Ready, ReviewDue, Unprotected, Alerted, Reconciled, StandingDue}
    assert set(answerers(Monitoring(()))) == {GetHouseHealth, GetMetrics, GetAlerts}


def test_it_looks_again_each_second():
    watch = Watch("a")

    for _ in range(3):
        assert watch.timer == Later("review", watch.now + SECOND, ReviewDue())
        watch.pass_seconds(1)


def test_a_living_house_is_up_and_nothing_is_alerted():
    watch = house()
    told = watch.health()

    assert told.verdict == "up"
    assert [(one.name, one.state, one.pid, one.ready, one.heartbeat_age_seconds) for one in told.daemons] == [
        ("a", "up", 101, True, 0.0),
        ("b", "up", 101, True, 0.0),
    ]
    assert watch.alerts == []


def test_silence_is_late_then_down_then_over_and_each_is_told_once():
    watch = house()
    del watch.alive["b"]

    assert watch.pass_seconds(2) == []
    assert watch.states() == {"a": "up", "b": "up"}
    assert watch.pass_seconds(1) == [Alert("warning", "daemon_late", "b is late: no heartbeat for 3.0 s", watch.now)]
    assert watch.pass_seconds(6) == []
    assert (watch.health().verdict, watch.states()) == ("late", {"a": "up", "b": "late"})
    assert watch.pass_seconds(1) == [Alert("critical", "daemon_down", "b is down: no heartbeat for 10.0 s", watch.now)]
    assert (watch.health().verdict, watch.health().daemons[1].heartbeat_age_seconds) == ("down", 10.0)
    assert watch.pass_seconds(60) == []
    watch.alive["b"] = 1
    assert watch.pass_seconds(1) == [Alert("info", "daemon_up", "b is up", watch.now)]
    assert watch.pass_seconds(60) == []


def test_the_limits_are_those_of_the_config():
    watch = house(late_after_seconds=2.0, down_after_seconds=4.0)
    del watch.alive["b"]

    seen = [(watch.pass_seconds(1), watch.states()["b"])[1] for _ in range(5)]

    assert seen == ["up", "late", "late", "down", "down"]


def test_one_never_heard_is_down_at_once_but_alerted_only_after_listening():
    watch = Watch("a", "b")
    watch.alive = {"a": 1}

    assert watch.states() == {"a": "down", "b": "down"}
    assert watch.health().daemons[1].reasons == ("never heard",)
    assert watch.pass_seconds(9) == []
    assert watch.pass_seconds(1) == [Alert("critical", "daemon_down", "b is down: never heard", watch.now)]


def test_a_daemon_that_is_not_ready_is_late_with_its_own_reasons():
    watch = house()

    watch.beat("b", ready=False, reasons=("disk full",))
    del watch.alive["b"]

    assert watch.health().daemons[1].reasons == ("not ready", "disk full")
    assert watch.pass_seconds(1) == [Alert("warning", "daemon_late", "b is late: not ready, disk full", watch.now)]


def test_after_a_sleep_it_listens_before_it_cries():
    watch = house()

    watch.now += HOUR
    watch.ring()

    assert watch.states() == {"a": "down", "b": "down"}  # asked, it tells what it knows
    assert watch.pass_seconds(60) == []


def test_who_died_during_the_sleep_is_alerted_after_listening():
    watch = house()

    watch.now += HOUR
    watch.ring()
    del watch.alive["b"]

    assert watch.pass_seconds(9) == []
    assert rules(watch.pass_seconds(1)) == [("critical", "daemon_down")]


def test_a_review_that_is_only_a_little_late_is_no_sleep():
    watch = house()
    del watch.alive["b"]

    watch.pass_seconds(3)
    watch.now += 4 * SECOND
    watch.beat("a")
    watch.ring()

    assert rules(watch.pass_seconds(3)) == [("critical", "daemon_down")]


def test_a_clock_set_back_neither_stops_the_reviews_nor_revives_the_dead():
    watch = house()
    del watch.alive["b"]
    watch.pass_seconds(20)

    watch.now -= HOUR
    alerts = watch.pass_seconds(20)

    assert watch.states() == {"a": "up", "b": "down"}
    assert watch.timer.at_ns == watch.now + SECOND
    assert {alert.detail.split()[0] for alert in alerts} <= {"b"}


def test_a_heartbeat_dated_ahead_ages_from_when_it_was_heard():
    watch = house()

    watch.beat("b", time_ns=watch.now + HOUR)
    del watch.alive["b"]
    watch.pass_seconds(5)

    assert watch.states()["b"] == "late"


def test_a_heartbeat_that_was_long_on_its_way_counts_from_when_it_was_sent():
    watch = house()
    del watch.alive["b"]

    watch.beat("b", time_ns=watch.now - 4 * SECOND)

    assert watch.states()["b"] == "late"


def test_it_is_alive_itself_as_long_as_it_judges():
    watch = house()
    watch.beat(Monitoring.name, ready=False)
    watch.beat("monitoring", instance=1)

    watch.pass_seconds(20)

    told = {one.name: one for one in watch.health().daemons}
    assert (told["monitoring"].state, told["monitoring"].heartbeat_age_seconds) == ("late", 0.0)
    assert told["monitoring"].reasons == ("not ready",)
    assert told["monitoring.1"].state == "down"


def test_a_new_life_is_a_restart_and_told_at_once_however_fast_it_was():
    watch = house()

    told = watch.beat("b", epoch=2)
    watch.alive["b"] = 3

    assert told == [
        Alert("warning", "daemon_restarted", "b: life 2 (pid 102) after life 1 (pid 101); restart 1", watch.now)
    ]
    assert rules(watch.pass_seconds(5)) == [("warning", "daemon_restarted")]
    assert [row.restarts for row in watch.daemon.metrics(GetMetrics(), watch.now).daemons] == [0, 2]


def test_a_heartbeat_of_a_life_that_is_over_changes_nothing():
    watch = house()
    watch.beat("b", epoch=2)

    told = watch.beat("b", epoch=1, time_ns=watch.now - SECOND)

    assert told == []
    assert watch.health().daemons[1].pid == 102


def test_a_house_that_began_anew_counts_its_lives_from_one():
    watch = house()
    watch.beat("b", epoch=5)
    watch.now += SECOND

    assert rules(watch.beat("b", epoch=1)) == [("warning", "daemon_restarted")]
    assert watch.health().daemons[1].pid == 101


def test_a_daemon_that_was_not_expected_counts_once_heard_and_each_instance_alone():
    watch = house()

    watch.beat("tax")
    watch.beat("a", instance=1)

    assert watch.states() == {"a": "up", "a.1": "up", "b": "up", "tax": "up"}
    watch.pass_seconds(3)
    assert watch.states() == {"a": "up", "a.1": "late", "b": "up", "tax": "late"}
    assert watch.health().verdict == "late"


def test_no_more_daemons_are_kept_than_the_limit_and_that_is_told_once():
    watch = Watch()

    for number in range(DAEMONS_MAX + 3):
        watch.beat(f"x{number}")
        watch.greet(f"x{number}")

    assert len(watch.states()) == DAEMONS_MAX
    assert rules(watch.alerts) == [("warning", "house_crowded")]


def test_a_mixed_house_is_alerted_once_naming_who_differs_and_once_when_it_agrees():
    watch = house()
    watch.alive["c"] = 1
    watch.pass_seconds(1)

    assert watch.greet("a") == watch.greet("b") == []
    told = watch.greet("c", version="2", schema=3, config="d")

    wanted = "c has version 2 (the others 1), schema 3 (the others 1), config d (the others c)"
    assert told == [Alert("critical", "house_mixed", wanted, watch.now)]
    assert watch.pass_seconds(10) == []
    assert (watch.states()["c"], watch.health().daemons[2].reasons) == ("up", (wanted.removeprefix("c has "),))
    assert watch.health().daemons[0].reasons == ()
    assert rules(watch.greet("c")) == [("info", "house_agreed")]
    assert watch.health().daemons[2].reasons == ()


@pytest.mark.parametrize("other", [{"version": "2"}, {"schema": 2}, {"config": "d"}])
def test_one_difference_makes_a_house_mixed(other):
    watch = house()
    watch.greet("a")

    assert rules(watch.greet("b", **other)) == [("critical", "house_mixed")]


def test_who_is_down_does_not_make_a_house_mixed():
    watch = house()
    watch.greet("a")
    watch.greet("b", version="2")
    del watch.alive["b"]

    assert rules(watch.pass_seconds(10)) == [
        ("warning", "daemon_late"),
        ("info", "house_agreed"),
        ("critical", "daemon_down"),
    ]


def test_a_new_life_is_compared_by_its_own_ready_whichever_comes_first():
    watch = house()
    watch.greet("a")
    watch.greet("b", version="2")

    watch.beat("b", epoch=2)
    watch.alive["b"] = 2
    assert rules(watch.pass_seconds(1)) == [("info", "house_agreed")]
    assert watch.greet("b", epoch=1, version="2") == []
    assert watch.greet("b", epoch=2) == []
    assert rules(watch.greet("b", epoch=3, version="3")) == [("critical", "house_mixed")]
    assert rules(watch.beat("b", epoch=3)) == [("warning", "daemon_restarted")]
    watch.alive["b"] = 3
    assert watch.pass_seconds(1) == []


def bare(symbol="A/USDT", amount="0.1000"):
    return Unprotected("trend", symbol, Decimal(amount), "below the smallest order")


def test_a_position_without_a_stop_is_alerted_and_not_again_for_a_while():
    watch = house()

    first = watch.hear(watch.daemon.warn(bare(), watch.now))

    detail = "0.1 A/USDT of trend has no stop at the venue: below the smallest order"
    assert first == [Alert("critical", "unprotected", detail, watch.now)]
    assert watch.hear(watch.daemon.warn(bare("B/USDT"), watch.now)) != []
    assert watch.hear(watch.daemon.warn(bare(), watch.now + UNPROTECTED_QUIET_NS - 1)) == []
    assert watch.hear(watch.daemon.warn(bare(), watch.now + UNPROTECTED_QUIET_NS)) != []


def test_alerts_are_bounded_and_told_newest_last():
    watch = house(alerts_kept=3)
    for epoch in range(2, 7):
        watch.beat("b", epoch=epoch)

    told = watch.daemon.last_alerts(GetAlerts(2), watch.now)

    assert told == Alerts(watch.alerts[-2:], raised=5)
    assert watch.daemon.last_alerts(GetAlerts(50), watch.now).alerts == watch.alerts[-3:]


def test_what_a_daemon_says_of_itself_is_cleaned_and_cut():
    watch = house()

    watch.beat("b", ready=False, reasons=("\x1b]0;evil\x07" + "w" * 5_000,))
    del watch.alive["b"]
    alert = watch.pass_seconds(1)[0]

    assert len(alert.detail) <= DETAIL_WIDTH
    assert alert.detail.isprintable()
    assert all(reason.isprintable() for reason in watch.health().daemons[1].reasons)


def test_metrics_are_those_of_the_last_heartbeat_with_ages_of_now():
    watch = house()
    watch.beat(
        "b",
        md_seq=7,
        journal_seq=8,
        heard=9,
        said=10,
        malformed=11,
        latency_ms={"1": 5, "10": 2},
        last_ns={"bar": watch.now - 2 * SECOND, "order": watch.now + HOUR},
    )
    watch.now += SECOND // 2

    told = watch.daemon.metrics(GetMetrics(), watch.now)

    assert told.time_ns == watch.now
    assert [row.name for row in told.daemons] == ["a", "b"]
    row = told.daemons[1]
    assert (row.state, row.epoch, row.restarts, row.heartbeat_age_seconds) == ("up", 1, 0, 0.5)
    assert (row.md_seq, row.journal_seq, row.heard, row.said, row.malformed) == (7, 8, 9, 10, 11)
    assert (row.latency_ms, row.age_seconds) == ({"1": 5, "10": 2}, {"bar": 2.5, "order": 0.0})


def test_one_never_heard_has_no_metrics():
    assert Watch("a").daemon.metrics(GetMetrics(), START).daemons == []


def test_what_it_says_survives_the_wire_and_fits_into_a_frame():
    watch = Watch()
    for number in range(DAEMONS_MAX):
        watch.beat(f"x{number}", reasons=("\U0001f980" * 1_000,) * 10)
    alert = Alert("warning", "daemon_restarted", "\U0001f980" * DETAIL_WIDTH, START)
    told = [watch.health(), watch.daemon.metrics(GetMetrics(), watch.now), Alerts([alert] * ALERTS_TOLD_MAX, 1)]
    codec = Codec((HouseHealth, Metrics, Alerts))

    assert [codec.decode(encode(message)) for message in told] == told
    assert all(len(encode(message)) <= FRAME_BYTES_MAX for message in told)


def test_a_question_for_more_than_a_frame_holds_is_refused():
    codec = Codec((GetAlerts,))

    with pytest.raises(msgspec.ValidationError):
        codec.decode(encode(GetAlerts(ALERTS_TOLD_MAX + 1)))


def test_its_port_and_its_limits_are_the_usual_ones():
    assert (Config().http_port, Config().late_after_seconds, Config().down_after_seconds) == (8007, 3.0, 10.0)
    assert convert({"late_after_seconds": 5.0, "down_after_seconds": 5.0}, Config, money_hook, "x").alerts_kept == 1_000


def test_a_daemon_cannot_be_down_before_it_is_late():
    with pytest.raises(ConfigError, match="down_after_seconds must be at least late_after_seconds"):
        convert({"late_after_seconds": 5.0, "down_after_seconds": 4.0}, Config, money_hook, "monitoring.toml")


STEPS = st.lists(st.tuples(st.integers(0, 15), st.sets(st.sampled_from("abc"))), max_size=30)


@given(STEPS)
def test_no_state_of_a_daemon_is_told_twice_in_a_row_and_the_verdict_is_the_worst(steps):
    watch = Watch("a", "b")

    for seconds, alive in steps:
        watch.alive = dict.fromkeys(sorted(alive), 1)
        watch.pass_seconds(seconds)

    told = {}
    for alert in watch.alerts:
        assert isinstance(alert, Event)
        name, _, rest = alert.detail.partition(" is ")
        state = rest.partition(":")[0]
        assert told.get(name, "up") != state, watch.alerts
        told[name] = state
    states = watch.states().values()
    assert watch.health().verdict == max(states, key=["up", "late", "down"].index)
