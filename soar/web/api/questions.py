"""Outcomes only a person can tell."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from soar.web import views
from soar.web.answers import answer
from soar.web.api.containments import Reason
from soar.web.api.parameters import Asker, Cursor, Limit, Served, listed

router = APIRouter(prefix="/questions", tags=["questions"])


class Answered(BaseModel):
    """Did the call happen?"""

    model_config = ConfigDict(extra="forbid")

    answer: Literal["happened", "again", "give_up"]
    reason: Reason


@router.get("", summary="Questions, newest first; the open ones unless asked otherwise")
async def questions(
    runtime: Served,
    status: Literal["open", "answered", "all"] = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    state = None if status == "all" else status
    return listed(await runtime.store.questions.page(state, cursor, limit), views.question)


@router.get("/{question_id}", summary="One question")
async def question(runtime: Served, question_id: str) -> Response:
    return answer(views.question(await runtime.store.questions.get(question_id)))


@router.post("/{question_id}/answer", summary="Answer a question")
async def answer_question(runtime: Served, asker: Asker, question_id: str, given: Answered) -> Response:
    """The first answer stands; 409 tells later ones who was faster."""
    now = runtime.clock.now()
    answered = await runtime.store.questions.answer(question_id, given.answer, str(asker), given.reason, now)
    await runtime.engine.scan()
    return answer(views.question(answered))
