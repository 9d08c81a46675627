"""From whatever a sender wrote to a field's own type. What cannot be read is None, never a guess and never a crash."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from soar.clock import as_millis, rfc3339

_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,18}))?)?\s*([Zz]|[+-]\d\d(?::?\d\d)?|UTC|GMT)?)?"
)
_NUMBER: Final = re.compile(r"[-+]?\d{1,20}(?:\.\d{1,18})?(?:[eE][-+]?\d{1,2})?")
_HOST_PORT: Final = re.compile(r"(\[[^\]]+\]|[^:\s]+):\d{1,5}")
_ATTACK: Final = re.compile(r"(?:attack\.)?(T\d{4}(?:\.\d{3})?|TA\d{4})", re.IGNORECASE)
_UNITS: Final = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
"""Below the first number the unit is seconds, then milli-, micro- and nanoseconds."""


def scalars(value: Any) -> Iterator[Any]:
    """The value itself, or the plain values of a list; objects and nulls are left out."""
    for item in value if isinstance(value, list | tuple) else (value,):
        if isinstance(item, str | int | float):
            yield item


def text(value: Any) -> str | None:
    """The first plain value as text. An id that looks like a number stays as it was written; "" is not set."""
    return next(texts(value), None)


def texts(value: Any) -> Iterator[str]:
    """All plain values as text."""
    for item in scalars(value):
        written = _written(item)
        if written:
            yield written


def _written(item: Any) -> str:
    if isinstance(item, str):
        return item.strip()
    if isinstance(item, bool):
        return "true" if item else "false"
    return repr(item)


def number(value: Any) -> float | int | None:
    """The first plain value as a number."""
    item = next(scalars(value), None)
    if isinstance(item, bool) or item is None:
        return None
    if isinstance(item, str):
        if not _NUMBER.fullmatch(item.strip()):
            return None
        item = float(item) if any(mark in item for mark in ".eE") else int(item)
    return item if math.isfinite(item) else None


def score(value: Any) -> float | int | None:
    """A number from 0 to 100; sums that pass 100 count as 100."""
    found = number(value)
    return None if found is None or found < 0 else min(found, 100)


def address(value: Any) -> str | None:
    """The first plain value that is an IP address, in its one spelling; an IPv4 address inside IPv6 is the IPv4 one."""
    return next(filter(None, map(_address, texts(value))), None)


def _address(written: str) -> str | None:
    try:
        found = ipaddress.ip_address(written.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def host(value: Any) -> str | None:
    """A host name or address without a port."""
    written = text(value)
    found = _HOST_PORT.fullmatch(written) if written else None
    return found[1].strip("[]") if found else written


def attacks(value: Any) -> list[str]:
    """The ATT&CK ids among the values, each once."""
    found = (_ATTACK.fullmatch(written) for written in texts(value))
    return list(dict.fromkeys(match[1].upper() for match in found if match))


def instant(value: Any) -> str | None:
    """A time as RFC 3339 text in UTC: from epoch seconds to nanoseconds, or ISO 8601; without a zone it is UTC.

    Times before 1970, year 1 among them, are how senders say "not set".
    """
    item = next(scalars(value), None)
    if isinstance(item, bool) or item is None:
        return None
    try:
        if isinstance(item, str) and not _NUMBER.fullmatch(item.strip()):
            return _iso(item.strip())
        return _epoch(item if isinstance(item, int) else float(item))
    except (ValueError, OverflowError):
        return None


def _epoch(amount: float) -> str | None:
    for limit, unit in _UNITS:
        if 0 < amount < limit:
            exact = isinstance(amount, int)  # a float is a hair beside its milliseconds, often below
            return _shown(int(amount * 1000 // unit if exact else round(amount * 1000 / unit, 3)))
    return None


def _iso(written: str) -> str | None:
    found = _ISO.fullmatch(written)
    if not found or found[1] < "1970":
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.group(1, 2, 3, 4, 5, 6))
    millisecond = int((found[7] or "0").ljust(3, "0")[:3])
    leap = second == 60  # a leap second is told as the second before it
    moment = datetime(year, month, day, hour, minute, 59 if leap else second, millisecond * 1000, _zone(found[8]))
    return _shown(as_millis(moment))


def _zone(written: str | None) -> timezone:
    if not written or written[0] not in "+-":
        return UTC
    digits = written[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if written[0] == "-" else offset)


def _shown(milliseconds: int) -> str | None:
    return rfc3339(milliseconds) if 0 < milliseconds < 253_402_300_800_000 else None


FIELDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(
        (
            "source_ref", "title", "description", "rule_id", "rule_name", "status", "verdict", "disposition",
            "country", "asn", "user", "account_id", "client_id", "token_id", "api_key_id", "session_id",
            "method", "route", "request_id",
        ),
        text,
    ),
    "tags": lambda value: list(dict.fromkeys(texts(value))),
    "attacks": attacks,
    "risk_score": score,
    "confidence": score,
    "occurred_at": instant,
    "detected_at": instant,
    "src_ip": address,
    "host": host,
}  # fmt: skip
"""How each field is read; severity and observables have rules of their own."""

ENTITIES: Final[Mapping[str, tuple[str, str | None]]] = {
    "src_ip": ("ip", "source"),
    "host": ("hostname", None),
    "user": ("user", "actor"),
    "account_id": ("account", None),
    "client_id": ("client_id", "actor"),
    "token_id": ("token_id", "actor"),
    "api_key_id": ("api_key_id", "actor"),
    "session_id": ("session", "actor"),
}
"""Fields whose values are observables too: their type and role."""

__all__ = ["ENTITIES", "FIELDS", "address", "instant", "number", "scalars", "text", "texts"]
