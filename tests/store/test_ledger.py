"""The ledger: every way through the states of a containment and its holds, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from soar.errors import Conflict, LeaseLost, NotFound, TargetBusy
from soar.ids import derived_id
from soar.model.containment import Containment
from soar.model.execution import Execution
from soar.store import ContainmentFilter, Store
from soar.store.units import ExecutionChange, ExecutionUnit, LiftEnded, Settle
from tests.store.given import NOW, apply, fact, question, running, undo_call, write

MINUTE = 60_000


async def current(store: Store) -> Containment:
    (one,) = (await store.containments.page(ContainmentFilter(current=True))).items
    return one


def settle(owner: Execution, result: Any, path: str = "block", at: int = NOW, **undo: Any) -> Settle:
    return Settle(derived_id(owner.id, path), result, at, **undo)


async def held(store: Store, *, undo_after: float | None = 60.0) -> tuple[Execution, Containment]:
    owner = await running(store)
    await write(store, owner, apply(owner.id, undo_after=undo_after))
    await write(store, owner, settle(owner, "applied", undo=undo_call("k1", {"rule": 1})))
    return owner, await current(store)


async def lifting(store: Store) -> tuple[Containment, Execution]:
    """A containment that is being lifted, and the lift, taken."""
    _, one = await held(store)
    await store.containments.lift(one.id, "person:ana", "false alarm", NOW)
    lift = await store.executions.get(derived_id(one.id, "lift", 1))
    await store.executions.commit(ExecutionUnit(lift.id, 0, take=True))
    return await current(store), await store.executions.get(lift.id)


# applying -> held, suspected, voided


async def test_an_attempt_opens_a_containment_with_a_pending_hold(store: Store) -> None:
    owner = await running(store)
    await store.executions.commit(
        ExecutionUnit(owner.id, 1, facts=[fact("block", "attempt")], ledger=[apply(owner.id)])
    )
    one = await current(store)
    assert (one.id, one.state, one.round, one.expires_at) == (derived_id(owner.id, "block", 1), "applying", 0, None)
    assert (one.connection, one.family, one.target) == ("gateway", "unblock_ip", "192.0.2.1")
    (hold,) = one.holds
    assert (hold.execution_id, hold.path, hold.state, hold.expires_at) == (owner.id, "block", "pending", None)
    assert hold.undo == undo_call(derived_id(owner.id, "block"))


async def test_the_same_hold_again_changes_nothing(store: Store) -> None:
    owner = await running(store)
    await write(store, owner, apply(owner.id))
    before = await current(store)
    await write(store, owner, apply(owner.id, attempt=2, at=NOW + 9))
    assert await current(store) == before


async def test_applied_it_is_held_until_its_time(store: Store) -> None:
    owner, one = await held(store)
    assert (one.state, one.expires_at) == ("held", NOW + MINUTE)
    assert (one.holds[0].state, one.holds[0].expires_at) == ("live", NOW + MINUTE)
    assert await store.containments.undo_calls(one.id) == [undo_call("k1", {"rule": 1})]
    assert await store.containments.next_expiry() == NOW + MINUTE
    assert owner.id == one.holds[0].execution_id


async def test_settled_without_an_undo_call_the_attempts_own_is_kept(store: Store) -> None:
    owner = await running(store)
    await write(store, owner, apply(owner.id))
    await write(store, owner, settle(owner, "applied"))
    assert await store.containments.undo_calls((await current(store)).id) == [undo_call(derived_id(owner.id, "block"))]


async def test_absent_it_is_voided_and_nothing_is_to_be_undone(store: Store) -> None:
    owner = await running(store)
    await write(store, owner, apply(owner.id))
    await write(store, owner, settle(owner, "absent"))
    one = await store.containments.get(derived_id(owner.id, "block", 1))
    assert (one.state, one.ended_at, one.expires_at, one.holds[0].state) == ("voided", NOW, None, "released")
    assert await store.containments.undo_calls(one.id) == []


async def test_the_next_attempt_after_absent_opens_the_next_period(store: Store) -> None:
    owner = await running(store)
    await write(store, owner, apply(owner.id))
    await write(store, owner, settle(owner, "absent"))
    await write(store, owner, apply(owner.id, attempt=2, at=NOW + 5))
    one = await current(store)
    assert (one.id, one.state, one.started_at) == (derived_id(owner.id, "block", 2), "applying", NOW + 5)
    assert [hold.state for hold in one.holds] == ["pending"]


async def test_unknown_it_is_suspected_and_counts_from_the_attempt(store: Store) -> None:
    owner = await running(store)
    await write(store, owner, apply(owner.id, at=NOW))
    await write(store, owner, settle(owner, "unknown", at=NOW + 5000))
    one = await current(store)
    assert (one.state, one.expires_at) == ("suspected", NOW + MINUTE)
    assert (one.holds[0].state, one.holds[0].expires_at) == ("pending", NOW + MINUTE)


# suspected -> held, voided, lifting


async def suspected(store: Store, **fields: Any) -> tuple[Execution, Containment]:
    owner = await running(store)
    await write(store, owner, apply(owner.id, **fields))
    await write(store, owner, settle(owner, "unknown"))
    return owner, await current(store)


async def test_suspected_and_verified_present(store: Store) -> None:
    owner, _ = await suspected(store)
    await write(store, owner, settle(owner, "applied", at=NOW + 9))
    one = await current(store)
    assert (one.state, one.expires_at) == ("held", NOW + 9 + MINUTE)


async def test_suspected_and_verified_absent(store: Store) -> None:
    owner, one = await suspected(store)
    await write(store, owner, settle(owner, "absent", at=NOW + 9))
    assert (await store.containments.get(one.id)).state == "voided"


async def test_s33_suspected_and_due(store: Store) -> None:
    owner, one = await suspected(store)
    assert await store.containments.next_expiry() == NOW + MINUTE
    assert await store.containments.release_expired(NOW + MINUTE - 1) == []
    assert await store.containments.release_expired(NOW + MINUTE) == [derived_id(one.id, "lift", 1)]
    assert (await current(store)).state == "lifting"
    # The lift verifies first; what it would verify is the call as it was stored.
    assert await store.containments.undo_calls(one.id) == [undo_call(derived_id(owner.id, "block"))]


async def test_suspected_and_lifted_by_a_person(store: Store) -> None:
    _, one = await suspected(store, undo_after=None)
    assert one.expires_at is None
    assert (await store.containments.lift(one.id, "person:ana", "why", NOW)).state == "lifting"


async def test_a_suspected_call_that_is_made_again_is_let_go_by_nobody(store: Store) -> None:
    owner, one = await suspected(store)
    await write(store, owner, apply(owner.id, attempt=2))  # a person said: do it again
    assert (await current(store)).state == "suspected"
    assert await store.containments.release_expired(NOW + 10 * MINUTE) == []
    assert await store.containments.next_expiry() is None
    with pytest.raises(Conflict, match="a call on it is open"):
        await store.containments.lift(one.id, "person:ana", "why", NOW)
    await write(store, owner, settle(owner, "applied"))
    assert (await current(store)).state == "held"


# held -> lifting -> lifted, stuck


async def test_s31_the_last_hold_decides(store: Store) -> None:
    first, one = await held(store, undo_after=60)
    second = await running(store)
    await write(store, second, apply(second.id, undo_after=600))
    assert (await current(store)).state == "held"  # while the other's call is open
    await write(store, second, settle(second, "applied", undo=undo_call("k2", {"rule": 2})))
    joined = await current(store)
    assert (joined.id, joined.expires_at) == (one.id, NOW + 10 * MINUTE)
    assert [hold.execution_id for hold in joined.holds] == [first.id, second.id]

    assert await store.containments.release_expired(NOW + MINUTE) == []
    assert [hold.state for hold in (await current(store)).holds] == ["released", "live"]
    assert await store.containments.release_expired(NOW + 10 * MINUTE) == [derived_id(one.id, "lift", 1)]
    assert [call.key for call in await store.containments.undo_calls(one.id)] == ["k2", "k1"]


async def test_s31_a_hold_without_an_end_holds_until_a_person(store: Store) -> None:
    _, one = await held(store)
    second = await running(store)
    await write(store, second, apply(second.id, undo_after=None))
    await write(store, second, settle(second, "applied"))
    assert (await current(store)).expires_at is None
    assert await store.containments.release_expired(NOW + 10**9) == []
    assert await store.containments.next_expiry() is None
    lifted = await store.containments.lift(one.id, "person:ana", "false alarm", NOW)
    assert (lifted.state, lifted.lifted_by, lifted.lift_reason) == ("lifting", "person:ana", "false alarm")
    assert [hold.state for hold in lifted.holds] == ["released", "released"]


async def test_a_failed_join_leaves_the_others_hold(store: Store) -> None:
    _, one = await held(store)
    second = await running(store)
    await write(store, second, apply(second.id))
    await write(store, second, settle(second, "absent"))
    assert (await current(store)).expires_at == one.expires_at
    assert (await current(store)).state == "held"


async def test_a_doubtful_join_leaves_the_others_hold(store: Store) -> None:
    _, one = await held(store)
    second = await running(store)
    await write(store, second, apply(second.id, undo_after=600))
    await write(store, second, settle(second, "unknown"))
    joined = await current(store)
    assert (joined.state, joined.expires_at) == ("held", NOW + 10 * MINUTE)
    await store.containments.release_expired(NOW + MINUTE)
    assert (await current(store)).state == "held"
    assert await store.containments.release_expired(NOW + 10 * MINUTE) == [derived_id(one.id, "lift", 1)]


async def test_what_was_held_is_lifted_when_a_last_join_comes_to_nothing(store: Store) -> None:
    _, one = await held(store)
    second = await running(store)
    await write(store, second, apply(second.id, undo_after=600))
    assert await store.containments.release_expired(NOW + MINUTE) == []  # its call is open
    await write(store, second, settle(second, "absent", at=NOW + MINUTE))
    assert (await current(store)).state == "lifting"
    assert [ready.id for ready in await store.executions.ready(NOW, 5)] == [derived_id(one.id, "lift", 1)]


async def test_s33_the_lift_is_opened_with_the_release(store: Store) -> None:
    _, one = await held(store)
    (opened,) = await store.containments.release_expired(NOW + MINUTE)
    lift = await store.executions.get(opened)
    assert (lift.kind, lift.containment_id, lift.state, lift.epoch) == ("lift", one.id, "queued", 0)
    assert (lift.playbook_id, lift.playbook_digest, lift.actor) == ("lift", "", "timer:expiry")
    assert (lift.opened_at, lift.deadline_at > lift.opened_at) == (NOW + MINUTE, True)
    now = await current(store)
    assert (now.round, now.lifted_by, now.lift_reason) == (1, "timer:expiry", "expired")
    assert await store.containments.release_expired(NOW + 2 * MINUTE) == []


async def test_a_lift_that_succeeds(store: Store) -> None:
    one, lift = await lifting(store)
    ended = ExecutionChange("succeeded", finished_at=NOW + 7)
    unit = ExecutionUnit(lift.id, 1, change=ended, ledger=[LiftEnded(one.id, "lifted", NOW + 7)])
    await store.executions.commit(unit)
    over = await store.containments.get(one.id)
    assert (over.state, over.ended_at, over.lifted_by) == ("lifted", NOW + 7, "person:ana")


async def test_a_lift_that_fails_waits_for_a_person_who_tries_again(store: Store) -> None:
    one, lift = await lifting(store)
    await write(store, lift, LiftEnded(one.id, "stuck", NOW + 7))
    assert (stuck := await current(store)).state == "stuck"
    assert stuck.ended_at is None
    again = await store.containments.lift(one.id, "person:bo", "gateway is back", NOW + 9)
    assert (again.state, again.round, again.lifted_by) == ("lifting", 2, "person:bo")
    assert (await store.executions.get(derived_id(one.id, "lift", 2))).state == "queued"


async def test_a_stuck_one_that_was_taken_back_by_hand(store: Store) -> None:
    one, lift = await lifting(store)
    with pytest.raises(Conflict, match="only a stuck one"):
        await store.containments.lift_by_hand(one.id, "person:ana", "done", NOW)
    await write(store, lift, LiftEnded(one.id, "stuck", NOW))
    over = await store.containments.lift_by_hand(one.id, "person:ana", "done in the console", NOW + 9)
    assert (over.state, over.ended_at, over.lift_reason) == ("lifted", NOW + 9, "done in the console")


# What nobody may do


async def test_nothing_is_lifted_twice(store: Store) -> None:
    one, lift = await lifting(store)
    with pytest.raises(Conflict, match="being lifted already, by person:ana"):
        await store.containments.lift(one.id, "person:bo", "me too", NOW)
    await write(store, lift, LiftEnded(one.id, "lifted", NOW))
    with pytest.raises(Conflict, match="it is lifted already"):
        await store.containments.lift(one.id, "person:bo", "me too", NOW)
    await write(store, lift, LiftEnded(one.id, "stuck", NOW + 5))
    assert (await store.containments.get(one.id)).state == "lifted"


async def test_what_is_being_applied_is_not_lifted(store: Store) -> None:
    owner = await running(store)
    await write(store, owner, apply(owner.id))
    with pytest.raises(Conflict, match="a call on it is open"):
        await store.containments.lift((await current(store)).id, "person:ana", "why", NOW)
    with pytest.raises(NotFound):
        await store.containments.lift("nobody", "person:ana", "why", NOW)


async def test_s30_others_wait_while_it_is_applied(store: Store) -> None:
    owner, other = await running(store), await running(store)
    await write(store, owner, apply(owner.id))
    with pytest.raises(TargetBusy, match=r"192\.0\.2\.1 on gateway .*call on it is open"):
        await write(store, other, apply(other.id))
    await write(store, owner, settle(owner, "applied"))
    await write(store, other, apply(other.id))
    assert len((await current(store)).holds) == 2


@pytest.mark.parametrize("result", [None, "stuck"])
async def test_s30_others_wait_while_it_is_lifted(store: Store, result: Any) -> None:
    one, lift = await lifting(store)
    if result:
        await write(store, lift, LiftEnded(one.id, result, NOW))
    other = await running(store)
    unit = ExecutionUnit(other.id, 1, facts=[fact("block", "attempt")], ledger=[apply(other.id)])
    with pytest.raises(TargetBusy):
        await store.executions.commit(unit)
    assert await store.executions.facts(other.id) == []
    if result:
        await store.containments.lift_by_hand(one.id, "person:ana", "done", NOW)
    else:
        await write(store, lift, LiftEnded(one.id, "lifted", NOW))
    await store.executions.commit(unit)
    assert (await current(store)).id != one.id


async def test_targets_connections_and_families_are_told_apart(store: Store) -> None:
    owner = await running(store)
    base = apply(owner.id, "a")
    await write(
        store,
        owner,
        base,
        apply(owner.id, "b", target="192.0.2.2"),
        apply(owner.id, "c", connection="edge"),
        apply(owner.id, "d", family="enable_token"),
    )
    assert len((await store.containments.page(ContainmentFilter(current=True))).items) == 4


async def test_s30_one_at_a_time_is_what_the_schema_allows(store: Store) -> None:
    await held(store)
    names = "connection, family, target, action, state, started_at, round, playbook_id"
    with pytest.raises(Exception, match=r"UNIQUE constraint failed: containments|uq_containments_current"):
        await store._writer.run(
            lambda db: db.execute(f"INSERT INTO containments (id, {names}) SELECT 'other', {names} FROM containments")
        )


async def test_a_stale_owner_changes_no_ledger(store: Store) -> None:
    owner = await running(store)
    with pytest.raises(LeaseLost):
        await store.executions.commit(ExecutionUnit(owner.id, 0, ledger=[apply(owner.id)]))
    assert (await store.containments.page()).items == []


async def test_an_outcome_for_a_hold_that_is_not_there_writes_nothing(store: Store) -> None:
    owner = await running(store)
    with pytest.raises(NotFound, match="it comes with the attempt's unit"):
        await store.executions.commit(ExecutionUnit(owner.id, 1, facts=[fact("a")], ledger=[settle(owner, "applied")]))
    assert await store.executions.facts(owner.id) == []


async def test_an_outcome_after_the_lift_only_leaves_its_undo_call(store: Store) -> None:
    owner, one = await suspected(store)
    await store.containments.lift(one.id, "person:ana", "why", NOW)
    await write(store, owner, settle(owner, "applied", undo=undo_call("k", {"rule": 9})))
    assert (await current(store)).state == "lifting"
    assert await store.containments.undo_calls(one.id) == [undo_call("k", {"rule": 9})]


# A person's answer beside the end of an execution (S22)


async def ended_in_doubt(store: Store) -> Execution:
    owner, _ = await suspected(store)
    unit = ExecutionUnit(owner.id, 1, change=ExecutionChange("failed"), questions=[question(owner.id)])
    await store.executions.commit(unit)
    return owner


async def test_s22_it_happened_says_a_person_when_the_execution_has_ended(store: Store) -> None:
    owner = await ended_in_doubt(store)
    await store.questions.answer(question(owner.id).id, "happened", "person:ana", "saw it", NOW + 5)
    one = await current(store)
    assert (one.state, one.expires_at) == ("held", NOW + 5 + MINUTE)
    assert (await store.executions.get(owner.id)).state == "failed"


async def test_s21_given_up_it_stays_suspected_on_the_board(store: Store) -> None:
    owner = await ended_in_doubt(store)
    await store.questions.answer(question(owner.id).id, "give_up", "person:ana", "", NOW)
    assert (await current(store)).state == "suspected"


async def test_s22_nothing_is_done_again_in_an_ended_execution(store: Store) -> None:
    owner = await ended_in_doubt(store)
    with pytest.raises(Conflict, match="has ended"):
        await store.questions.answer(question(owner.id).id, "again", "person:ana", "", NOW)
    assert (await store.questions.get(question(owner.id).id)).state == "open"


async def test_the_board(store: Store) -> None:
    owner = await running(store)
    for number in range(5):
        path = f"block[{number}]"
        await write(store, owner, apply(owner.id, path, target=f"192.0.2.{number}", at=NOW + number))
        await write(store, owner, settle(owner, "applied" if number % 2 else "absent", path))

    async def found(**fields: Any) -> list[str]:
        return [one.target[-1] for one in (await store.containments.page(ContainmentFilter(**fields))).items]

    assert await found() == ["4", "3", "2", "1", "0"]
    assert await found(current=True) == ["3", "1"]
    assert await found(current=False) == ["4", "2", "0"]
    assert await found(status="held", connection="gateway") == ["3", "1"]
    assert await found(target="192.0.2.4") == ["4"]
    page = await store.containments.page(limit=2)
    assert [len(one.holds) for one in page.items] == [1, 1]
    rest = await store.containments.page(cursor=page.next_cursor, limit=3)
    assert [one.target[-1] for one in rest.items] == ["2", "1", "0"]
    assert rest.next_cursor is None
