"""One connection's calls: made once, within their time, and every end sorted into an Outcome.

The one retry here is that of `verify`, a read (S21). Whether a call itself is made
again is the engine's to decide, because only it can write that down first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from soar.clock import Clock
from soar.connector.answers import AnswerTooLarge, CallTimedOut
from soar.connector.base import Call, Connector, HttpConnector, Params, Result
from soar.connector.circuit import Circuit
from soar.connector.definition import ActionDefinition
from soar.connector.egress import Egress
from soar.connector.inputs import Inputs
from soar.connector.limits import INLINE_LIMIT, RESULT_LIMIT, RateLimiter, shortened, size_of
from soar.connector.masking import Masker
from soar.connector.trail import Trail, current_trail
from soar.errors import ConnectorError, OutcomeUnknown, Refused, Unavailable
from soar.model.action import ActionCall, Outcome, UndoCall

VERIFY_WINDOW: Final = 60.0
"""Seconds for which a verify that cannot reach its system is tried again (S21)."""
_MESSAGE: Final = 1_000
T = TypeVar("T")


@dataclass(slots=True)
class Invoker:
    """Carries out the calls of one connection."""

    connection: str
    connector: Connector
    egress: Egress
    clock: Clock
    inputs: Inputs
    masker: Masker
    limiter: RateLimiter | None = None
    verify_window: float = VERIFY_WINDOW
    circuit: Circuit | None = None
    timeout: float | None = None
    """The operator's own limit for one call."""

    async def perform(self, action: ActionDefinition, call: ActionCall) -> Outcome:
        """Make the call once."""
        try:
            params = self.inputs.parse(action, call.inputs)
        except Refused as error:
            return Outcome("refused", message=str(error), sent=False)
        if call.simulated and action.action.changes:
            return Outcome("done", action.example, sent=False, simulated=True)
        held_back = None if self.circuit is None else self.circuit.enter()
        if held_back is not None:
            return held_back
        changes = action.action.changes
        trail = Trail(self.egress, changes, call.key, simulated=call.simulated, hops=call.hops + 1)
        outcome = None
        try:
            outcome = await self._performed(action, params, call, trail)
        finally:
            # A call that was given less than its full time says nothing of the system by being late.
            hurried = trail.late and call.timeout < action.full_time(self.timeout)
            if self.circuit is not None:
                self.circuit.leave(None if hurried else outcome)
        return outcome

    async def _performed(self, action: ActionDefinition, params: Params, call: ActionCall, trail: Trail) -> Outcome:
        await self._turn()
        try:
            result = await self._run(action.action.function, (params, _call_of(call)), trail, call.timeout)
        except ConnectorError as error:
            return self._failed(error)
        return self._done(action, result)

    async def verify(self, action: ActionDefinition, call: ActionCall) -> Outcome:
        """Ask whether the call happened, again while the system cannot be reached."""
        if call.simulated:
            return Outcome("absent", message="a simulated call never happened", sent=False, simulated=True)
        function = action.action.verify_function
        if function is None:
            return Outcome("unknown", message=f"{call.name} cannot be verified: its connector has no way to ask")
        try:
            params = self.inputs.parse(action, call.inputs)
            result = await self._asked(function, (params, _call_of(call)), call.timeout, call.hops + 1)
        except ConnectorError as error:
            return self._noted(Outcome("unknown", message=self._message(error)))
        return self._noted(Outcome("absent") if result is None else self._done(action, result))

    async def undo(self, action: ActionDefinition, call: UndoCall, *, key: str, timeout: float) -> Outcome:
        """Take it back. Where it is not known whether it happened, ask first (S33)."""
        if action.action.undo_function is None and not call.direct:
            return Outcome("refused", message=f"{call.name} has no undo any more", sent=False)
        if not call.exact:
            message = f"what undoing {call.name} needs was secret or too big to keep; take it back by hand"
            return Outcome("refused", message=message, sent=False)
        trail = Trail(self.egress, changes=True, key=key, hops=1)
        try:
            await (self._undo_directly if call.direct else self._take_back)(action, call, trail, timeout)
        except ConnectorError as error:
            return self._noted(self._failed(error))
        return self._noted(Outcome("done"))

    async def _take_back(self, action: ActionDefinition, call: UndoCall, trail: Trail, timeout: float) -> None:
        """Run the connector's own inverse, on what was really done."""
        undo = action.action.undo_function
        done = await self._to_undo(action, call, timeout)
        if done is None or undo is None:
            return
        await self._turn()
        await self._run(undo, (done,), trail, timeout)

    async def _undo_directly(self, action: ActionDefinition, call: UndoCall, trail: Trail, timeout: float) -> None:
        """Perform the action that the playbook named as the way back, with the inputs stored for it."""
        params = self.inputs.parse(action, call.inputs)
        await self._turn()
        await self._run(action.action.function, (params, Call(trail.key)), trail, timeout)

    async def _to_undo(self, action: ActionDefinition, call: UndoCall, timeout: float) -> Result | None:
        """The result to undo: as it was stored, else as the system tells it now; None when nothing was done."""
        if call.result is not None:
            return self._stored(action, call.result)
        if action.action.verify_function is None:
            raise Refused(f"{call.name} may have happened and cannot be asked about; look, and take it back by hand")
        params = self.inputs.parse(action, call.inputs)
        made = Call(call.key, "", "", 1, "")
        try:
            found = await self._asked(action.action.verify_function, (params, made), timeout, 1)
        except ConnectorError as error:
            raise OutcomeUnknown(f"{call.name}: it cannot be told whether it happened ({error})") from error
        if found is not None and not isinstance(found, action.result):
            raise ConnectorBroken(f"{call.name}: its verify returned {type(found).__name__}")
        return found

    async def within_call(self, ask: Callable[[], Awaitable[T]], timeout: float, *, changes: bool = False) -> T:
        """Run something that is no action, such as health, as a call of this connection."""
        trail = Trail(self.egress, changes=changes)
        return await self._run(lambda _: ask(), (), trail, timeout)

    def _stored(self, action: ActionDefinition, result: Mapping[str, Any]) -> Result:
        """A result as history kept it, perhaps written by an older version of the connector."""
        try:
            return action.result.model_validate(dict(result), extra="ignore")
        except ValidationError as error:
            field = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise Refused(
                f"the stored result of {self.connection}.{action.name} lacks what its undo needs ('{field}');"
                " take it back by hand"
            ) from None

    async def _turn(self) -> None:
        if self.limiter is not None:
            await self.limiter.turn()

    async def _run(
        self, function: Callable[..., Awaitable[T]], arguments: tuple[Any, ...], trail: Trail, timeout: float
    ) -> T:
        """Call into the connector; what comes out is a result or a ConnectorError."""
        token = current_trail.set(trail)
        try:
            async with asyncio.timeout(timeout):
                return await function(self.connector, *arguments)
        except TimeoutError:
            trail.late = True
            raise self._too_late(trail, timeout) from None
        except ConnectorError:
            raise
        except Exception as error:  # a connector is foreign code: whatever it raises, the call has an outcome
            raise self._broken(error, trail) from error
        finally:
            current_trail.reset(token)

    async def _asked(
        self, function: Callable[..., Awaitable[T]], arguments: tuple[Any, ...], timeout: float, hops: int
    ) -> T:
        deadline = self.clock.monotonic() + self.verify_window

        def late(_: RetryCallState) -> bool:
            return self.clock.monotonic() >= deadline

        async def once() -> T:
            await self._turn()
            return await self._run(function, arguments, Trail(self.egress, changes=False, hops=hops), timeout)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_exponential(multiplier=0.25, max=5),
            stop=late,
            sleep=self.clock.sleep,
            reraise=True,
        )
        return await retrying(once)

    def _noted(self, outcome: Outcome) -> Outcome:
        """The outcome of what passes an open circuit, counted."""
        if self.circuit is not None:
            self.circuit.note(outcome)
        return outcome

    def _too_late(self, trail: Trail, timeout: float) -> ConnectorError:
        message = f"{self.connection}: no answer within {timeout:g} s"
        if not trail.changes or not self._may_have_changed(trail):
            return CallTimedOut(message)
        return AnswerLate(f"{message}; it may have happened")

    def _broken(self, error: Exception, trail: Trail) -> ConnectorError:
        message = f"connector '{self.connector.name}' failed: {type(error).__name__}: {error}"
        if trail.changes and self._may_have_changed(trail):
            return OutcomeUnknown(f"{message}; the call may have happened")
        return ConnectorBroken(message)

    def _may_have_changed(self, trail: Trail) -> bool:
        """The shared client notes what it sends; of a connector that speaks by itself, the worst is assumed."""
        return trail.changed or not isinstance(self.connector, HttpConnector)

    def _failed(self, error: ConnectorError) -> Outcome:
        message = self._message(error)
        if isinstance(error, OutcomeUnknown):
            return Outcome("unknown", message=message, error_kind="timeout" if isinstance(error, AnswerLate) else "")
        if isinstance(error, Unavailable):
            kind = "timeout" if isinstance(error, CallTimedOut) else ""
            return Outcome("unavailable", message=message, retry_after=error.retry_after, error_kind=kind)
        kind = "too_large" if isinstance(error, AnswerTooLarge) else ""
        kind = "internal" if isinstance(error, ConnectorBroken) else kind
        return Outcome("refused", message=message, error_kind=kind)

    def _done(self, action: ActionDefinition, result: Any) -> Outcome:
        if not isinstance(result, action.result):
            message = f"{self.connection}.{action.name} returned {type(result).__name__}, not {action.result.__name__}"
            return Outcome("unknown" if action.action.changes else "refused", message=message, error_kind="internal")
        given = result.model_dump(mode="json", by_alias=True)
        output = self.masker.mask(given)
        size = size_of(output)
        if size <= RESULT_LIMIT:
            return Outcome("done", output, exact=output == given, big=size > INLINE_LIMIT)
        if action.action.changes:
            return Outcome("done", shortened(output), exact=False)
        message = f"{self.connection}.{action.name} gave {size} bytes, more than the {RESULT_LIMIT} kept; ask for less"
        return Outcome("refused", message=message, error_kind="too_large")

    def _message(self, error: ConnectorError) -> str:
        message = self.masker.text(str(error))
        return message if len(message) <= _MESSAGE else message[: _MESSAGE - 1] + "…"


class AnswerLate(OutcomeUnknown):
    """The call was sent, and its time was over before the answer came."""


class ConnectorBroken(Refused):
    """A connector raised what it should not; nothing was changed."""


def _call_of(call: ActionCall) -> Call:
    return Call(call.key, call.execution_id, call.path, call.attempt, call.playbook_id)
