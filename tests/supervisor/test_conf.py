"""supervisord.conf: what holds for every program of it, and what of it a home's own copy keeps."""

from pathlib import Path

import pytest

from lct.errors import ConfigError, NotFound
from lct.supervisor import conf
from tests.supervisor.troupe import DAEMONS


def sections(text: str) -> dict[str, dict[str, str]]:
    parser = conf.configparser.RawConfigParser(inline_comment_prefixes=conf.COMMENTS)
    parser.read_string(text)
    return {name: dict(parser.items(name)) for name in parser.sections()}


SHIPPED = sections(conf.shipped().read_text(encoding="utf-8"))
PROGRAMS = {name.removeprefix(conf.PROGRAM): values for name, values in SHIPPED.items() if conf.PROGRAM in name}


def test_every_program_is_kept_running_and_ends_with_all_its_children() -> None:
    wanted = {
        "autorestart": "true",
        "startsecs": "0",
        "startretries": "1000000",
        "stopsignal": "TERM",
        "stopwaitsecs": "15",
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile_maxbytes": "1MB",
        "stdout_logfile_backups": "1",
    }

    for name, values in PROGRAMS.items():
        assert {key: values[key] for key in wanted} == wanted, name
        assert values["command"] == f"{conf.CHECKOUT_PYTHON} -m lct.run {name}"


def test_every_daemon_has_a_program() -> None:
    folder = conf.shipped().parent / "daemons"
    there = {path.stem for path in folder.glob("[a-z]*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }

    assert set(PROGRAMS) == {*there, conf.AUDIT}


def test_execution_is_first_and_the_gateway_last() -> None:
    assert (DAEMONS[0], DAEMONS[1], DAEMONS[-1]) == ("execution", "portfolio", "api_gateway")


def test_the_checker_stands_wherever_execution_does() -> None:
    with_execution = conf.with_checker(conf.shipped(), ["execution", "portfolio"])

    assert with_execution == ["execution", "portfolio", conf.AUDIT]
    assert conf.with_checker(conf.shipped(), ["portfolio"]) == ["portfolio"]
    assert conf.AUDIT not in DAEMONS


def test_nobody_else_reaches_the_supervisor() -> None:
    assert "inet_http_server" not in SHIPPED
    assert SHIPPED["unix_http_server"]["chmod"] == "0700"
    assert SHIPPED["supervisord"]["umask"] == "077"


def test_the_shipped_file_needs_no_environment() -> None:
    assert "%(ENV_" not in conf.shipped().read_text(encoding="utf-8")


def test_what_it_leaves_beside_it_is_ignored_by_git() -> None:
    ignored = (conf.shipped().parent / ".gitignore").read_text().split()

    assert {"*.sock", "*.pid", "*.log"} <= set(ignored)


def test_a_copy_has_its_own_places_and_this_python() -> None:
    copied = sections(conf.copy(conf.shipped(), ["portfolio"], "secret"))

    assert set(copied) == {*SHIPPED} - {"supervisorctl"} - {f"program:{n}" for n in PROGRAMS if n != "portfolio"}
    assert copied["unix_http_server"]["password"] == "secret"
    assert copied["program:portfolio"]["command"] == '"%(ENV_LCT_PYTHON)s" -m lct.run portfolio'
    assert "%(here)s" not in "".join(value for values in copied.values() for value in values.values())


def test_a_copy_with_a_conductor_starts_it_between_the_books_and_the_markets() -> None:
    copied = sections(conf.copy(conf.shipped(), list(DAEMONS), "secret", conductor=True))

    priority = {name: int(values["priority"]) for name, values in copied.items() if conf.PROGRAM in name}
    assert copied["program:conductor"]["command"].endswith("-m lct.run conductor")
    assert priority["program:portfolio"] < priority["program:conductor"] < priority["program:trading_engine"]


def test_what_is_chosen_comes_in_the_order_of_starting() -> None:
    assert conf.chosen(conf.shipped(), ["market_data", "execution"]) == ["execution", "market_data"]
    with pytest.raises(NotFound, match="did you mean 'execution'"):
        conf.chosen(conf.shipped(), ["excution"])


@pytest.mark.parametrize("text", ["", "[supervisord]\n", "no section at all"])
def test_a_file_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "supervisord.conf"
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"supervisord\.conf"):
        conf.programs(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        conf.programs(tmp_path / "absent.conf")
