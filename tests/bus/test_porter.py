"""The porter: each request gets in once, in time, at the right door."""

from collections import Counter

import msgspec
import pytest

from lct.bus import porter
from lct.bus.porter import EXPIRY_NS_MAX, Porter
from lct.messages.base import Envelope

NOW = 1_700_000_000_000_000_000


def request(id_: str = "alice:1:1", to: str | None = "oracle", expires_ns: int | None = NOW + 1, **fields) -> Envelope:
    body = msgspec.Raw(b"\x80")
    return Envelope(id_, fields.pop("source", "alice"), 1, 0, NOW, body, destination=to, expires_ns=expires_ns)


def test_a_request_gets_in_once():
    counts: Counter[str] = Counter()
    door = Porter("oracle", counts, is_hub=False)

    assert [door.objection(request(), NOW) for _ in range(3)] == [None, "", ""]
    assert door.objection(request(source="bob"), NOW) is None
    assert counts == {"repeated": 2}


@pytest.mark.parametrize(
    ("asked", "what", "said"),
    [
        (request(expires_ns=None), "malformed", ""),
        (request(to="ledger"), "misdirected", "this is oracle, not ledger"),
        (request(to=None), "misdirected", "this is oracle, not None"),
        (request(expires_ns=NOW), "expired", "expired 0 ms ago"),
        (request(expires_ns=NOW - 7_000_000), "expired", "expired 7 ms ago"),
        (request(expires_ns=NOW + EXPIRY_NS_MAX + 1), "malformed", "expires in more than 600 s"),
    ],
)
def test_what_is_turned_away_is_counted_and_told_why(asked, what, said):
    counts: Counter[str] = Counter()

    assert Porter("oracle", counts, is_hub=False).objection(asked, NOW) == said
    assert counts == {what: 1}


def test_a_hub_takes_requests_for_others():
    assert Porter("hub", Counter(), is_hub=True).objection(request(), NOW) is None


def test_when_no_more_ids_can_be_kept_new_requests_are_refused_and_none_is_carried_out_twice(monkeypatch):
    monkeypatch.setattr(porter, "REMEMBERED_MAX", 3)
    counts: Counter[str] = Counter()
    door = Porter("oracle", counts, is_hub=False)
    asked = [request(f"alice:1:{n}", expires_ns=NOW + 10 * (n + 1)) for n in range(4)]

    assert [door.objection(one, NOW) for one in asked] == [None, None, None, "too many requests"]
    assert door.objection(asked[0], NOW) == ""
    assert door.objection(asked[3], NOW + 10) is None
    assert counts == {"busy": 1, "repeated": 1}
