"""The log says each fact once, on stderr, in a form that a machine can read."""

import json
import logging
import subprocess
import sys
from decimal import Decimal

import pytest
import structlog

from lct import log
from lct.errors import ConfigError


@pytest.fixture(autouse=True)
def _as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def said(capsys):
    out, err = capsys.readouterr()
    assert out == "", "stdout is data"
    return [json.loads(line) for line in err.splitlines()]


def test_a_fact_is_one_line_of_json_with_its_own_fields(capsys):
    log.configure("execution", "info", json=True)

    log.get(symbol="BTC/USDT").info("order.accepted", order_id=7, price=Decimal("0.10"))

    (line,) = said(capsys)
    assert list(line)[:4] == ["timestamp", "service", "level", "message"]
    assert line["timestamp"].endswith("Z")
    assert {key: line[key] for key in line if key != "timestamp"} == {
        "service": "execution",
        "level": "info",
        "message": "order.accepted",
        "symbol": "BTC/USDT",
        "order_id": 7,
        "price": "0.10",
    }


def test_what_is_below_the_level_is_not_said(capsys):
    log.configure("execution", "warning", json=True)

    log.get().info("quiet")
    log.get().warning("loud")

    assert [line["message"] for line in said(capsys)] == ["loud"]


def test_an_unknown_level_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'warning'"):
        log.configure("execution", "warnin")


def test_a_traceback_shows_no_locals(capsys):
    log.configure("execution", json=True)

    def sign(secret):
        raise RuntimeError("no answer")

    try:
        sign("hunter" + "2")
    except RuntimeError:
        log.get().exception("sign.failed")

    (line,) = said(capsys)
    assert "RuntimeError: no answer" in line["exception"]
    assert "hunter2" not in line["exception"]
    assert line["level"] == "error"


@pytest.mark.parametrize("value", [float("nan"), 10**400, "\ud800", b"\xff", {1: {2}}, object()])
def test_no_fact_can_end_the_process_that_reports_it(capsys, value):
    log.configure("execution", json=True)

    log.get().info("odd", value=value)

    assert said(capsys)[0]["message"] == "odd"


def test_a_fact_cannot_pass_for_the_head(capsys):
    log.configure("execution", json=True)

    log.get().info("real", service="other", timestamp="never", message="false")

    (line,) = said(capsys)
    assert (line["service"], line["message"]) == ("execution", "real")
    assert (line["fact_service"], line["fact_timestamp"], line["fact_message"]) == ("other", "never", "false")


def test_what_libraries_log_comes_out_in_the_same_form(capsys):
    log.configure("market_data", json=True)

    logging.getLogger("asyncio").error("task %s was never awaited", "x")
    logging.getLogger("asyncio").info("chatter")

    (line,) = said(capsys)
    assert (line["message"], line["library"], line["level"]) == ("task x was never awaited", "asyncio", "error")


def test_on_a_console_a_name_from_outside_cannot_move_the_cursor(capsys):
    log.configure("token_discovery", json=False)

    log.get().info("token.seen", name="\x1b[2JEVIL\n")

    out, err = capsys.readouterr()
    assert out == ""
    assert "token.seen" in err
    assert "\x1b[2J" not in err
    assert err.count("\n") == 1


def test_importing_the_log_does_not_load_structlog():
    code = "import sys, lct.log, lct.config; sys.exit('structlog' in sys.modules or 'platformdirs' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("json", [True, False])
def test_a_process_that_logs_does_not_load_rich_and_can_load_it_later(json):
    code = (
        f"import sys; from lct import log; log.configure('a', json={json})\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: log.get().critical('process.crashed', exc_info=True)\n"
        "assert not any(name.split('.')[0] == 'rich' for name in sys.modules)\n"
        "import rich.traceback"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "ZeroDivisionError" in done.stderr
