"""A request in the words of this moment: what would happen, where, until when, and what is held there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from soar.approval.decide import described
from soar.clock import rfc3339
from soar.connector.connections import ConnectionView
from soar.errors import NotFound
from soar.model.action import ActionSpec
from soar.model.approval import Approval
from soar.model.notice import Notice, NoticeItem
from soar.store import Store

_LOOKED_UP: Final = 100
"""Targets of one request whose present state is looked up; nobody reads more of them."""


class Systems(Protocol):
    """The connections, as far as a request speaks of them."""

    def view(self, name: str) -> ConnectionView: ...

    def spec(self, name: str) -> ActionSpec: ...


@dataclass(frozen=True, slots=True)
class Notices:
    """Puts requests in words."""

    store: Store
    systems: Systems
    public_url: str | None = None

    async def of(self, one: Approval, nonce: str = "", *, repeated: bool = False) -> Notice:
        """The request as it stands now. What was shown when it was asked stays as it was; only what is held is new."""
        return Notice(
            approval_id=one.id,
            nonce=nonce,
            state=one.state,
            title=one.message,
            playbook_id=one.playbook_id,
            execution_id=one.execution_id,
            requester=one.requester,
            approvers=described(one.approvers),
            required=one.approvers.required,
            asked_at=one.asked_at,
            due_at=one.due_at,
            on_timeout=one.on_timeout,
            digest=one.digest,
            items=tuple([await self._item(item, at < _LOOKED_UP) for at, item in enumerate(one.shown)]),
            votes=one.votes,
            stage=one.stage,
            settled_at=one.settled_at,
            settled_by=one.settled_by,
            reason=one.reason,
            link=self.link(one.id),
            repeated=repeated,
        )

    def link(self, approval_id: str) -> str | None:
        """The page of a request; it shows, and decides nothing by being opened."""
        return None if self.public_url is None else f"{self.public_url}/approvals/{approval_id}"

    async def _item(self, shown: Mapping[str, Any], looked_up: bool) -> NoticeItem:
        action = str(shown["action"])
        return NoticeItem(
            path=str(shown["path"]),
            action=action,
            where=self._where(action.partition(".")[0]),
            effect=str(shown.get("effect") or ""),
            undo=str(shown.get("undo") or ""),
            risk=str(shown.get("risk") or ""),
            values=shown.get("values") or {},
            open=shown.get("open") or {},
            held=await self._held(action, shown.get("target")) if looked_up else "",
        )

    def _where(self, connection: str) -> str:
        try:
            view = self.systems.view(connection)
        except NotFound:
            return f"{connection} (no longer in soar.yaml)"
        zone = f", zone {view.zone}" if view.zone else ""
        return f"{connection} ({view.connector}{zone})"

    async def _held(self, action: str, target: str | None) -> str:
        if target is None:
            return ""
        try:
            family = self.systems.spec(action).undo
        except NotFound:
            return ""
        if family is None:
            return ""
        found = await self.store.containments.current(action.partition(".")[0], family, target)
        if found is None:
            return ""
        until = rfc3339(found.expires_at) if found.expires_at is not None else "a person lifts it"
        holders = sum(hold.state != "released" for hold in found.holds)
        return f"{found.state} since {rfc3339(found.started_at)} until {until}, by {holders} execution(s)"
