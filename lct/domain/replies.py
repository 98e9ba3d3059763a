"""Replies: what a venue's answer to an order proves; a whitelist, so that whatever is not on it proves nothing.

The codes are those of Binance's spot API documentation (errors -1021, -2010 and its texts); a venue with others brings
its own `Codes`.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from lct.domain.text import clean

BODY_BYTES_MAX = 8_388_608
REASON_WIDTH = 160


class Reply(msgspec.Struct, frozen=True):
    """What came back for one request: an HTTP status and body, or what went wrong on the line.

    `bytes_sent` is false only where the transport proves that not one byte of the request left.
    """

    status: int | None
    body: bytes = b""
    error: str | None = None
    bytes_sent: bool = True


class Sent(msgspec.Struct, frozen=True):
    """What of the order must stand in a reply that acknowledges it."""

    client_order_id: str
    market: str
    """The venue's own name of the symbol."""
    side: str
    amount: Decimal


class Codes(msgspec.Struct, frozen=True):
    """The errors that prove that the venue does not have the order: a code, and the texts that go with it."""

    refusals: tuple[tuple[int, tuple[str, ...]], ...] = (
        (-1013, ("filter failure",)),
        (-1021, ("timestamp",)),
        (-2010, ("insufficient balance", "market is closed", "stop price would trigger immediately")),
    )
    limits_prove_refusal: bool = False
    """Whether the venue's documents say that what it answers with 418 or 429 was not accepted."""


class Accepted(msgspec.Struct, frozen=True):
    """The venue has the order, under this id of its own."""

    venue_order_id: str


class Rejected(msgspec.Struct, frozen=True):
    """The venue proved that it does not have the order."""

    reason: str


class Unclear(msgspec.Struct, frozen=True):
    """The reply proves nothing."""

    reason: str


Verdict = Accepted | Rejected | Unclear
BINANCE = Codes()


def classify(reply: Reply, sent: Sent, codes: Codes = BINANCE) -> Verdict:
    """Return what a reply to the placing of an order proves."""
    if reply.status is None:
        if not reply.bytes_sent:
            return Rejected(f"never sent: {_said(reply.error)}")
        return Unclear(_said(reply.error) or "no reply")
    if len(reply.body) > BODY_BYTES_MAX:
        return Unclear(f"a body of {len(reply.body)} bytes")
    if reply.status in (418, 429):
        return Rejected(f"too many requests ({reply.status})") if codes.limits_prove_refusal else _by_status(reply)
    document = _document(reply.body)
    if reply.status == 200:
        return _acknowledged(document, sent)
    if 400 <= reply.status < 500 and document is not None:
        return _refused(document, codes)
    return _by_status(reply)


def _by_status(reply: Reply) -> Unclear:
    return Unclear(f"status {reply.status}: {_said(reply.body[:REASON_WIDTH].decode(errors='replace'))}")


def _said(text: str | None) -> str:
    return clean(text or "", REASON_WIDTH)


def _document(body: bytes) -> dict[str, Any] | None:
    """Return the body as an object of JSON; None where it is none, or holds what is no number."""
    try:
        found = json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _acknowledged(document: dict[str, Any] | None, sent: Sent) -> Verdict:
    """Believe an acknowledgement that names our order: by its id, or by what it is."""
    if document is None:
        return Unclear("the reply is no object of JSON")
    venue_order_id = document.get("orderId")
    if not isinstance(venue_order_id, int | str) or not str(venue_order_id):
        return Unclear("the reply names no order")
    ours = document.get("clientOrderId")
    if ours == sent.client_order_id:
        return Accepted(str(venue_order_id))
    same = (document.get("symbol"), document.get("side")) == (sent.market, sent.side)
    if ours is None and same and _amount(document.get("origQty")) == sent.amount:
        return Accepted(str(venue_order_id))
    return Unclear("the reply is of no order that can be told for ours")


def _amount(value: object) -> Decimal | None:
    try:
        return Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None


def _refused(document: dict[str, Any], codes: Codes) -> Verdict:
    code, text = document.get("code"), document.get("msg")
    if isinstance(code, int) and isinstance(text, str):
        for known, texts in codes.refusals:
            if code == known and any(part in text.lower() for part in texts):
                return Rejected(_said(f"{code}: {text}"))
        return Unclear(_said(f"{code}: {text}"))
    return Unclear("an error without a code")
