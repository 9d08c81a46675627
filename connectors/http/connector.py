"""Any HTTP API, without writing a connector for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from soar.sdk import Call, HttpConnector, HttpSettings, Params, Refused, Reply, Result, action

_KEPT_HEADERS = frozenset(
    "content-type location etag last-modified retry-after link request-id x-request-id x-correlation-id".split()
)

_ELSEWHERE: Final = ("http://", "https://")
"""How a path begins that is a whole URL, as the client reads it."""


class HttpApiSettings(HttpSettings):
    """Which API, how we prove who we are, and whether it knows idempotency keys."""

    auth: Literal["auto", "bearer", "basic", "header", "none"] = "auto"
    """`auto` sends what the secrets allow: `token` as bearer, `username` and `password` as basic."""
    auth_header: str = "X-Api-Key"
    """With `auth: header`: the header that carries the secret `token`."""
    idempotency: Literal["key", "none"] = "key"
    """`key`: every request carries an Idempotency-Key, and a call whose outcome is unknown is
    repeated with the same key. `none`: no key is sent, and a person is asked what happened."""
    signature: Literal["none", "hmac-sha256", "standard-webhooks"] = "none"
    """Sign each request with the secret `signing_key`: `hmac-sha256` its body, `standard-webhooks` also the call's key
    as its id and the time, so that a recorded request is worth nothing later."""
    signature_header: str = "X-Signature"
    """With `signature: hmac-sha256`: the header that carries it."""
    signature_prefix: str = "sha256="
    """With `signature: hmac-sha256`: what stands before it there."""


class Get(Params):
    """What to read."""

    path: str
    """Added to `base_url`; a whole URL is taken as it is, without our credentials."""
    query: dict[str, str | int | float | bool | list[str]] = Field(default_factory=dict)
    """Query parameters; they are encoded."""
    headers: dict[str, str] = Field(default_factory=dict)
    """More headers."""


class Request(Get):
    """What to send."""

    model_config = ConfigDict(populate_by_name=False)

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
    """The HTTP method. It counts as a change whatever it is; to read, use `get`."""
    body: Any = Field(default=None, alias="json")
    """The body, sent as JSON."""
    form: dict[str, str | int | float | bool] | None = None
    """The body, sent as a form."""

    @model_validator(mode="after")
    def _has_one_body(self) -> Request:
        if self.body is not None and self.form is not None:
            raise ValueError("give 'json' or 'form', not both")
        return self


class Answer(Result):
    """What the API answered."""

    status: int = Field(examples=[200])
    """The HTTP status, below 300."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Content type, location and the like; never cookies."""
    body: Any = Field(default=None, examples=[{}])
    """Parsed when it is JSON, else text; null when empty."""
    truncated: bool = False
    """The answer was longer than is kept; `body` is its beginning, as text."""


class Http(HttpConnector):
    """Any HTTP API: one action that reads and one that changes."""

    name = "http"
    optional_secrets: ClassVar[Mapping[str, str]] = {
        "token": "With `auth: bearer` or `header`: the token.",
        "username": "With `auth: basic`.",
        "password": "With `auth: basic`.",
        "signing_key": "With `signature`: the key; for `standard-webhooks` in base64, with or without `whsec_`.",
    }
    settings: HttpApiSettings

    @action(changes=False)
    async def get(self, params: Get, call: Call) -> Answer:
        """Read from the API with GET."""
        headers = {**params.headers, **self._signature(call, params.path, b"")}
        return _answer(await self.http.get(params.path, params=params.query, headers=headers))

    @action(idempotent=lambda settings: settings.idempotency == "key")
    async def request(self, params: Request, call: Call) -> Answer:
        """Send a request that changes something."""
        reply = await self.http.request(
            params.method,
            params.path,
            params=params.query,
            changes=True,
            keyed=self.settings.idempotency == "key",
            **self._content(params, call),
        )
        return _answer(reply)

    def _content(self, params: Request, call: Call) -> dict[str, Any]:
        """Body and headers. What is signed are the very bytes that go out, so a signed body is written here."""
        if self.settings.signature == "none":
            return {"headers": params.headers, "json": params.body, "form": params.form}
        if params.form is not None:
            raise Refused("this connection signs what it sends, and signs no form: give 'json'")
        body = b"" if params.body is None else json.dumps(params.body, separators=(",", ":")).encode()
        kind = {"content-type": "application/json"} if body else {}
        return {"headers": {**kind, **params.headers, **self._signature(call, params.path, body)}, "content": body}

    def _signature(self, call: Call, path: str, body: bytes) -> dict[str, str]:
        """The headers that prove whose request it is; none for a whole URL: they are for our own system only."""
        if self.settings.signature == "none" or path.startswith(_ELSEWHERE):
            return {}
        if self.settings.signature == "hmac-sha256":
            signed = hmac.new(self.needed("signing_key").encode(), body, hashlib.sha256).hexdigest()
            return {self.settings.signature_header: self.settings.signature_prefix + signed}
        at = str(int(time.time()))
        signature = hmac.digest(_decoded(self.needed("signing_key")), f"{call.key}.{at}.".encode() + body, "sha256")
        told = "v1," + base64.b64encode(signature).decode()
        return {"webhook-id": call.key, "webhook-timestamp": at, "webhook-signature": told}

    def credentials(self) -> Mapping[str, str]:
        """As `auth` says; what it needs and lacks is told at the start, not at three in the morning."""
        scheme = self.settings.auth
        if self.settings.signature != "none":
            self.needed("signing_key")
        if scheme == "none":
            return {}
        if scheme == "header":
            return {self.settings.auth_header: self.needed("token")}
        if scheme == "bearer":
            self.needed("token")
        if scheme == "basic":
            self.needed("username")
            self.needed("password")
        return super().credentials()


def _decoded(key: str) -> bytes:
    try:
        return base64.b64decode(key.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise Refused(
            "the secret 'signing_key' is not base64; copy it from the receiver as it is shown there"
        ) from None


def _answer(reply: Reply) -> Answer:
    headers = {name: value for name, value in reply.headers.items() if name in _KEPT_HEADERS}
    return Answer(status=reply.status_code, headers=headers, body=_body(reply), truncated=reply.truncated)


def _body(reply: Reply) -> Any:
    """JSON is parsed when the API says it is JSON, or says nothing; what does not parse stays text."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not reply.content:
        return None
    if reply.truncated or not (kind in ("", "application/json") or kind.endswith("+json")):
        return reply.text
    return reply.json_or_text()
