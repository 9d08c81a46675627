from __future__ import annotations

import base64
import json
import logging
import urllib.parse
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from soar.connector.masking import MASK, Masker

SECRET = 's3cr3t/"päss+word'


@pytest.fixture
def masker() -> Masker:
    masker = Masker()
    masker.add(SECRET)
    return masker


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        repr(SECRET)[1:-1],
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote(SECRET, safe="").lower(),
        urllib.parse.quote_plus(SECRET),
    ],
)
def test_g03_a_secret_is_masked_in_every_spelling_and_inside_longer_text(masker: Masker, form: str) -> None:
    assert masker.text(f"curl -H X:{form} done") == f"curl -H X:{MASK} done"
    assert masker.mask({"deep": [{"er": f"a {form} b"}]}) == {"deep": [{"er": f"a {MASK} b"}]}  # G01: nested copies


@given(before=st.text(max_size=7), after=st.text(max_size=7))
def test_g03_a_secret_is_masked_inside_base64_wherever_it_starts(before: str, after: str) -> None:
    masker = Masker()
    masker.add(SECRET)
    raw = f"{before}{SECRET}{after}".encode()
    for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        assert masker.mask({"header": f"x={encoded.decode()};"})["header"] in (f"x={MASK};", f"{MASK};")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=12,
    ),
    st.integers(0, 30),
)
def test_g01_the_quick_look_misses_nothing_that_the_walk_would_mask(data: Any, place: int) -> None:
    masker = Masker()
    masker.add(SECRET)
    text = "x" * place + SECRET
    assert SECRET not in repr(masker.mask({"data": data, "text": text, text: 1}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pa:ss@host.example.com/x", "https://***host.example.com/x"),
        ("get https://h/?token=abc123&page=2 now", "get https://h/?token=***&page=2 now"),
        ("https://h/x?page=1&api_key=abc#end", "https://h/x?page=1&api_key=***#end"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "{'Authorization': 'Basic ***'}"),
        ("sent bearer 0123456789abcdef0123", "sent bearer ***"),
        ("xoxb-1234567890-abcdef", "xoxb-***"),
        ("https://hooks.slack.com/services/T0/B0/XXXX", "https://hooks.slack.com/***"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.***"),
        ("-----BEGIN PRIVATE KEY-----\nMIIB\nAAA=\n-----END PRIVATE KEY-----", "***"),
    ],
)
def test_g02_what_looks_like_a_credential_is_masked_without_being_known(text: str, shown: str) -> None:
    masked = Masker().mask({"url": text})["url"]
    if shown == "***":
        assert "MIIB" not in masked
    else:
        assert masked == shown


@pytest.mark.parametrize(
    "name", ["Authorization", "authorization", "Set-Cookie", "password", "client_secret", "X-Api-Key", "access_token"]
)
def test_g01_values_of_secret_fields_are_masked_by_name(name: str) -> None:
    masker = Masker()
    assert masker.mask({"headers": {name: "abc"}}) == {"headers": {name: MASK}}
    assert masker.mask({name: ["a=b", "c=d"]}) == {name: [MASK, MASK]}
    assert masker.mask({name: 12345678}) == {name: MASK}


def test_identifiers_of_secrets_stay_readable() -> None:
    data = {"token_id": "t-1", "api_key_id": "k-1", "client_id": "c-42", "tokens": 3}
    assert Masker().mask(data) is data  # the same object: nothing to hide costs no copy
    absent = {"password": None, "secret": ""}
    assert Masker().mask(absent) == absent


@pytest.mark.parametrize("text", ["basic authentication failed", "token expired", "see https://h/a?page=2&sort=key"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Masker().text(text) == text


def test_data_that_cannot_be_written_as_json_is_still_walked(masker: Masker) -> None:
    masked = masker.mask({"n": 10**30, "odd": "\ud800", "t": (SECRET,), "s": SECRET})
    assert masked == {"n": 10**30, "odd": "\ud800", "t": [MASK], "s": MASK}


def test_g07_what_an_object_would_say_of_itself_is_masked(masker: Masker) -> None:
    error = ValueError(f"bad value {SECRET}")
    assert masker.mask({"error": error, "cause": {error}}) == {"error": "bad value ***", "cause": ["bad value ***"]}


def test_a_secret_of_several_lines_is_masked() -> None:
    masker = Masker()
    masker.add("first line\nsecond line")
    assert masker.mask({"a": "x first line\nsecond line y"}) == {"a": "x *** y"}


def test_g07_the_log_filter_masks_messages_arguments_and_tracebacks(
    masker: Masker, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("third.party")
    caplog.handler.addFilter(masker.log_filter())
    logger.warning("header %s", SECRET)
    try:
        raise ValueError(f"bad value {SECRET}")
    except ValueError:
        logger.exception("failed")
    assert SECRET not in caplog.text
    assert caplog.text.count(MASK) >= 2


def test_g07_the_structlog_processor_masks_every_value(masker: Masker) -> None:
    lines: list[str] = []

    def keep(_logger: Any, _method: str, event: Any) -> str:
        lines.append(json.dumps(event, default=str))
        raise structlog.DropEvent

    logger = structlog.wrap_logger(
        structlog.PrintLogger(), processors=[structlog.processors.format_exc_info, masker.processor, keep]
    )
    try:
        raise ValueError(f"bad {SECRET}")
    except ValueError as error:
        logger.exception(
            "failed", url=f"https://h/?x={SECRET}", password="hunter22", nested={"a": [SECRET]}, error=error
        )
    assert len(lines) == 1
    assert json.dumps(SECRET)[1:-1] not in lines[0]
    assert "hunter22" not in lines[0]
