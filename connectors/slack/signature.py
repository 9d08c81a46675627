"""Whether a delivery comes from Slack: its signature over the raw bytes, no older than five minutes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from slack_sdk.signature import Clock, SignatureVerifier

from soar.sdk import SignatureInvalid

SIGNATURE: Final = "x-slack-signature"
TIMESTAMP: Final = "x-slack-request-timestamp"
_SIGNATURE: Final = re.compile(r"v0=[0-9a-f]{64}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


class _Moment(Clock):
    """The SDK asks a clock; ours has stopped at the moment of the delivery."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now


def verified(body: bytes, headers: Mapping[str, str], secret: str, now: float) -> str:
    """SHA-256 of the signature, for the record.

    What the SDK would stumble over (a number that is none, bytes that are no text) is refused before it sees it.

    Raises:
        SignatureInvalid: it does not prove where it comes from.
    """
    timestamp, signature = _shaped(headers, TIMESTAMP, _TIMESTAMP), _shaped(headers, SIGNATURE, _SIGNATURE)
    if abs(now - int(timestamp)) > 300:
        raise SignatureInvalid(f"it was signed at {timestamp}, more than five minutes from {now:.0f}, the time here")
    try:
        genuine = SignatureVerifier(secret, _Moment(now)).is_valid(body, timestamp, signature)
    except UnicodeDecodeError as error:
        raise SignatureInvalid("the body is not UTF-8, as all that Slack sends is") from error
    if not genuine:
        raise SignatureInvalid("the signature does not fit the body and the signing secret")
    return hashlib.sha256(signature.encode()).hexdigest()


def _shaped(headers: Mapping[str, str], name: str, shape: re.Pattern[str]) -> str:
    value = headers.get(name)
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise SignatureInvalid(f"the header {name} is {'missing' if value is None else 'malformed'}")
    return value
