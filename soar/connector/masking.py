"""Keeping secrets out of history, logs and errors: wherever the value turns up, in whatever form.

Looking is cheap and happens always: the data is written out once and one linear-time
expression (RE2) says whether there is anything to do. Only then is it walked.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

import orjson
import re2

MASK: Final = "***"
SHORTEST: Final = 4
"""A secret shorter than this cannot be told from ordinary text."""

_SECRET_KEYS: Final = frozenset(
    """
    authorization proxy_authorization cookie set_cookie
    api_key apikey x_api_key api_token x_auth_token x_vault_token private_token auth_token
    access_token refresh_token id_token bearer_token bot_token session_token security_token token
    secret client_secret app_secret signing_secret secret_key aws_secret_access_key private_key
    password passwd passphrase pwd routing_key response_url
    """.split()
)
_QUERY_KEYS: Final = (
    "access_token|refresh_token|id_token|auth_token|token|api[_-]?key|apikey|key|sig|signature"
    "|password|passwd|pwd|secret|client_secret|x-amz-signature|x-amz-security-token"
)
_PATTERNS: Final = (
    r"(?P<lead>://)[^/\s:@\"'<>]*:[^/\s@\"'<>]*@",
    rf"(?P<lead>[?&;](?:{_QUERY_KEYS})=)[^&\s#\"'<>;\\]+",
    r"(?P<lead>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|digest|token|negotiate)\s+)?)[^\s\"',;]+",
    r"(?P<lead>\b(?:bearer|basic)\s+)[a-z0-9._~+/-]{16,}=*",
    r"(?P<lead>\beyj[a-z0-9_-]{8,}\.[a-z0-9_-]{4,}\.)[a-z0-9_-]{4,}",
    r"(?P<lead>\bxox[abeprs]-)[a-z0-9-]{8,}",
    r"(?P<lead>hooks\.slack\.com/)(?:services|workflows|triggers)/[^\s\"'<>]+",
    r"(?P<lead>-----begin [a-z ]*private key-----)[a-z0-9+/=\s\\]+",
)
_SHAPES: Final = re.compile("|".join(f"(?:{p.replace('?P<lead>', '')})" for p in _PATTERNS), re.IGNORECASE)
_EACH_SHAPE: Final = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _PATTERNS)
_BASE64: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=".decode())


class Masker:
    """Knows every secret this process has resolved, and what secrets look like."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self._encoded: re.Pattern[str] | None = None
        self._suspect: Any = None
        self._compile()

    def add(self, secret: str) -> None:
        """Remember a secret; from here on it is shown nowhere."""
        value = secret.strip().encode("utf-8", "replace").decode()
        if len(value) >= SHORTEST and value not in self._values:
            self._values.add(value)
            self._compile()

    def mask(self, data: Any) -> Any:
        """The data as it may be shown; the very same object when there is nothing to hide."""
        if isinstance(data, str):
            return self.text(data)
        return data if self._is_clean(data) else self._masked(data)

    def text(self, text: str) -> str:
        """A text as it may be shown."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        if self._encoded is not None:
            text = _without_runs(text, self._encoded)
        if _SHAPES.search(text):
            for shape in _EACH_SHAPE:
                text = shape.sub(rf"\g<lead>{MASK}", text)
        return text

    def processor(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor; put it after the exception is formatted and before the renderer."""
        masked: MutableMapping[str, Any] = self.mask(dict(event))
        return masked

    def log_filter(self) -> logging.Filter:
        """A filter for the handlers of the standard library's logging; covers third-party loggers too."""
        return _MaskingFilter(self)

    def _is_clean(self, data: Any) -> bool:
        try:
            written = orjson.dumps(data)
        except (TypeError, ValueError, RecursionError):
            return False
        return self._suspect.search(written) is None

    def _masked(self, data: Any) -> Any:
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {self._key(key): self._member(key, value) for key, value in data.items()}
        if isinstance(data, list | tuple | set | frozenset):
            return [self._masked(item) for item in data]
        if data is None or isinstance(data, int | float):
            return data
        return self.text(str(data))  # an exception, a URL: whoever writes it out next must not find more in it

    def _key(self, key: Any) -> Any:
        return self.text(key) if isinstance(key, str) else key

    def _member(self, key: Any, value: Any) -> Any:
        secret = isinstance(key, str) and is_secret_name(key)
        if secret and isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            return MASK
        if secret and isinstance(value, list | tuple):
            return [MASK if isinstance(item, str) else self._masked(item) for item in value]
        return self._masked(value)

    def _compile(self) -> None:
        plain = sorted({form for value in self._values for form in _forms(value)}, key=len, reverse=True)
        encoded = sorted({core for value in self._values for core in _base64_cores(value)}, key=len, reverse=True)
        self._known = _any_of(plain)
        self._encoded = _any_of(encoded)
        names = "|".join(sorted(name.replace("_", "[_-]?") for name in _SECRET_KEYS))
        literals = sorted({form for text in (*plain, *encoded) for form in (text, _as_json(text))})
        shapes = [pattern.replace("?P<lead>", "") for pattern in _PATTERNS]
        alternatives = "|".join([rf'"(?:{names})":', *shapes])
        source = f"(?i:{alternatives})" + "".join(f"|{re2.escape(literal)}" for literal in literals)
        options = re2.Options()
        options.max_mem = 64 << 20
        options.log_errors = False
        self._suspect = re2.compile(source.encode(), options)


class _MaskingFilter(logging.Filter):
    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self._masker = masker

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        shown = self._masker.text(message)
        if shown != message:
            record.msg, record.args = shown, None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._masker.text(record.exc_text)
        return True


def is_secret_name(name: str) -> bool:
    """Whether a field of that name holds a secret, by its name alone."""
    return name.lower().replace("-", "_") in _SECRET_KEYS


def _any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    source = "|".join(re.escape(text) for text in texts)
    return re.compile(source) if source else None


def _as_json(text: str) -> str:
    """As orjson writes it inside a string: what the expression is searched in."""
    return orjson.dumps(text).decode()[1:-1]


def _forms(value: str) -> Iterator[str]:
    """The spellings of a secret in plain text, JSON, Python and URLs."""
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    for quoted in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", _lowered, quoted)


def _lowered(found: re.Match[str]) -> str:
    return found[0].lower()


def _base64_cores(value: str) -> Iterator[str]:
    """What every base64 text that contains the secret must contain, wherever the secret starts in it."""
    for spelling in {value, quote(value, safe=""), quote_plus(value)}:  # OAuth's basic header is form-encoded first
        yield from _cores(spelling.encode("utf-8", "surrogatepass"))


def _cores(raw: bytes) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            core = _core(raw, offset, encode)
            if len(core) >= 6:
                yield core


def _core(raw: bytes, offset: int, encode: Callable[[bytes], bytes]) -> str:
    padded = b"\0" * offset + raw
    whole = len(padded) // 3 * 3
    start = -(-offset * 8 // 6) if offset else 0
    return encode(padded[:whole])[start:].decode()


def _without_runs(text: str, cores: re.Pattern[str]) -> str:
    """Mask whole base64 runs that hold a secret: their ends tell the rest of it."""
    parts: list[str] = []
    done = 0
    for found in cores.finditer(text):
        if found.start() < done:
            continue
        start, end = found.span()
        while start > done and text[start - 1] in _BASE64:
            start -= 1
        while end < len(text) and text[end] in _BASE64:
            end += 1
        parts += (text[done:start], MASK)
        done = end
    return "".join((*parts, text[done:])) if parts else text
