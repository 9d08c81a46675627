"""The one contract every connector passes, against the real part where there is one.

A connector's test subclasses `ConnectorContract` and gives it a `subject` fixture:

    class TestGateway(ConnectorContract):
        @pytest.fixture
        async def subject(self) -> AsyncIterator[Subject]:
            async with fault_proxy(real_url) as proxy:
                settings = {"base_url": proxy.url}
                async with connected("gateway", settings, {"token": "s3cret-token"}) as connections:
                    yield Subject(connections, changes=[Change("subject.block_ip", {...}, count)], faults=proxy, ...)

What a connector cannot do it leaves out of its subject (no undo, no verify, no HTTP),
and the tests that ask for it pass over it; what it declares, it is held to.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from soar.clock import SystemClock
from soar.config import ConnectionSettings
from soar.connector.base import Connector
from soar.connector.connections import ConnectionSet
from soar.connector.masking import Masker
from soar.connector.registry import ConnectorRegistry
from soar.connector.secrets import SecretResolver
from soar.errors import Refused
from soar.model.action import ActionCall, ActionSpec, Outcome, UndoCall
from tests.connectors.faults import FaultProxy


@dataclass
class Change:
    """One changing action with inputs that work, and how often its effect stands in the system."""

    name: str
    inputs: Mapping[str, Any]
    count: Callable[[], Awaitable[int]]
    bad_inputs: Sequence[Mapping[str, Any]] = ()
    """Inputs that must be refused before anything is sent."""
    key: str = "key-1"
    """The call's key; one of its own where the system outlives the test, and keeps keys."""


@dataclass
class Read:
    """One reading action with inputs that work."""

    name: str
    inputs: Mapping[str, Any]


@dataclass
class Subject:
    """A connection named `subject`, started, and the system behind it."""

    connections: ConnectionSet
    changes: Sequence[Change] = ()
    reads: Sequence[Read] = ()
    faults: FaultProxy | None = None
    secrets: Sequence[str] = ()
    """The values that must be seen nowhere."""
    patience: float = 0.3
    """Seconds a call gets where the system stays silent; more where several requests precede the one that counts."""


@asynccontextmanager
async def connected(
    connector: str | type[Connector],
    settings: Mapping[str, Any],
    secrets: Mapping[str, str] | None = None,
    *,
    egress: Sequence[str] = (),
    **options: Any,
) -> AsyncIterator[ConnectionSet]:
    """A started set with the one connection `subject`; the secrets come from an environment of its own."""
    registry = ConnectorRegistry.load() if isinstance(connector, str) else ConnectorRegistry.of(connector)
    name = connector if isinstance(connector, str) else connector.name
    secrets = secrets or {}
    masker = Masker()
    config = ConnectionSettings.model_validate(
        {
            "connector": name,
            "settings": dict(settings),
            "secrets": {secret: f"env:{secret.upper()}" for secret in secrets},
            **options,
        }
    )
    resolver = SecretResolver(masker, environ={secret.upper(): value for secret, value in secrets.items()})
    connections = ConnectionSet(registry, {"subject": config}, resolver, egress, SystemClock(), masker)
    await connections.start()
    try:
        yield connections
    finally:
        await connections.close()


def call(name: str, inputs: Mapping[str, Any], key: str = "key-1", timeout: float = 10.0) -> ActionCall:
    """A call as the engine makes it."""
    return ActionCall(name, inputs, key, "execution-1", "contain/block", 1, timeout)


