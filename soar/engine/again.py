"""Opening a rerun: the row, the history it inherits and the audit entry, in one transaction (S37)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from soar.clock import Millis
from soar.engine.rerun import Rerun, plan
from soar.errors import Conflict
from soar.model.execution import Execution
from soar.model.playbook import Playbook
from soar.store import Store
from soar.store.units import Audit


async def run_again(
    store: Store,
    execution_id: str,
    asked: Rerun,
    playbook: Playbook,
    pins: Mapping[str, str],
    now: Millis,
    timeout: float,
) -> Execution:
    """Run an execution again on that version of its playbook; the engine finds the new one by its row.

    Raises:
        NotFound: there is no such execution.
        Conflict: it is not over, a question about it is open, or the step cannot be begun at.
    """
    original = await store.executions.get(execution_id)
    waiting = [one for one in await store.questions.of(execution_id) if one.state == "open"]
    if waiting:
        raise Conflict(f"execution {execution_id}: nobody knows yet whether {waiting[0].action} happened; answer first")
    number = 1 + len(await store.executions.reruns(execution_id))
    facts = await store.executions.facts(execution_id)
    execution, inherited = plan(original, facts, playbook, replace(asked, number=number), now, timeout)
    execution = replace(execution, pins=pins)
    told = {"original": execution_id, "from": asked.step, "failed_items": asked.failed_items, "again": asked.again}
    entry = Audit(asked.by, "execution.rerun", f"execution:{execution.id}", now, told)
    if not await store.executions.open_many([execution], {execution.id: inherited}, [entry]):
        raise Conflict(
            f"execution {execution_id}: somebody has run it again at this very moment; look at what is there"
        )
    return await store.executions.get(execution.id)
