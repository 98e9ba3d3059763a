"""What a venue's reply proves: the whitelist, row by row."""

from decimal import Decimal

import pytest

from lct.domain.replies import Accepted, Codes, Rejected, Reply, Sent, Unclear, classify

SENT = Sent("c" * 32, "BTCUSDT", "BUY", Decimal("0.5"))
OURS = b'{"orderId": 7, "clientOrderId": "' + b"c" * 32 + b'", "executedQty": "0.0"}'

UNCLEAR = {
    "a reply that never came": Reply(None, error="timeout"),
    "a line that was cut": Reply(None, error="closed"),
    "a truncated body": Reply(200, OURS[:30]),
    "an empty body": Reply(200, b""),
    "a page for people": Reply(200, b"<html>ok</html>"),
    "a list": Reply(200, b"[]"),
    "an id alone": Reply(200, b'{"orderId": 1}'),
    "an order of somebody else": Reply(200, b'{"orderId": 1, "clientOrderId": "x"}'),
    "a number that is none": Reply(200, OURS.replace(b'"0.0"', b"NaN")),
    "an infinite number": Reply(200, OURS.replace(b'"0.0"', b"Infinity")),
    "no id of an order": Reply(200, OURS.replace(b"7", b"null")),
    "500": Reply(500, b"{}"),
    "502 as a page": Reply(502, b"<html>bad gateway</html>"),
    "503 of unknown fate": Reply(503, b'{"code": -1000, "msg": "Unknown error, please check your request"}'),
    "504": Reply(504, b""),
    "a wall in front of the venue": Reply(403, b"<html>blocked</html>"),
    "-1006": Reply(400, b'{"code": -1006, "msg": "Unexpected response from the message bus"}'),
    "-1007": Reply(400, b'{"code": -1007, "msg": "Timeout waiting for response"}'),
    "a duplicate, so that it is there": Reply(400, b'{"code": -2010, "msg": "Duplicate order sent."}'),
    "a code that nobody knows": Reply(400, b'{"code": -9999, "msg": "no"}'),
    "an error without a code": Reply(400, b'{"msg": "insufficient balance"}'),
    "too many requests": Reply(429, b"{}"),
    "a ban": Reply(418, b"{}"),
    "a nest without end": Reply(200, b"[" * 100_000),
    "a body without end": Reply(200, b" " * 8_388_609),
}


@pytest.mark.parametrize("what", UNCLEAR)
def test_it_proves_nothing(what):
    assert isinstance(classify(UNCLEAR[what], SENT), Unclear)


REFUSALS = {
    "too late": b'{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}',
    "no money": b'{"code": -2010, "msg": "Account has insufficient balance for requested action."}',
    "a filter": b'{"code": -1013, "msg": "Filter failure: LOT_SIZE"}',
}


@pytest.mark.parametrize("what", REFUSALS)
def test_it_proves_that_the_order_is_not_there(what):
    assert isinstance(classify(Reply(400, REFUSALS[what]), SENT), Rejected)


def test_a_request_of_which_no_byte_left_was_never_there():
    assert isinstance(classify(Reply(None, error="refused", bytes_sent=False), SENT), Rejected)


def test_a_limit_is_a_refusal_only_where_the_venue_says_so():
    assert isinstance(classify(Reply(429), SENT, Codes(limits_prove_refusal=True)), Rejected)


def test_an_acknowledgement_with_our_id_is_believed():
    assert classify(Reply(200, OURS), SENT) == Accepted("7")


def test_one_without_our_id_is_believed_where_all_else_is_ours():
    told = b'{"orderId": 7, "symbol": "BTCUSDT", "side": "BUY", "origQty": "0.50"}'

    assert classify(Reply(200, told), SENT) == Accepted("7")
    assert isinstance(classify(Reply(200, told.replace(b"0.50", b"0.51")), SENT), Unclear)


def test_what_a_venue_says_is_cleaned_before_anybody_reads_it():
    verdict = classify(Reply(400, b'{"code": -1, "msg": "\\u001b[31mred"}'), SENT)

    assert isinstance(verdict, Unclear)
    assert "\x1b" not in verdict.reason
