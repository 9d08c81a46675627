"""Who looks at a page: signed in by a token of their own, for a short while."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from soar.errors import NotAllowed
from soar.runtime import Runtime
from soar.store import Session
from soar.web.health import runtime_of

_COOKIE: Final = "soar_session"
_LONGEST: Final = 200
HOME: Final = "/approvals"


class NotSignedIn(NotAllowed):
    """Nobody is signed in: sign in first, then go on to where they wanted to."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person with a session."""

    person: str
    cookie: str

    @property
    def session(self) -> str:
        """What names the session in the history without giving it away."""
        return _hash(self.cookie)[:16]


async def visitor_of(request: Request) -> Visitor:
    """Who is signed in.

    Raises:
        NotSignedIn: nobody is, or no longer.
    """
    runtime = runtime_of(request)
    cookie = request.cookies.get(cookie_name(runtime), "")
    found = await runtime.store.sessions.find(_hash(cookie), runtime.clock.now()) if cookie else None
    if found is None or found.person not in runtime.settings.people:
        raise NotSignedIn("sign in first")
    return Visitor(found.person, cookie)


async def sign_in(runtime: Runtime, token: str) -> str:
    """Open a session with a person's own token; its cookie.

    Raises:
        NotAllowed: the token is nobody's.
    """
    known = await runtime.store.tokens.verify(_hash(token.strip()))
    if known is None:
        raise NotAllowed("this token is unknown or was revoked")
    if known.person is None:
        raise NotAllowed("this is a program's token; sign in with one of your own: soar token create --person NAME")
    if known.person not in runtime.settings.people:
        raise NotAllowed(f"this token is of '{known.person}', who is no longer in `people` of soar.yaml")
    cookie, now = secrets.token_urlsafe(32), runtime.clock.now()
    until = now + round(runtime.settings.sign_in.session * 1000)
    await runtime.store.sessions.open(_hash(cookie), Session(known.person, known.id, now, until))
    return cookie


async def sign_out(request: Request) -> None:
    """End the session, if there is one."""
    runtime = runtime_of(request)
    cookie = request.cookies.get(cookie_name(runtime))
    if cookie:
        await runtime.store.sessions.close(_hash(cookie))


def with_cookie(response: Response, runtime: Runtime, cookie: str | None) -> Response:
    """The answer with the session's cookie; None takes it away."""
    secure = _secure(runtime)
    age = round(runtime.settings.sign_in.session) if cookie else 0
    response.set_cookie(
        cookie_name(runtime), cookie or "", max_age=age, path="/", secure=secure, httponly=True, samesite="lax"
    )
    return response


def cookie_name(runtime: Runtime) -> str:
    """`__Host-` binds it to this host and to HTTPS, where people come by HTTPS."""
    return f"__Host-{_COOKIE}" if _secure(runtime) else _COOKIE


def to_sign_in(request: Request) -> Response:
    """On to the form, and back to where they wanted to go afterwards."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(wanted, safe='')}", 303)


def safe_next(given: str | None) -> str:
    """Where to go after signing in: a path of ours, whatever was asked for."""
    if not given or len(given) > _LONGEST or not given.startswith("/"):
        return HOME
    plain = given.isascii() and given.isprintable() and "\\" not in given
    return given if plain and "//" not in given.partition("?")[0] else HOME


def _secure(runtime: Runtime) -> bool:
    return (runtime.settings.public_url or "").startswith("https://")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
