"""What the store's tests start from: small values, each with one thing of interest."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from soar.ids import derived_id, new_id
from soar.model.action import UndoCall
from soar.model.alert import Alert, Match, RawAlert
from soar.model.execution import Execution, Fact, Question
from soar.store import Store
from soar.store.units import Apply, ExecutionChange, ExecutionUnit, LedgerChange, Opening

ROOT = Path(__file__).parents[2]
NOW = 1_767_225_600_000


def raw_alert(key: str, *, source: str = "siem", at: int = NOW, body: bytes = b'{"a": 1}') -> RawAlert:
    return RawAlert(new_id(), source, key, at, body)


def alert_of(raw: RawAlert, /, **fields: Any) -> Alert:
    return Alert(**({"id": raw.id, "source": raw.source, "received_at": "2026-01-01T00:00:00.000Z"} | fields))


def execution(name: str = "", **fields: Any) -> Execution:
    one = Execution(
        id=derived_id(name) if name else new_id(),
        kind="run",
        playbook_id="contain",
        playbook_digest="d1",
        state="queued",
        epoch=0,
        opened_at=NOW,
        deadline_at=NOW + 1000,
        actor="source:siem",
    )
    return replace(one, **fields)


def opening(raw: RawAlert, /, *playbooks: str, **fields: Any) -> Opening:
    """An alert that made these playbooks fire."""
    executions = [execution(alert_id=raw.id, playbook_id=name, id=derived_id(raw.id, name)) for name in playbooks]
    matches = [Match(name, "d1", "matched", {"selections": {"s": True}}) for name in playbooks]
    return Opening(alert_of(raw, **fields), matches or [Match("other", "d2", "unmatched")], executions, "catalog")


def fact(path: str, kind: Any = "outcome", attempt: int = 1, **data: Any) -> Fact:
    return Fact(path, kind, attempt, NOW, data)


def question(execution_id: str, path: str = "block") -> Question:
    return Question(derived_id(execution_id, path, "q"), execution_id, path, 1, "gateway.block_ip", "Blocked?", NOW)


def undo_call(key: str, result: dict[str, Any] | None = None) -> UndoCall:
    return UndoCall("gateway.block_ip", {"ip": "192.0.2.1"}, key, result, "gateway.unblock_ip")


def apply(
    execution_id: str, path: str = "block", *, attempt: int = 1, undo_after: float | None = 60.0, **fields: Any
) -> Apply:
    one = Apply(
        containment_id=derived_id(execution_id, path, attempt),
        hold_id=derived_id(execution_id, path),
        connection="gateway",
        family="unblock_ip",
        target="192.0.2.1",
        action="gateway.block_ip",
        path=path,
        undo_after=() if undo_after is None else (undo_after,),
        undo=undo_call(derived_id(execution_id, path)),
        playbook_id="contain",
        alert_id=None,
        reason="Credential stuffing",
        at=NOW,
    )
    return replace(one, **fields)


async def running(store: Store, name: str = "", **fields: Any) -> Execution:
    """An execution that was opened and taken: its epoch is 1."""
    one = execution(name, **fields)
    await store.executions.open(one)
    await store.executions.commit(ExecutionUnit(one.id, 0, take=True))
    return await store.executions.get(one.id)


async def write(store: Store, owner: Execution, *ledger: LedgerChange) -> None:
    await store.executions.commit(ExecutionUnit(owner.id, owner.epoch, ledger=list(ledger)))


async def park(store: Store, owner: Execution, due_at: int | None = None, **fields: Any) -> bool:
    change = ExecutionChange("parked", awaiting="timer", due_at=due_at)
    return await store.executions.commit(ExecutionUnit(owner.id, owner.epoch, change=change, **fields))


async def child(code: str, *arguments: object, **options: Any) -> asyncio.subprocess.Process:
    """Another process with the same program, its output to be read."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *map(str, arguments),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **options,
    )


async def outputs(children: list[asyncio.subprocess.Process]) -> list[str]:
    """What each printed, once all have ended well."""
    ended = await asyncio.gather(*[one.communicate() for one in children])
    for one, (_, errors) in zip(children, ended, strict=True):
        assert one.returncode == 0, errors.decode()
    return [out.decode() for out, _ in ended]
