"""The page of one request: what would be done, and the form to say yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import RedirectResponse, Response

from soar.approval import Word, decide, refusal
from soar.errors import Conflict, RequestInvalid
from soar.model.approval import Approval, Decision
from soar.runtime import Runtime
from soar.web.pages.forms import form_token, spent
from soar.web.pages.render import render
from soar.web.pages.visitor import Visitor

_DECISIONS: Final[Mapping[str, tuple[Decision, str]]] = {
    "approve": ("approve", "An approval"),
    "deny": ("deny", "A denial"),
    "break_glass": ("approve", "Breaking the glass"),
}
"""What a form may say: the word it is, and what people call it."""


async def page(
    runtime: Runtime, visitor: Visitor, approval_id: str, *, status: int = 200, notice: str = ""
) -> Response:
    """The request as it stands now.

    Raises:
        NotFound: there is none of that id.
    """
    approval = await runtime.store.approvals.get(approval_id)
    shown = await runtime.approvals.notices.of(approval)
    why_not = _why_not(runtime, approval, visitor.person)
    alone = approval.open and runtime.definitions.glass().refusal(visitor.person, runtime.definitions.staff()) is None
    token = form_token(visitor.cookie, _about(approval), runtime.clock.now())
    return render(
        "request",
        status,
        person=visitor.person,
        notice=notice,
        approval=approval,
        shown=shown,
        told=[one for one in await runtime.store.messages.of(approval_id) if one.kind == "request"],
        why_not=why_not,
        may_answer=why_not is None,
        may_break_glass=alone,
        form_token=token if why_not is None or alone else None,
    )


async def decided(runtime: Runtime, visitor: Visitor, approval_id: str, form: Mapping[str, str]) -> Response:
    """Take the form's answer in, once; whoever comes second is shown what stands.

    Raises:
        NotFound: there is no such request.
        NotAllowed: this person may not answer it.
        RequestInvalid: it is no form of this page.
    """
    approval = await runtime.store.approvals.get(approval_id)
    wanted = form.get("decision", "")
    if wanted not in _DECISIONS:
        raise RequestInvalid("the form says neither approve nor deny")
    nonce, until = spent(visitor.cookie, _about(approval), form.get("form_token", ""), runtime.clock.now())
    reason = form.get("reason", "")
    if wanted != "approve" and not reason.strip():
        # Before the token is spent: the form is shown again, and stays good.
        text = f"{_DECISIONS[wanted][1]} needs a reason: whoever reads the history wants to know why."
        return await page(runtime, visitor, approval_id, status=422, notice=text)
    if await runtime.store.sessions.was_spent(nonce):
        text = "This form was sent before; it counts once. This is what stands:"
        return await page(runtime, visitor, approval_id, status=409, notice=text)
    evidence = {"session": visitor.session, "digest": approval.digest}
    word = Word(visitor.person, _DECISIONS[wanted][0], "web", reason, evidence, break_glass=wanted == "break_glass")
    staff, glass = runtime.definitions.staff(), runtime.definitions.glass()
    late = ""
    try:
        await decide(runtime.store, staff, approval_id, word, runtime.clock.now(), glass)
    except Conflict as error:
        late = f"This answer does not count any more: {error}. This is what stands:"
    # After the vote, whose row is the arbiter: of two that come at once one is a conflict, and a crash loses no answer.
    await runtime.store.sessions.spend(nonce, until)
    if late:
        return await page(runtime, visitor, approval_id, status=409, notice=late)
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
    reason = refusal(approval, person, runtime.definitions.staff())
    return None if reason is None else f"You cannot answer: {reason}."
