from __future__ import annotations

from email.utils import format_datetime

import httpx
import orjson
import pytest

from soar.clock import as_datetime
from soar.connector.answers import Reply, read_json, retry_after, sorted_status
from soar.errors import ConnectorError, OutcomeUnknown, Refused, Unavailable

NOW = 1_767_225_600_000


def reply(status: int, body: bytes = b"", changes: bool = False, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, httpx.Headers(named), body, label="PUT /rules/r1", changes=changes)


def sort(answer: Reply, *, changes: bool) -> ConnectorError:
    return sorted_status(answer, changes=changes, now=NOW, longest_wait=900)


@pytest.mark.parametrize(
    ("status", "changing", "reading"),
    [
        (429, Unavailable, Unavailable),
        (503, Unavailable, Unavailable),
        (500, OutcomeUnknown, Unavailable),
        (502, OutcomeUnknown, Unavailable),
        (504, OutcomeUnknown, Unavailable),
        (400, Refused, Refused),
        (401, Refused, Refused),
        (404, Refused, Refused),
        (409, Refused, Refused),
        (302, Refused, Refused),
    ],
)
def test_s17_a_status_is_sorted(status: int, changing: type[ConnectorError], reading: type[ConnectorError]) -> None:
    assert type(sort(reply(status), changes=True)) is changing
    assert type(sort(reply(status), changes=False)) is reading


def test_an_error_names_request_status_and_reason() -> None:
    error = sort(reply(400, b'{"error": "no such\n client"}'), changes=True)
    assert str(error) == 'PUT /rules/r1 answered 400: {"error": "no such client"}'


def test_a_redirect_says_where_it_points() -> None:
    error = sort(reply(301, location="https://api.example.com/v2"), changes=True)
    assert "https://api.example.com/v2" in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        (" 120 ", 120.0),
        (format_datetime(as_datetime(NOW + 90_000), usegmt=True), 90.0),
        (format_datetime(as_datetime(NOW - 90_000), usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_h03_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_h03_a_pause_above_the_cap_is_a_no_with_its_reason() -> None:
    error = sort(reply(429, retry_after="86400"), changes=True)
    assert type(error) is Refused
    assert "86400 s" in str(error)


def test_h03_garbage_falls_back_to_the_normal_pause() -> None:
    error = sort(reply(429, retry_after="later, perhaps"), changes=False)
    assert isinstance(error, Unavailable)
    assert error.retry_after is None


def test_b07_bytes_that_are_no_text_are_replaced() -> None:
    answer = reply(200, b"\xff\xfe caf\xc3\xa9", content_type="text/plain")
    assert answer.text == "\ufffd\ufffd café"
    assert reply(200, b"caf\xe9", content_type="text/plain; charset=latin-1").text == "café"
    assert reply(200, b"x", content_type="text/plain; charset=klingon").text == "x"


def test_an_answer_that_is_not_json_is_refused_or_unknown() -> None:
    with pytest.raises(Refused, match="not JSON: <html>"):
        reply(200, b"<html>").json()
    with pytest.raises(OutcomeUnknown, match="not JSON"):
        reply(200, b"<html>", changes=True).json()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"id": 1234567890123456789}', {"id": 1234567890123456789}),  # B08
        ('{"id": 123456789012345678901234567890}', {"id": "123456789012345678901234567890"}),
        ("[NaN, Infinity, -Infinity, 1e999]", [None, None, None, None]),
        (r'{"a": "\ud800", "b": "\ud83d\ude00", "c": 12345678901234567890}', None),
        ('"\\u0000"', "\0"),
    ],
)
def test_json_of_others_can_always_be_written_again(text: str, value: object) -> None:
    data = read_json(text)
    if value is not None:
        assert data == value
    else:
        assert data == {"a": "\ufffd", "b": "😀", "c": 12345678901234567890}
    orjson.dumps(data)


def test_json_nested_too_deeply_is_no_crash() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        read_json("[" * 200_000)
