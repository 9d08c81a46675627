"""Connections without a network: scripted answers, every call on record, the real checks of values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from soar.clock import Clock, SystemClock
from soar.errors import NotFound, Refused
from soar.model.action import ActionCall, ActionSpec, Outcome, Prepared, UndoCall

Prepare = Callable[[str, Mapping[str, Any]], Prepared]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scripted call comes to."""

    outcome: Outcome
    happened: bool | None = None
    """For an unknown outcome: what `verify` will find. None leaves it unknown for good."""
    after: float = 0.0
    """Seconds until the answer comes; what happens, happens at once."""

    @classmethod
    def done(cls, output: Mapping[str, Any], *, after: float = 0.0) -> Answer:
        return cls(Outcome("done", dict(output)), happened=True, after=after)

    @classmethod
    def error(
        cls,
        kind: Literal["unavailable", "refused", "unknown", "timeout", "lost"],
        message: str = "",
        *,
        retry_after: float | None = None,
        happened: bool | None = None,
    ) -> Answer:
        """`timeout` is a read that took too long; `lost` and `unknown` are changes that may have happened."""
        text = message or f"scripted: {kind}"
        if kind == "timeout":
            return cls(Outcome("unavailable", message=text, error_kind="timeout"), happened=False)
        if kind in ("lost", "unknown"):
            return cls(Outcome("unknown", message=text), happened=happened)
        return cls(Outcome(kind, message=text, retry_after=retry_after), happened=False)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call that reached the connections. An undo is on record under its reverse name."""

    name: str
    inputs: Mapping[str, Any]
    key: str
    kind: Literal["perform", "verify", "undo"]
    timeout: float
    attempt: int = 1


@dataclass
class FakeConnections:
    """Answers from a script, else from the schema's examples.

    `prepare` is the real connections' own check where there are some (`soar test`, with
    `ConnectionSet.prepare`); without it, values are held against the specs' JSON schemas.
    """

    actions: Mapping[str, ActionSpec]
    checks: Prepare | None = None
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    calls: list[RecordedCall] = field(default_factory=list)
    world: dict[tuple[str, str], Mapping[str, Any] | None] = field(default_factory=dict)
    """What happened so far, by action and key, as `verify` sees it; None is 'cannot tell'."""
    clock: Clock = field(default_factory=SystemClock)
    addresses: dict[str, str] = field(default_factory=dict)
    """Where a connection leads, for tests of what happens when that changes (S26)."""

    def script(self, name: str, *answers: Answer | Mapping[str, Any]) -> None:
        """Answer the calls of an action in this order; the last answer is repeated."""
        self.spec(name)
        self.answers[name] = [answer if isinstance(answer, Answer) else Answer.done(answer) for answer in answers]

    def specs(self) -> dict[str, ActionSpec]:
        return dict(self.actions)

    def called(self, name: str | None = None, kind: str = "perform") -> list[RecordedCall]:
        """The recorded calls of one action, or of all; undo calls are asked for by their reverse name."""
        kinds = {kind} if kind == "verify" else {"perform", "undo"}
        return [call for call in self.calls if call.kind in kinds and name in (None, call.name)]

    def names(self) -> list[str]:
        """What was done and undone, in order."""
        return [call.name for call in self.called()]

    def spec(self, name: str) -> ActionSpec:
        try:
            return self.actions[name]
        except KeyError:
            raise NotFound(f"there is no action '{name}'") from None

    def prepare(self, name: str, inputs: Mapping[str, Any]) -> Prepared:
        spec = self.spec(name)
        if self.checks is not None:
            return self.checks(name, inputs)
        problems = complaints(spec.params, inputs)
        if problems:
            raise Refused(f"{name}: {'; '.join(problems)}")
        first = next(iter(spec.params.get("properties", {})), None)
        target = inputs.get(first) if spec.undo and first else None
        return Prepared(None if target is None else str(target), inputs)

    def fingerprint(self, name: str) -> str:
        """What a connection stands for: its connector, and what a test says of it in `addresses`."""
        connection = name.partition(".")[0]
        for spec in self.actions.values():
            if spec.name.partition(".")[0] == connection:
                told = f"{connection} {spec.connector} {self.addresses.get(connection, '')}"
                return hashlib.sha256(told.encode()).hexdigest()
        raise NotFound(f"there is no connection '{connection}'")

    async def perform(self, call: ActionCall) -> Outcome:
        if call.simulated and call.name in self.actions and self.spec(call.name).changes:
            return Outcome("done", self._example(call.name), sent=False, simulated=True)
        self.calls.append(RecordedCall(call.name, dict(call.inputs), call.key, "perform", call.timeout, call.attempt))
        try:
            self.prepare(call.name, call.inputs)
        except (Refused, NotFound) as error:
            return Outcome("refused", message=str(error), sent=False)
        answer = self._next(call.name)
        if answer.happened is not False:
            known = answer.happened is True
            self.world[call.name, call.key] = (answer.outcome.output or self._example(call.name)) if known else None
        if answer.after:
            await self.clock.sleep(answer.after)
        return answer.outcome

    async def verify(self, call: ActionCall) -> Outcome:
        self.calls.append(RecordedCall(call.name, dict(call.inputs), call.key, "verify", call.timeout, call.attempt))
        if not self.spec(call.name).verifies:
            return Outcome("unknown", message=f"{call.name} cannot be verified")
        if (call.name, call.key) not in self.world:
            return Outcome("absent")
        output = self.world[call.name, call.key]
        return Outcome("unknown", message="scripted: cannot tell") if output is None else Outcome("done", output)

    async def undo(self, call: UndoCall, *, key: str, timeout: float) -> Outcome:
        reverse = call.name if call.direct else call.reverse
        if "." not in reverse:
            reverse = f"{call.name.partition('.')[0]}.{self.spec(call.name).undo}"
        self.calls.append(RecordedCall(reverse, dict(call.inputs), key, "undo", timeout))
        answer = self._next(reverse) if reverse in self.answers else Answer.done({})
        if answer.outcome.kind == "done":
            self.world.pop((call.name, call.key), None)
            return Outcome("done")
        return answer.outcome

    def script_undo(self, reverse: str, *answers: Answer) -> None:
        """Answer the undo calls of that reverse name (`gateway.unblock_ip`) in this order."""
        self.answers[reverse] = list(answers)

    def _next(self, name: str) -> Answer:
        answers = self.answers.get(name)
        if not answers:
            return Answer.done(self._example(name))
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _example(self, name: str) -> Mapping[str, Any]:
        return dict(self.spec(name).example)


def complaints(schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[str]:
    """What keeps values from fitting an object schema, as far as types and names go."""
    properties = schema.get("properties", {})
    found = [f"parameter '{name}' is missing" for name in schema.get("required", ()) if name not in inputs]
    for name, value in inputs.items():
        if name not in properties:
            found.append(f"there is no parameter '{name}'; there are {', '.join(properties) or 'none'}")
        elif not _fits(properties[name], value):
            found.append(f"parameter '{name}': {value!r:.80} does not fit its type")
    return found


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    alternatives: Sequence[Mapping[str, Any]] = schema.get("anyOf") or schema.get("oneOf") or ()
    if alternatives:
        return any(_fits(alternative, value) for alternative in alternatives)
    if "enum" in schema and value not in schema["enum"]:
        return False
    kind = schema.get("type")
    if kind is None:
        return True
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _TYPES[kind])
