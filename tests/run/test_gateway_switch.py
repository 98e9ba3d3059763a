"""A halt over HTTP does not need execution to listen: the file comes first."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lct.domain.risk import Standing
from lct.errors import NoAnswer
from lct.messages.execution import Done, GetExecutionStatus, Halt
from lct.run.gateway import Switching
from lct.run.switch import FILE
from lct.store.sqlite import SqliteJournal


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Path]:
    """The folder of an account that the gateway itself has in hand."""
    (tmp_path / "run").mkdir()
    folder = tmp_path / "journal" / "paper-paper-main"
    folder.mkdir(parents=True)
    journal = SqliteJournal(folder / "api_gateway.db")
    yield folder
    journal.close()


def silent(request: Any) -> Any:
    raise NoAnswer("execution is not running.")


def test_a_halt_that_nobody_answers_leaves_the_file_and_says_so(tmp_path: Path, account: Path) -> None:
    with pytest.raises(NoAnswer, match=r"execution is not running\. the file stands"):
        Switching(tmp_path, silent)(Halt("too hot", "gateway:1"))

    assert (account / FILE).exists()


def test_a_halt_that_is_answered_leaves_the_file_too(tmp_path: Path, account: Path) -> None:
    reply = Done(Standing.HALTED, True, "halted")

    assert Switching(tmp_path, lambda _: reply)(Halt("", "gateway:1")) == reply  # type: ignore[arg-type,return-value]
    assert (account / FILE).exists()


def test_every_other_question_goes_by_the_bus_alone(tmp_path: Path, account: Path) -> None:
    with pytest.raises(NoAnswer):
        Switching(tmp_path, silent)(GetExecutionStatus())

    assert not (account / FILE).exists()


def test_where_no_file_can_be_written_it_says_that(tmp_path: Path, account: Path) -> None:
    (account / FILE).mkdir()
    (account / FILE / "full").touch()
    try:
        with pytest.raises(NoAnswer, match="no file could be written"):
            Switching(tmp_path, silent)(Halt("", "gateway:1"))
    finally:
        shutil.rmtree(account / FILE)
