"""Names for rows: sortable by time where they are new, derived where twice must be once.

All ids are 26 characters of Crockford base32 in lower case: safe in URLs, in
file names and in `Idempotency-Key`.
"""

from __future__ import annotations

import hashlib
import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26


def new_id() -> str:
    """A new id: 48 bits of Unix milliseconds, then 80 random bits (the layout of a ULID)."""
    milliseconds = time.time_ns() // 1_000_000
    return _encode((milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10), "big"))


def derived_id(*parts: str | int) -> str:
    """The same id for the same parts, always (S7): opening twice is opening once."""
    material = "\x1f".join(str(part) for part in parts)
    digest = hashlib.sha256(material.encode("utf-8", "surrogatepass")).digest()
    return _encode(int.from_bytes(digest[:16], "big"))


def _encode(number: int) -> str:
    digits = []
    for _ in range(_LENGTH):
        digits.append(_ALPHABET[number & 31])
        number >>= 5
    return "".join(reversed(digits))
