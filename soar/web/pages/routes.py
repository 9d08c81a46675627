"""Which page is where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from soar.errors import NotAllowed
from soar.web.health import runtime_of
from soar.web.pages import inbox, request_page, reviews
from soar.web.pages.forms import check_origin, read_form
from soar.web.pages.render import PageRoute, render
from soar.web.pages.visitor import HOME, safe_next, sign_in, sign_out, visitor_of, with_cookie

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_STYLE: Final = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
READ: Final = ["GET", "HEAD"]


@router.api_route("/", methods=READ)
async def home() -> Response:
    return RedirectResponse(HOME, 303)


@router.api_route("/static/style.css", methods=READ)
async def style() -> Response:
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@router.api_route("/sign-in", methods=READ)
async def sign_in_page(wanted: Annotated[str, Query(alias="next")] = HOME) -> Response:
    """The form; a link signs nobody in."""
    return render("sign_in", next=safe_next(wanted))


@router.post("/sign-in")
async def signing_in(request: Request) -> Response:
    """Take a person's own token for a short session."""
    form, runtime = await read_form(request), runtime_of(request)
    target = safe_next(form.get("next"))
    try:
        cookie = await sign_in(runtime, form.get("token", ""))
    except NotAllowed as error:
        return render("sign_in", 403, next=target, notice=str(error))
    await sign_out(request)
    return with_cookie(RedirectResponse(target, 303), runtime, cookie)


@router.post("/sign-out")
async def signing_out(request: Request) -> Response:
    check_origin(request)
    await sign_out(request)
    return with_cookie(RedirectResponse("/sign-in", 303), runtime_of(request), None)


@router.api_route("/approvals", methods=READ)
async def approvals(
    request: Request, view: Literal["mine", "waiting", "decided"] = "mine", cursor: str | None = None
) -> Response:
    """The inbox."""
    return await inbox.page(runtime_of(request), await visitor_of(request), view, cursor)


@router.api_route("/approvals/{approval_id}", methods=READ)
async def approval(request: Request, approval_id: str) -> Response:
    """One request; opening it decides nothing."""
    return await request_page.page(runtime_of(request), await visitor_of(request), approval_id)


@router.api_route("/approvals/{approval_id}/decision", methods=READ)
async def not_a_decision(request: Request, approval_id: str) -> Response:
    """Back to the page, for whoever opens the address of an answer that was refused."""
    await visitor_of(request)
    return RedirectResponse(f"/approvals/{quote(approval_id, safe='')}", 303)


@router.post("/approvals/{approval_id}/decision")
async def decision(request: Request, approval_id: str) -> Response:
    """A person's word, from the form of the page."""
    visitor = await visitor_of(request)
    return await request_page.decided(runtime_of(request), visitor, approval_id, await read_form(request))


@router.api_route("/reviews", methods=READ)
async def review_list(
    request: Request, status: Literal["open", "closed"] = "open", cursor: str | None = None
) -> Response:
    """Approvals that somebody gave alone, and what others found when they looked."""
    return await reviews.page(runtime_of(request), await visitor_of(request), status, cursor)


@router.post("/reviews/{review_id}/close")
async def review_closed(request: Request, review_id: str) -> Response:
    """What a person found, from the form of the page."""
    visitor = await visitor_of(request)
    return await reviews.closed(runtime_of(request), visitor, review_id, await read_form(request))
