"""A process notices that the supervisor which started it is gone."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lct.bus.parent import ADDRESS, SUPERVISED, Parent


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A supervisor's socket, as a child of that supervisor sees it."""
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        path = Path(folder) / "supervisor.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.bind(str(path))
            line.listen()
            monkeypatch.setenv(SUPERVISED, "1")
            monkeypatch.setenv(ADDRESS, f"unix://{path}")
            yield line


def test_who_has_no_supervisor_has_none_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SUPERVISED, raising=False)

    assert not Parent().is_gone


def test_a_supervisor_that_listens_is_there(listening: socket.socket) -> None:
    assert not Parent().is_gone


def test_one_that_ended_before_anybody_looked_is_gone(listening: socket.socket) -> None:
    listening.close()

    assert Parent().is_gone


def test_one_whose_socket_was_cleaned_away_is_gone(listening: socket.socket) -> None:
    Path(listening.getsockname()).unlink()

    assert Parent().is_gone


def test_of_one_that_cannot_be_asked_only_the_end_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SUPERVISED, "1")
    for url in ("", "http://127.0.0.1:9001", f"unix:///{'x' * 200}"):
        monkeypatch.setenv(ADDRESS, url)

        assert not Parent().is_gone, url


def test_another_parent_means_that_the_first_one_ended(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = Parent()
    monkeypatch.setattr("os.getppid", lambda: 1)

    assert parent.is_gone
