"""Asking from outside: what is not there is said in words, at whatever moment it went."""

from pathlib import Path

import msgspec
import pytest
import zmq

from lct.bus import asking, sockets
from lct.bus.asking import Asker
from lct.errors import NoAnswer
from lct.messages.base import Envelope


def test_a_process_that_dies_between_the_look_and_the_send_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = zmq.Context.instance().socket(zmq.ROUTER)
    bound.bind(sockets.in_folder(tmp_path, "portfolio").ask)
    bound.close(0)  # its file stays, and nobody listens
    monkeypatch.setattr(sockets, "is_absent", lambda _endpoint: False)
    monkeypatch.setattr(asking, "_becomes", lambda event, *_: event == zmq.POLLOUT)
    asker = Asker(tmp_path)

    with pytest.raises(NoAnswer, match="portfolio is not there"):
        asker.ask("portfolio", Envelope("1", "test", 1, 1, 0, msgspec.Raw(b"\x80")), 50)

    asker.close()
