"""Any OAuth 2.0 server: revoke a token (RFC 7009) and make sure by introspection (RFC 7662).

An alert names a token by its id or handle and never holds the token. How an id becomes something that can be revoked
is the operator's to say, in one of three ways, see `OauthSettings`. A token that is looked up lives in this process
for the length of the call and is written nowhere.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote, quote_plus

from pydantic import Field, field_validator, model_validator

from soar.sdk import Call, Health, HttpConnector, HttpSettings, Params, Refused, Result, action

_PLACE: Final = "{token_id}"
_REQUEST: Final = re.compile(r"(GET|POST|DELETE) (\S*\{token_id\}\S*)")


class OauthSettings(HttpSettings):
    """Where the endpoints are, and how a `token_id` is revoked. Exactly one of the three ways must be set."""

    revoke_path: str = "/revoke"
    """The revocation endpoint (RFC 7009), below `base_url`."""
    introspect_path: str = "/introspect"
    """The introspection endpoint (RFC 7662), below `base_url`."""
    revoke_by_id: str | None = Field(default=None, examples=["DELETE /tokens/{token_id}"])
    """The server revokes by id itself: method and path. Best where it can be had: no token leaves the server."""
    status_by_id: str | None = Field(default=None, examples=["GET /tokens/{token_id}"])
    """With `revoke_by_id`: tells whether the token is still active. 404 or `"active": false` means it is not."""
    token_lookup: str | None = Field(default=None, examples=["GET /handles/{token_id}"])
    """The server tells the token of an id, as `{"token": ...}`, to this client only; it is then revoked by value."""
    id_is_token: bool = False
    """The id itself is what the revocation endpoint takes, as with servers that issue reference tokens."""
    token_type_hint: Literal["access_token", "refresh_token"] = "access_token"  # noqa: S105  # a word of RFC 7009
    """What kind of token the ids stand for."""

    @field_validator("revoke_by_id", "status_by_id", "token_lookup")
    @classmethod
    def _is_request(cls, value: str | None) -> str | None:
        if value is not None and not _REQUEST.fullmatch(value):
            raise ValueError("must be a method and a path with {token_id} in it, such as DELETE /tokens/{token_id}")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> OauthSettings:
        ways = [self.revoke_by_id is not None, self.token_lookup is not None, self.id_is_token]
        if sum(ways) != 1:
            raise ValueError(
                "set exactly one of revoke_by_id, token_lookup and id_is_token: how is a token_id revoked?"
            )
        if (self.revoke_by_id is None) != (self.status_by_id is None):
            raise ValueError("revoke_by_id and status_by_id go together: a revocation nobody can confirm is not one")
        return self


class TokenOf(Params):
    token_id: str = Field(min_length=1, max_length=512, pattern=r"^[\x21-\x7e]+$", examples=["t-1"])
    """Id or handle of the token as logs and alerts carry it; never the token itself."""


class Revoked(Result):
    token_id: str = Field(examples=["t-1"])
    """The id that was asked for."""
    active: bool = Field(examples=[False])
    """What introspection says of it now: false, or the call would have been refused."""


class Introspected(Result):
    active: bool
    """Whether the server accepts the token now."""
    client_id: str | None = Field(default=None, examples=["c-42"])
    """The client it was issued to, when the server tells."""
    username: str | None = Field(default=None, examples=["ana@example.com"])
    """The user it stands for, when there is one and the server tells."""
    scope: str | None = Field(default=None, examples=["accounts"])
    """Its scopes, separated by spaces."""
    expires_at: int | None = Field(default=None, examples=[1767225600])
    """When it ends by itself, in seconds since 1970."""


class Oauth2(HttpConnector):
    """Revoke tokens at an OAuth 2.0 server and say whether they are active."""

    name = "oauth2"
    settings: OauthSettings
    required_secrets: ClassVar[Mapping[str, str]] = {
        "client_id": "Our client at the server.",
        "client_secret": "Its secret; sent as HTTP basic authentication (RFC 6749, 2.3.1).",
    }
    optional_secrets: ClassVar[Mapping[str, str]] = {}

    def credentials(self) -> Mapping[str, str]:
        """Our client's name and secret, form-encoded before they are joined as the RFC asks."""
        pair = ":".join(quote_plus(self.secret(name) or "") for name in ("client_id", "client_secret"))
        return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    @action(risk="medium", idempotent=lambda settings: not settings.id_is_token)
    async def revoke_token(self, params: TokenOf, call: Call) -> Revoked:
        """Revoke one token and make sure that it is not active any more."""
        if self.settings.revoke_by_id is not None:
            return await self._revoke_by_id(params.token_id, self.settings.revoke_by_id)
        token = await self._token(params.token_id)
        if self.settings.id_is_token and not (await self._introspect(token))["active"]:
            raise Refused(
                "the server does not know this token_id as an active token, and would answer the same for one it never"
                " issued; it may be revoked or expired already, or the id may not be what the server takes"
            )
        # Sent whatever introspection said: to a client that may not see a token it calls a live one inactive.
        form = {"token": token, "token_type_hint": self.settings.token_type_hint}
        await self.http.post(self.settings.revoke_path, form=form, hidden=self._hidden(token))
        await self._confirm(bool((await self._introspect(token))["active"]))
        return Revoked(token_id=params.token_id, active=False)

    @revoke_token.verify
    async def find_revocation(self, params: TokenOf, call: Call) -> Revoked | None:
        """Whether the token is inactive by now; servers that delete what they revoke do not know its id any more."""
        if self.settings.token_lookup is None:
            active = bool((await self._status(params.token_id))["active"])
        else:
            token = await self._lookup(params.token_id)
            active = token is not None and bool((await self._introspect(token))["active"])
        return None if active else Revoked(token_id=params.token_id, active=False)

    @action(changes=False)
    async def introspect(self, params: TokenOf, call: Call) -> Introspected:
        """Ask what a token is good for, and whether it still is."""
        claims = await self._status(params.token_id)
        return Introspected(
            active=claims["active"],
            client_id=_text(claims.get("client_id")),
            username=_text(claims.get("username")),
            scope=_text(claims.get("scope")),
            expires_at=claims["exp"] if type(claims.get("exp")) is int else None,
        )

    async def health(self) -> Health:
        """The introspection endpoint takes our client and knows nothing of a made-up token."""
        claims = await self._introspect("soar-health-check")
        if claims["active"]:
            return Health(
                ok=False, detail=f"{self.http.origin} calls a made-up token active: introspection proves nothing"
            )
        return Health(ok=True, detail=f"{self.http.origin} introspects for our client")

    async def _revoke_by_id(self, token_id: str, request: str) -> Revoked:
        method, path = _filled(request, token_id)
        await self.http.request(method, path, accept={404, 410})
        await self._confirm(bool((await self._status(token_id))["active"]))
        return Revoked(token_id=token_id, active=False)

    async def _confirm(self, active: bool) -> None:
        if active:
            raise Refused(
                f"{self.http.origin} took the revocation, yet introspection calls the token active: not confirmed;"
                " servers do that when our client may not revoke other clients' tokens (RFC 7009, 2.1)"
            )

    async def _status(self, token_id: str) -> dict[str, Any]:
        if self.settings.status_by_id is None:
            return await self._introspect(await self._token(token_id))
        method, path = _filled(self.settings.status_by_id, token_id)
        reply = await self.http.request(method, path, accept={404, 410}, changes=False)
        return {"active": False} if reply.status_code in {404, 410} else _claims(reply.json(), self.http.origin)

    async def _introspect(self, token: str) -> dict[str, Any]:
        form = {"token": token, "token_type_hint": self.settings.token_type_hint}
        hidden = self._hidden(token)
        reply = await self.http.post(self.settings.introspect_path, form=form, changes=False, hidden=hidden)
        return _claims(reply.json(), self.http.origin)

    async def _token(self, token_id: str) -> str:
        """The token for an id: the id itself, or what the server tells our client."""
        token = token_id if self.settings.token_lookup is None else await self._lookup(token_id)
        if token is None:
            raise Refused(f"{self.http.origin} knows no token with this token_id")
        return token

    def _hidden(self, token: str) -> tuple[str, ...]:
        """A token that was looked up is written nowhere, also not where the server repeats it in an error."""
        return () if self.settings.token_lookup is None else (token,)

    async def _lookup(self, token_id: str) -> str | None:
        """What the server tells our client of an id; None when it knows no such token."""
        method, path = _filled(self.settings.token_lookup or "", token_id)
        reply = await self.http.request(method, path, accept={404}, changes=False)
        return None if reply.status_code == 404 else _token_in(reply.text, self.http.origin)


def _filled(request: str, token_id: str) -> tuple[str, str]:
    method, _, path = request.partition(" ")
    return method, path.replace(_PLACE, quote(token_id, safe=""))


def _token_in(text: str, origin: str) -> str:
    """The token of a lookup's answer. An answer of another shape is not quoted: it may hold the token."""
    try:
        token = json.loads(text)["token"]
    except (ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not token:
        raise Refused(f'{origin} did not answer the token lookup with {{"token": ...}}')
    return token


def _claims(answer: Any, origin: str) -> dict[str, Any]:
    if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
        raise Refused(f"{origin} answered introspection without saying whether the token is active")
    return answer


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
