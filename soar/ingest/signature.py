"""Proof of where a delivery comes from: over the raw bytes, in constant time, before anything is read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from soar.clock import Millis
from soar.config import AuthSettings
from soar.errors import ConfigError, SignatureInvalid

TOLERANCE: Final = 300_000
"""How far a signed time may be off, in milliseconds, both ways."""

_MESSAGE_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,256}")
_SIGNATURES: Final = 16
"""Signatures looked at in one header; senders give two or three while they rotate."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What of a delivery a scheme may look at."""

    headers: Sequence[tuple[bytes, bytes]]
    """As they came, names in lower case."""
    path_token: str | None = None
    body: bytes = b""

    def header(self, name: bytes) -> bytes:
        """The one value of a header. None and several are both no proof."""
        values = [value for key, value in self.headers if key == name]
        if len(values) != 1:
            raise SignatureInvalid(f"{len(values)} headers {name.decode('latin-1')}, and there must be one")
        return values[0]


class Verifier(Protocol):
    """One scheme with its secrets."""

    @property
    def needs_body(self) -> bool:
        """Whether the body is part of the proof; if not, it is not even read for a stranger."""
        ...

    def verify(self, evidence: Evidence, now: Millis) -> None:
        """Return for the true sender.

        Raises:
            SignatureInvalid: for anybody else; the reason is for the log only.
        """
        ...


def make_verifier(source: str, auth: AuthSettings, secrets: Sequence[str]) -> Verifier:
    """The verifier of a source.

    Raises:
        ConfigError: a secret is empty or not of the form the scheme needs.
    """
    if not secrets or not all(secrets):
        raise ConfigError(f"source '{source}' has an empty secret; without one anybody could send it alerts")
    header = (auth.header or "authorization").lower().encode()
    keys = tuple(secret.encode() for secret in secrets)
    if auth.scheme == "hmac-sha256":
        return _Hmac(keys, header, auth.prefix.encode())
    if auth.scheme == "standard-webhooks":
        return _StandardWebhooks(tuple(_decoded_key(source, secret) for secret in secrets))
    if auth.scheme == "path-token":
        return _PathToken(keys)
    if auth.scheme == "basic":
        name = (auth.username or "").encode()
        return _Token(tuple(name + b":" + key for key in keys), header, _basic)
    if auth.scheme == "bearer":
        return _Token(keys, header, _bearer)
    return _Token(keys, header, _Prefixed(auth.prefix.encode()))


def _decoded_key(source: str, secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        message = f"source '{source}': the secret of scheme standard-webhooks must be base64, with or without 'whsec_'"
        raise ConfigError(f"{message}; copy it from the sender as it is shown there")
    return key


def _equal_to_any(given: bytes, known: Sequence[bytes]) -> bool:
    """Compares with all of them, whichever fits, so that time tells nothing."""
    results = [hmac.compare_digest(given, secret) for secret in known]
    return any(results)


@dataclass(frozen=True, slots=True)
class _Token:
    """A secret sent as it is: `bearer`, `header`, `basic`."""

    secrets: tuple[bytes, ...] = field(repr=False)
    header: bytes
    take: Callable[[bytes], bytes]
    needs_body: bool = False

    def verify(self, evidence: Evidence, now: Millis) -> None:  # noqa: ARG002 # one shape for all schemes
        if not _equal_to_any(self.take(evidence.header(self.header)), self.secrets):
            raise SignatureInvalid("another token")


@dataclass(frozen=True, slots=True)
class _PathToken:
    """A secret in the path, for senders that can send no header."""

    secrets: tuple[bytes, ...] = field(repr=False)
    needs_body: bool = False

    def verify(self, evidence: Evidence, now: Millis) -> None:  # noqa: ARG002 # one shape for all schemes
        if not _equal_to_any((evidence.path_token or "").encode("utf-8", "replace"), self.secrets):
            raise SignatureInvalid("no token, or another one, in the path")


@dataclass(frozen=True, slots=True)
class _Hmac:
    """HMAC-SHA256 of the raw body, in hex, behind a prefix."""

    secrets: tuple[bytes, ...] = field(repr=False)
    header: bytes
    prefix: bytes
    needs_body: bool = True

    def verify(self, evidence: Evidence, now: Millis) -> None:  # noqa: ARG002 # one shape for all schemes
        given = evidence.header(self.header)
        if not given.startswith(self.prefix):
            raise SignatureInvalid("the signature lacks its prefix")
        given = given[len(self.prefix) :].strip().lower()
        made = [hmac.new(secret, evidence.body, hashlib.sha256).hexdigest().encode() for secret in self.secrets]
        if not _equal_to_any(given, made):
            raise SignatureInvalid("another signature")


@dataclass(frozen=True, slots=True)
class _StandardWebhooks:
    """Standard Webhooks: HMAC-SHA256 of id, time and raw body; any one of several signatures may fit."""

    secrets: tuple[bytes, ...] = field(repr=False)
    needs_body: bool = True

    def verify(self, evidence: Evidence, now: Millis) -> None:
        message_id = evidence.header(b"webhook-id")
        timestamp = evidence.header(b"webhook-timestamp")
        if not _MESSAGE_ID.fullmatch(message_id) or not timestamp.isdigit() or len(timestamp) > 12:
            raise SignatureInvalid("webhook-id or webhook-timestamp is malformed")
        if abs(int(timestamp) * 1000 - now) > TOLERANCE:
            raise SignatureInvalid("webhook-timestamp is more than 5 minutes off; are both clocks right?")
        signed = b".".join((message_id, timestamp, evidence.body))
        made = [base64.b64encode(hmac.digest(secret, signed, "sha256")) for secret in self.secrets]
        given = [part[3:] for part in evidence.header(b"webhook-signature").split(b" ") if part.startswith(b"v1,")]
        results = [_equal_to_any(signature, made) for signature in given[:_SIGNATURES]]
        if not any(results):
            raise SignatureInvalid("no signature fits")


def _bearer(value: bytes) -> bytes:
    scheme, _, token = value.strip().partition(b" ")
    if scheme.lower() != b"bearer":
        raise SignatureInvalid("the Authorization header is not of scheme Bearer")
    return token.strip()


def _basic(value: bytes) -> bytes:
    scheme, _, encoded = value.strip().partition(b" ")
    if scheme.lower() != b"basic":
        raise SignatureInvalid("the Authorization header is not of scheme Basic")
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureInvalid("the Basic credentials are not base64") from None


@dataclass(frozen=True, slots=True)
class _Prefixed:
    """What follows a fixed prefix."""

    prefix: bytes

    def __call__(self, value: bytes) -> bytes:
        value = value.strip()
        if not value.startswith(self.prefix):
            raise SignatureInvalid("the header lacks its prefix")
        return value[len(self.prefix) :].strip()