class ConnectorContract:
    """What every connector promises."""

    # Bronze: typed, described, can say how it is.

    async def test_everything_is_described(self, subject: Subject) -> None:
        for spec in subject.connections.specs().values():
            assert spec.summary, f"{spec.name} has no docstring"
            for schema in (spec.params, spec.result):
                for name, part in schema.get("properties", {}).items():
                    assert part.get("description"), f"{spec.name}: '{name}' has no docstring"
            assert spec.example is not None

    async def test_every_action_is_under_the_contract(self, subject: Subject) -> None:
        covered = {change.name for change in subject.changes} | {read.name for read in subject.reads}
        assert set(subject.connections.specs()) == covered

    async def test_it_says_how_it_is(self, subject: Subject) -> None:
        health = await subject.connections.health("subject")
        assert health.ok, health.detail
        if subject.faults is not None:
            subject.faults.set("cut")
            assert not (await subject.connections.health("subject")).ok

    # Twice is once, undo twice is fine, verify tells.

    async def test_twice_is_once(self, subject: Subject) -> None:
        for change, spec in changes(subject):
            if not spec.idempotent:
                continue
            before = await change.count()
            first = await done(subject, change)
            second = await done(subject, change)
            assert await change.count() == before + 1
            assert second.output == first.output

    async def test_undo_twice_is_fine(self, subject: Subject) -> None:
        for change, spec in changes(subject):
            if spec.undo is None:
                continue
            before = await change.count()
            outcome = await done(subject, change)
            undo = UndoCall(change.name, change.inputs, change.key, outcome.output, spec.undo)
            for _ in range(2):
                undone = await subject.connections.undo(undo, key="undo-1", timeout=10)
                assert undone.kind == "done", undone.message
                assert await change.count() == before

    async def test_undo_of_a_call_that_never_arrived_is_done(self, subject: Subject) -> None:
        for change, spec in changes(subject):
            if spec.undo is None or not spec.verifies:
                continue
            before = await change.count()
            undo = UndoCall(change.name, change.inputs, "key-never", None, spec.undo)  # S33: verified first
            assert (await subject.connections.undo(undo, key="undo-1", timeout=10)).kind == "done"
            assert await change.count() == before

    async def test_verify_tells(self, subject: Subject) -> None:
        for change, spec in changes(subject):
            if not spec.verifies:
                continue
            asked = call(change.name, change.inputs, change.key)
            before = await subject.connections.verify(asked)
            assert before.kind == "absent", before.message
            outcome = await done(subject, change)
            after = await subject.connections.verify(asked)
            assert after.kind == "done", after.message
            assert set(after.output or {}) == set(outcome.output or {})

    async def test_bad_inputs_are_refused_before_anything_is_sent(self, subject: Subject) -> None:
        for change in subject.changes:
            for inputs in (*change.bad_inputs, {**change.inputs, "no_such_parameter": 1}):
                with pytest.raises(Refused, match=r"parameter|give"):
                    subject.connections.prepare(change.name, inputs)
                outcome = await subject.connections.perform(call(change.name, inputs))
                assert (outcome.kind, outcome.sent) == ("refused", False)

    async def test_a_containing_action_names_its_target(self, subject: Subject) -> None:
        for change, spec in changes(subject):
            target = subject.connections.prepare(change.name, change.inputs).target
            assert (target is not None) == (spec.undo is not None)

    # 429, 500, a timeout and a lost answer, each sorted (S17).

    @pytest.mark.parametrize("status", [429, 503])
    async def test_a_busy_system_is_unavailable(self, subject: Subject, status: int) -> None:
        async for item, changing, faults in faulted(subject):
            faults.set("status", status, Retry_After="2")
            outcome = await subject.connections.perform(item)
            assert (outcome.kind, outcome.retry_after) == ("unavailable", 2.0), (changing, outcome)

    async def test_a_plain_no_is_refused(self, subject: Subject) -> None:
        async for item, _, faults in faulted(subject):
            faults.set("status", 403)
            assert (await subject.connections.perform(item)).kind == "refused"

    async def test_a_server_error_leaves_a_change_unknown(self, subject: Subject) -> None:
        async for item, changing, faults in faulted(subject):
            faults.set("status", 500, only=WRITES if changing else "")
            outcome = await subject.connections.perform(item)
            assert outcome.kind == ("unknown" if changing else "unavailable"), outcome

    async def test_a_silent_system_leaves_a_change_unknown(self, subject: Subject) -> None:
        async for item, changing, faults in faulted(subject, timeout=subject.patience):
            faults.set("silent", only=WRITES if changing else "")
            outcome = await subject.connections.perform(item)
            assert outcome.kind == ("unknown" if changing else "unavailable"), outcome

    async def test_a_lost_answer_is_unknown_and_then_found_or_repeated_to_the_same_effect(
        self, subject: Subject
    ) -> None:
        if subject.faults is None:
            return
        for change, spec in changes(subject):
            before = await change.count()
            subject.faults.set("lost", only=WRITES)
            outcome = await subject.connections.perform(call(change.name, change.inputs, change.key))
            subject.faults.clear()
            assert outcome.kind == "unknown", outcome
            if spec.verifies:
                found = await subject.connections.verify(call(change.name, change.inputs, change.key))
                assert found.kind == "done", found
            elif spec.idempotent:
                await done(subject, change)
            assert await change.count() == before + 1

    async def test_undo_after_a_lost_answer_finds_what_was_done(self, subject: Subject) -> None:
        if subject.faults is None:
            return
        for change, spec in changes(subject):
            if spec.undo is None or not spec.verifies:
                continue
            before = await change.count()
            subject.faults.set("lost", only=WRITES)
            await subject.connections.perform(call(change.name, change.inputs, change.key))
            subject.faults.clear()
            undo = UndoCall(change.name, change.inputs, change.key, None, spec.undo)  # S33: its result is not known
            undone = await subject.connections.undo(undo, key="undo-1", timeout=10)
            assert undone.kind == "done", undone.message
            assert await change.count() == before

    async def test_a_read_that_is_cut_off_is_unavailable(self, subject: Subject) -> None:
        async for item, changing, faults in faulted(subject):
            if not changing:
                faults.set("cut")
                assert (await subject.connections.perform(item)).kind == "unavailable"

    # Secrets are never shown.

    async def test_secrets_are_never_shown(self, subject: Subject, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        seen: list[Any] = [subject.connections.view("subject"), await subject.connections.health("subject")]
        for item, _ in calls(subject):
            seen.append(await subject.connections.perform(item))
        if subject.faults is not None:
            subject.faults.echo_headers = True
            for status in (400, 500, 429):
                subject.faults.set("status", status)
                seen += [await subject.connections.perform(item) for item, _ in calls(subject)]
                seen.append(await subject.connections.health("subject"))
        shown = json.dumps([repr(item) for item in seen]) + caplog.text
        for secret in subject.secrets:
            assert secret not in shown


WRITES = "POST PUT PATCH DELETE"


def changes(subject: Subject) -> list[tuple[Change, ActionSpec]]:
    return [(change, subject.connections.spec(change.name)) for change in subject.changes]


def calls(subject: Subject, timeout: float = 10.0) -> list[tuple[ActionCall, bool]]:
    """One call of each action, and whether it changes something."""
    items = [(call(change.name, change.inputs, change.key, timeout), True) for change in subject.changes]
    return items + [(call(read.name, read.inputs, timeout=timeout), False) for read in subject.reads]


async def faulted(subject: Subject, timeout: float = 10.0) -> AsyncIterator[tuple[ActionCall, bool, FaultProxy]]:
    """The calls, for a subject whose system can be made to fail; the fault is cleared after each."""
    if subject.faults is None:
        return
    for item, changing in calls(subject, timeout):
        yield item, changing, subject.faults
        subject.faults.clear()


async def done(subject: Subject, change: Change) -> Outcome:
    """Make the change, which must work."""
    outcome = await subject.connections.perform(call(change.name, change.inputs, change.key))
    assert outcome.kind == "done", outcome.message
    return outcome
