"""Forms: what they send, where they may come from, and the token that makes each good for once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from soar.clock import Millis
from soar.errors import NotAllowed, RequestInvalid
from soar.web.health import runtime_of

FORM_TIME: Final = 3_600_000
"""Milliseconds for which a form that was shown can be sent."""
_FIELDS: Final = 20
_OTHER_SITE: Final = "this form was sent from another site; open the page itself and try again"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form of ours.

    Raises:
        NotAllowed: it comes from another site.
        RequestInvalid: it is no form.
    """
    check_origin(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise RequestInvalid("send the form of the page: application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as error:
        raise RequestInvalid(f"the form cannot be read: {error}") from None
    return dict(pairs)


def check_origin(request: Request) -> None:
    """Browsers say where a form comes from; one from elsewhere is not taken, whatever cookie it carries.

    `Sec-Fetch-Site` is the browser's own judgement and no script can set it. It comes by HTTPS only, and to localhost;
    elsewhere the address itself has to be ours, as people see it or as a proxy passes it on.

    Raises:
        NotAllowed: it comes from another site.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        ours = origin is None or origin.partition("://")[2] in _addresses(request)
    if not ours:
        raise NotAllowed(_OTHER_SITE)


def _addresses(request: Request) -> tuple[str, ...]:
    """What comes after `https://` where this site is meant."""
    public = runtime_of(request).settings.public_url
    return tuple(one for one in (request.headers.get("host"), public and urlsplit(public).netloc) if one)


def form_token(cookie: str, about: str, now: Millis) -> str:
    """A token for one sending of one form, by whoever has this cookie; nothing is stored until it is spent."""
    nonce, until = secrets.token_urlsafe(16), now + FORM_TIME
    return f"{nonce}.{until}.{_seal(cookie, about, nonce, until)}"


def spent(cookie: str, about: str, token: str, now: Millis) -> tuple[str, Millis]:
    """The nonce of a token that is good for this form, and until when it would have been.

    Raises:
        RequestInvalid: it is no token of this form and this person, or it is too old.
    """
    nonce, _, rest = token.partition(".")
    until, _, seal = rest.partition(".")
    stale = RequestInvalid("this form is too old, or is not yours; open the page again and answer there")
    if not until.isascii() or not until.isdigit() or len(until) > 15 or not seal.isascii():
        raise stale
    if not hmac.compare_digest(seal, _seal(cookie, about, nonce, int(until))) or int(until) <= now:
        raise stale
    return nonce, int(until)


def _seal(cookie: str, about: str, nonce: str, until: Millis) -> str:
    """Keyed by the cookie itself: only its holder can have been shown the form."""
    material = f"{about}\x1f{nonce}\x1f{until}".encode("utf-8", "surrogatepass")
    return hmac.new(cookie.encode(), material, hashlib.sha256).hexdigest()
