"""A sender's bytes as data: strict JSON, unpacked within limits, every number exact."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

import orjson

from soar.errors import DeliveryMalformed, DeliveryTooLarge

NUL_SHOWN: Final = "\u2400"
"""What stands for a NUL character in an alert's fields; the raw body keeps the original."""

_PIECE: Final = 64 * 1024
_MEMBERS: Final = 100
_SUSPECT: Final = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")
_MORE: Final = "Extra data"
"""What the decoder says when something follows the first value."""
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding; never more than `limit` bytes are made.

    Raises:
        DeliveryMalformed: the stream is damaged, cut off, or of another encoding.
        DeliveryTooLarge: there is more in it than the limit.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise DeliveryMalformed(f"Content-Encoding {encoding[:40]!r} is not taken; send gzip or none")
    unpacked = bytearray()
    try:
        for part in _gunzip(body):
            unpacked += part
            if len(unpacked) > limit:
                raise DeliveryTooLarge(f"the body is over {limit} bytes once unpacked")
    except zlib.error:
        raise DeliveryMalformed("the body is not the gzip stream it says it is") from None
    return bytes(unpacked)


def _gunzip(body: bytes) -> Iterator[bytes]:
    """The members of a gzip stream, in small pieces."""
    for _ in range(_MEMBERS):
        stream = zlib.decompressobj(wbits=31)
        pending = body
        while not stream.eof:
            piece = stream.decompress(pending, _PIECE)
            pending = stream.unconsumed_tail
            yield piece
            starved = not pending and len(piece) < _PIECE
            if starved and not stream.eof:
                raise DeliveryMalformed("the gzip stream ends before its end")
        body = stream.unused_data.lstrip(b"\0")
        if not body:
            return
    raise DeliveryMalformed(f"the gzip stream has more than {_MEMBERS} members")


def read_json(body: bytes, depth: int) -> Any:
    """The data of strict JSON in UTF-8, exactly as sent: surrogates and NUL characters are still in it.

    Objects one a line (JSON lines) are the list of them.

    Raises:
        DeliveryMalformed: it is not JSON, names a key twice, or is nested deeper than `depth`.
    """
    try:
        content = _decoded(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DeliveryMalformed(f"the body is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        message = f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        raise DeliveryMalformed(message) from None
    except RecursionError:
        raise DeliveryMalformed(f"the body is nested deeper than {depth} levels") from None
    except ValueError:
        raise DeliveryMalformed("the body holds a number of more than 4300 digits") from None
    if body.count(b"{") + body.count(b"[") > depth and _deeper(content, depth):
        raise DeliveryMalformed(f"the body is nested deeper than {depth} levels")
    return content


def _decoded(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        first = text[: error.pos]
        if error.msg != _MORE or "\n" not in first[len(first.rstrip()) :]:
            raise
    return [_line(line, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _line(line: str, number: int) -> Any:
    try:
        content = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        message = f"the body is not JSON: {error.msg} at line {number} column {error.colno}"
        raise DeliveryMalformed(message) from None
    if not isinstance(content, dict):
        raise DeliveryMalformed(f"line {number} of the body is not a JSON object")
    return content


def storable(content: Any, body: bytes) -> Any:
    """The same data with every lone surrogate and NUL replaced, so that all stores and screens can hold it."""
    return _cleaned(content) if _SUSPECT.search(body) else content


def write_json(content: Any, *, canonical: bool = False) -> bytes:
    """JSON text that reads back as the same data; canonical: equal data gives equal bytes."""
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS if canonical else None)
    except TypeError:  # a number over 64 bits, or a lone surrogate: only the standard library writes those
        return json.dumps(content, sort_keys=canonical, separators=(",", ":")).encode()


def _cleaned(content: Any) -> Any:
    if isinstance(content, str):
        return _UNSTORABLE.sub(lambda found: NUL_SHOWN if found[0] == "\0" else "\ufffd", content)
    if isinstance(content, list):
        return [_cleaned(item) for item in content]
    if isinstance(content, dict):
        return {_cleaned(key): _cleaned(value) for key, value in content.items()}
    return content


def _deeper(content: Any, depth: int) -> bool:
    level = [content]
    for _ in range(depth):
        level = [child for part in level for child in _children(part)]
        if not level:
            return False
    return True


def _children(part: Any) -> list[Any]:
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return [child for child in inner if isinstance(child, dict | list)]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that stands twice means two readers may see two different alerts, so it is refused."""
    content = dict(pairs)
    if len(content) == len(pairs):
        return content
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise DeliveryMalformed(f"the body names the key {key[:80]!r} twice in one object")
        seen.add(key)
    return content


def _float(text: str) -> float | str:
    """A number with a point or exponent; one that no float can hold stays text rather than become infinite."""
    number = float(text)
    return number if math.isfinite(number) else text


def _constant(word: str) -> Any:
    raise DeliveryMalformed(f"the body is not JSON: {word} is not a value of JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_float=_float, parse_constant=_constant)
