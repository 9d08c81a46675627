"""Who may ask: a bearer token for everything below /api and for /metrics, pages that do not exist included."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Final, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from soar.config import PersonSettings
from soar.errors import StoreError
from soar.model.actor import Actor
from soar.store import Token
from soar.web.answers import problem
from soar.web.problems import problem_of

GUARDED: Final = ("/api", "/metrics")

FRESH: Final = 1.0
"""Seconds a verified token is believed without asking again: a revoked one works no longer than that."""

ACTING: Final = frozenset({"analyst", "admin"})
"""Roles whose tokens, or whose people, may change something; all others only read."""

ANSWERS: Final = "/decisions"
"""Where a person answers a request: whether they may is asked of the request, not of their role."""

_KEPT: Final = 1000
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class TokenBook(Protocol):
    """The part of the store that knows tokens."""

    async def verify(self, sha256: str) -> Token | None: ...


class RequireToken:
    """Stands before the routes, so that no route can forget it."""

    def __init__(self, app: ASGIApp, tokens: TokenBook, people: Mapping[str, PersonSettings]) -> None:
        self._app = app
        self._people = people
        self._tokens = tokens
        self._known: dict[str, tuple[float, Token]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        try:
            token = await self._token(_presented(scope))
        except StoreError as error:
            await problem_of(error)(scope, receive, send)
            return
        if token is None:
            refusal = problem(
                401,
                "not-authenticated",
                "this path needs 'Authorization: Bearer <token>'; `soar token create` makes one",
                headers={"WWW-Authenticate": "Bearer"},
            )
            await refusal(scope, receive, send)
            return
        refused = self._refused(token, scope)
        if refused is not None:
            await problem(403, "not-allowed", refused)(scope, receive, send)
            return
        actor = Actor("token", token.name) if token.person is None else Actor("person", token.person)
        scope.setdefault("state", {})["actor"] = actor
        await self._app(scope, receive, send)

    def _refused(self, token: Token, scope: Scope) -> str | None:
        """Why this token may not do what is asked; roles of people are those of `soar.yaml` at this moment."""
        if token.person is not None and token.person not in self._people:
            return f"the token is of '{token.person}', who is no longer in `people` of soar.yaml"
        if scope["method"] in _READING:
            return None
        if token.person is None:
            remedy = "`soar token create --role analyst` makes one that acts"
            return None if token.role in ACTING else f"a token of role {token.role} only reads; {remedy}"
        if scope["path"].endswith(ANSWERS) or not ACTING.isdisjoint(self._people[token.person].roles):
            return None
        return f"'{token.person}' has none of the roles {', '.join(sorted(ACTING))}, and so only reads and answers"

    async def _token(self, presented: bytes) -> Token | None:
        if not presented:
            return None
        digest = hashlib.sha256(presented).hexdigest()
        now = time.monotonic()
        known = self._known.get(digest)
        if known is not None and now - known[0] < FRESH:
            return known[1]
        token = await self._tokens.verify(digest)
        self._known.pop(digest, None)
        if token is not None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[digest] = (now, token)
        return token


def _presented(scope: Scope) -> bytes:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        return b""
    scheme, _, token = bytes(values[0]).strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""
