"""The page of one request: what would be done, and the form to say yes or no."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import RedirectResponse, Response

from soar.approval import Word, decide, refusal
from soar.errors import Conflict, RequestInvalid
from soar.model.approval import Approval, Decision
from soar.runtime import Runtime
from soar.web.pages.forms import form_token, spent
from soar.web.pages.render import render
from soar.web.pages.visitor import Visitor


async def page(
    runtime: Runtime, visitor: Visitor, approval_id: str, *, status: int = 200, notice: str = "", reason: str = ""
) -> Response:
    """The request as it stands now.

    Raises:
        NotFound: there is none of that id.
    """
    approval = await runtime.store.approvals.get(approval_id)
    shown = await runtime.approvals.notices.of(approval)
    why_not = _why_not(runtime, approval, visitor.person)
    return render(
        "request",
        status,
        person=visitor.person,
        notice=notice,
        approval=approval,
        shown=shown,
        told=[one for one in await runtime.store.messages.of(approval_id) if one.kind == "request"],
        why_not=why_not,
        reason=reason,
        form_token=None if why_not else form_token(visitor.cookie, _about(approval), runtime.clock.now()),
    )


async def decided(runtime: Runtime, visitor: Visitor, approval_id: str, form: Mapping[str, str]) -> Response:
    """Take the form's answer in, once; whoever comes second is shown what stands.

    Raises:
        NotFound: there is no such request.
        NotAllowed: this person may not answer it.
        RequestInvalid: it is no form of this page.
    """
    approval = await runtime.store.approvals.get(approval_id)
    decision: Decision | None = {"approve": "approve", "deny": "deny"}.get(form.get("decision", ""))  # type: ignore[assignment]
    if decision is None:
        raise RequestInvalid("the form says neither approve nor deny")
    nonce, until = spent(visitor.cookie, _about(approval), form.get("form_token", ""), runtime.clock.now())
    reason = form.get("reason", "")
    if decision == "deny" and not reason.strip():
        # Before the token is spent: the form is shown again, with what was typed.
        text = "A denial needs a reason: whoever reads the history wants to know why."
        return await page(runtime, visitor, approval_id, status=422, notice=text)
    if not await runtime.store.sessions.spend(nonce, until):
        text = "This form was sent before; it counts once. This is what stands:"
        return await page(runtime, visitor, approval_id, status=409, notice=text)
    evidence = {"session": visitor.session, "digest": approval.digest}
    word = Word(visitor.person, decision, "web", reason, evidence)
    try:
        await decide(runtime.store, runtime.definitions.staff(), approval_id, word, runtime.clock.now())
    except Conflict as error:
        return await page(runtime, visitor, approval_id, status=409, notice=f"Your answer came too late: {error}")
    await runtime.engine.look()
    return RedirectResponse(f"/approvals/{approval_id}", 303)


def _about(approval: Approval) -> str:
    """What the form is about: the request, and what it showed."""
    return f"{approval.id} {approval.digest}"


def _why_not(runtime: Runtime, approval: Approval, person: str) -> str | None:
    """Why that person cannot answer now; None when they can."""
    if not approval.open:
        return "It is settled."
    earlier = next((vote for vote in approval.votes if vote.person == person), None)
    if earlier is not None:
        return f"You have said {earlier.decision!r} already, and that stands."
    return refusal(approval, person, runtime.definitions.staff())
