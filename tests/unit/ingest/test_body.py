"""Bytes of strangers: strict JSON, unpacked within limits, every number exact."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest

from soar.errors import DeliveryMalformed, DeliveryTooLarge
from soar.ingest.body import NUL_SHOWN, read_json, storable, unpack, write_json

LIMIT = 1 << 20


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_b05_what_is_no_value_of_json_is_refused(word: str) -> None:
    with pytest.raises(DeliveryMalformed, match=f"{word} is not a value of JSON"):
        read_json(f'{{"a": [1, {word}]}}'.encode(), 64)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"   ", "not JSON"),
        (b"a=1&b=2", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": "b\nc"}', "not JSON: Invalid control character"),
        (b'{"a": "b\x00c"}', "not JSON: Invalid control character"),
        (b'{"a": 1} {"b": 2}', "not JSON: Extra data"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "names the key 'c' twice"),
        (b'{"a": "\xff"}', r"not UTF-8 \(byte 7\)"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number of more than 4300 digits"),
        (b"[" * 100_000, "nested deeper than 64 levels"),
        (nested(200_000), "nested deeper than 64 levels"),
        (nested(65), "nested deeper than 64 levels"),
    ],
)
def test_what_is_not_json_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(DeliveryMalformed, match=reason):
        read_json(body, 64)


@pytest.mark.parametrize("body", [nested(64), b"[" + b"{},[]," * 500 + b"0]"])
def test_what_is_not_too_deep_is_taken(body: bytes) -> None:
    assert read_json(body, 64) == json.loads(body)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\n \n"])
def test_objects_one_a_line_are_a_list(end: bytes) -> None:
    assert read_json(end.join([b'{"a": 1}', b'{"b": "x\\ny"}', b""]), 64) == [{"a": 1}, {"b": "x\ny"}]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": 1}\n{"b": ', "at line 2 column"),
        (b'{"a": 1}\n{"b": NaN}', "NaN is not a value of JSON"),
        (b'{"a": 1}\n2', "line 2 of the body is not a JSON object"),
        (b'{"a": 1}\n{"b": 1, "b": 2}', "'b' twice"),
        (b'{"a": 1}\n{\n"b": 1}', "at line 2"),
    ],
)
def test_a_bad_line_is_named(body: bytes, reason: str) -> None:
    with pytest.raises(DeliveryMalformed, match=reason):
        read_json(body, 64)


def test_numbers_stay_exact_through_reading_and_writing() -> None:
    numbers = b'[1767228716746609046,123456789012345678901234567890,0.1,-0.0,"1e400"]'
    assert write_json(read_json(numbers, 64)) == numbers
    assert read_json(b"[1e400]", 64) == ["1e400"]  # no float holds it, and infinity cannot be sent back


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"a": "x\\u0000y"}', {"a": f"x{NUL_SHOWN}y"}),
        (b'{"a\\u0000": ["\\u0000"]}', {f"a{NUL_SHOWN}": [NUL_SHOWN]}),
        (b'{"a": "\\ud800"}', {"a": "\ufffd"}),
        (b'{"a": "x\\uDFFFy"}', {"a": "x\ufffdy"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
    ],
)
def test_b01_b02_what_cannot_be_stored_everywhere_is_replaced_by_what_can(body: bytes, shown: Any) -> None:
    content = read_json(body, 64)
    assert storable(content, body) == shown
    again = write_json(content)  # how an element of a list is kept
    assert storable(read_json(again, 64), again) == shown


def test_b12_a_good_stream_of_any_number_of_members_is_unpacked() -> None:
    assert unpack(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", LIMIT) == b"ab"
    assert unpack(gzip.compress(b"a" * LIMIT), "x-gzip", LIMIT) == b"a" * LIMIT
    assert unpack(b"plain", "identity", LIMIT) == b"plain"


def test_b12_a_bomb_is_given_up_at_the_limit() -> None:
    bomb = gzip.compress(b"\0" * (200 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(DeliveryTooLarge, match="once unpacked"):
            unpack(bomb, "gzip", LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 5 * LIMIT
    finally:
        tracemalloc.stop()


def test_b12_a_bomb_of_many_members_too() -> None:
    with pytest.raises(DeliveryMalformed, match="members"):
        unpack(gzip.compress(b"") * 1000, "gzip", LIMIT)
    with pytest.raises(DeliveryTooLarge):
        unpack(gzip.compress(b"\0" * LIMIT) * 2, "gzip", LIMIT)


@pytest.mark.parametrize("cut", [1, 5, 9, 20, 40])
def test_b12_a_stream_cut_off_is_refused(cut: int) -> None:
    whole = gzip.compress(bytes(range(256)))
    with pytest.raises(DeliveryMalformed, match="gzip"):
        unpack(whole[:-cut], "gzip", LIMIT)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"{}", "gzip"), (b"", "gzip"), (zlib.compress(b"{}"), "deflate"), (b"{}", "br"), (b"{}", "gzip,gzip")],
)
def test_another_encoding_than_the_one_that_was_said_is_refused(body: bytes, encoding: str) -> None:
    with pytest.raises(DeliveryMalformed):
        unpack(body, encoding, LIMIT)
