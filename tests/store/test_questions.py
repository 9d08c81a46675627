"""Questions: asked once, answered once, the execution woken with the answer."""

from __future__ import annotations

import asyncio

import pytest

from soar.errors import Conflict, NotFound
from soar.model.execution import Question
from soar.store import Store
from soar.store.units import ExecutionUnit
from tests.store.given import NOW, park, question, running


async def asked(store: Store) -> Question:
    owner = await running(store)
    one = question(owner.id)
    assert await park(store, owner, questions=[one]) is False
    return one


async def test_an_answer_is_left_for_the_execution_and_wakes_it(store: Store) -> None:
    one = await asked(store)
    answered = await store.questions.answer(one.id, "happened", "person:ana", "saw the rule", NOW + 1)
    assert (answered.state, answered.answer, answered.answered_by) == ("answered", "happened", "person:ana")
    assert (answered.answered_at, answered.reason) == (NOW + 1, "saw the rule")
    (signal,) = await store.executions.signals(one.execution_id)
    assert (signal.kind, signal.at) == ("answer", NOW + 1)
    assert signal.data == {
        "question": one.id,
        "path": "block",
        "attempt": 1,
        "answer": "happened",
        "by": "person:ana",
        "reason": "saw the rule",
    }
    assert (await store.executions.get(one.execution_id)).state == "queued"


async def test_s4_the_first_answer_wins(store: Store) -> None:
    one = await asked(store)
    answers = [store.questions.answer(one.id, "again", f"person:{n}", "", NOW) for n in range(5)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(result) for result in results] == [Question, *[Conflict] * 4]
    assert "already answered 'again' by person:0" in str(results[1])
    assert len(await store.executions.signals(one.execution_id)) == 1


async def test_asking_again_does_not_take_back_an_answer(store: Store) -> None:
    one = await asked(store)
    await store.questions.answer(one.id, "again", "person:ana", "", NOW)
    await store.executions.commit(ExecutionUnit(one.execution_id, 1, take=True, questions=[one]))
    assert (await store.questions.get(one.id)).state == "answered"


async def test_what_waits_is_listed(store: Store) -> None:
    first, second = await asked(store), await asked(store)
    await store.questions.answer(first.id, "give_up", "person:ana", "", NOW)
    assert [one.id for one in (await store.questions.page()).items] == [second.id]
    assert [one.id for one in (await store.questions.page("answered")).items] == [first.id]
    assert len((await store.questions.page(None, limit=1)).items) == 1
    assert [one.id for one in await store.questions.of(first.execution_id)] == [first.id]


async def test_what_is_no_question_and_no_answer(store: Store) -> None:
    one = await asked(store)
    with pytest.raises(NotFound):
        await store.questions.answer("nobody", "again", "person:ana", "", NOW)
    with pytest.raises(Conflict, match="'perhaps' is no answer; it is one of happened, again, give_up"):
        await store.questions.answer(one.id, "perhaps", "person:ana", "", NOW)  # type: ignore[arg-type]
