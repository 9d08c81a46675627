"""What an answer means: a result, or one of the three errors a call can end in (S17)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from soar.clock import Millis, as_millis
from soar.connector.masking import Masker
from soar.errors import ConnectorError, OutcomeUnknown, Refused, Unavailable

_EXCERPT: Final = 300
_LOOKED_AT: Final = 20_000
"""Characters of a body that an excerpt is made from: far more than it keeps, far less than a body may have."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WIDE: Final = 18
"""Digits that always fit 64 bits."""


class AnswerTooLarge(Refused):
    """A reading call answered with more than is kept."""


class CallTimedOut(Unavailable):
    """A reading call, or one that never got out, did not end in its time."""


class Reply:
    """What a system answered. Bytes that are no text are replaced, never an error."""

    __slots__ = ("_changes", "_hidden", "_masker", "content", "headers", "label", "status_code", "truncated")

    def __init__(
        self,
        status_code: int,
        headers: httpx.Headers,
        content: bytes,
        *,
        label: str = "",
        changes: bool = False,
        truncated: bool = False,
        masker: Masker | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        self.content = content
        self.label = label
        """The request in words, for errors: `PUT /rules/r1`."""
        self.truncated = truncated
        """The body was longer than is kept; its beginning is here."""
        self._changes = changes
        self._masker = masker
        self._hidden = hidden

    @property
    def is_success(self) -> bool:
        return self.status_code < 400

    @property
    def text(self) -> str:
        charset = _charset(self.headers.get("content-type", ""))
        try:
            return self.content.decode(charset, errors="replace")
        except LookupError:
            return self.content.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as data; whole numbers stay exact, whatever their length.

        Raises:
            Refused: it is not JSON (a reading call).
            OutcomeUnknown: it is not JSON, and the call may have changed something.
        """
        try:
            return read_json(self.text)
        except ValueError as error:
            message = f"{self.label} answered {self.status_code} with something that is not JSON: {self.excerpt()}"
            raise (OutcomeUnknown if self._changes else Refused)(message) from error

    def excerpt(self) -> str:
        """The beginning of the body, on one line, for a message.

        Masked before it is cut: half a secret is not recognised any more.
        """
        text = self.text[:_LOOKED_AT]
        for masker in (self._masker, _masker_of(self._hidden)):
            text = masker.text(text) if masker is not None else text
        line = " ".join(text.split())
        return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1] + "…"

    def json_or_text(self) -> Any:
        """The body as data when it is JSON, as text when it is not."""
        try:
            return read_json(self.text)
        except ValueError:
            return self.text


def _masker_of(secrets: Collection[str]) -> Masker | None:
    """What hides these values beside the process's own secrets; None when there are none."""
    if not secrets:
        return None
    masker = Masker()
    for secret in secrets:
        masker.add(secret)
    return masker


def read_json(text: str) -> Any:
    """JSON as other systems write it, in a form that every reader after us can write again.

    Lone surrogates are replaced, NaN and infinities become null, and whole numbers beyond
    64 bits become text, so that no digit is lost.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        text = _without_lone_surrogates(text)
        return json.loads(text, parse_constant=_nothing, parse_int=_exact, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _without_lone_surrogates(text: str) -> str:
    if "\\ud" not in text and "\\uD" not in text:
        return text
    plain = json.dumps(json.loads(text), ensure_ascii=False)
    return _SURROGATE.sub("\ufffd", plain)


def _nothing(_: str) -> None:
    return None


def _exact(digits: str) -> int | str:
    if len(digits) <= _WIDE:
        return int(digits)
    if len(digits) > 4000:
        return digits
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else digits


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _charset(content_type: str) -> str:
    _, _, rest = content_type.partition("charset=")
    return rest.partition(";")[0].strip("\"' ") or "utf-8"


def sorted_status(reply: Reply, *, changes: bool, now: Millis, longest_wait: float) -> ConnectorError:
    """The error that an answer outside the expected ones stands for."""
    status = reply.status_code
    message = f"{reply.label} answered {status}: {reply.excerpt()}".rstrip(": ")
    if status in (429, 503) or (status >= 500 and not changes):
        return _asked_to_wait(message, reply.headers, now, longest_wait)
    if status >= 500:
        return OutcomeUnknown(f"{message}; it may have happened")
    if status < 400:
        where = reply.headers.get("location", "another address")
        return Refused(f"{message}; it points to {where}, and redirects are not followed: correct the address")
    return Refused(message)


def _asked_to_wait(message: str, headers: Mapping[str, str], now: Millis, longest_wait: float) -> ConnectorError:
    wait = retry_after(headers.get("retry-after"), now)
    if wait is not None and wait > longest_wait:
        return Refused(f"{message}; it asks to wait {wait:.0f} s, longer than the {longest_wait:.0f} s allowed here")
    return Unavailable(message, retry_after=wait)


def retry_after(header: str | None, now: Millis) -> float | None:
    """The seconds a `Retry-After` header asks for; None where it makes no sense (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (as_millis(moment) - now) / 1000)
