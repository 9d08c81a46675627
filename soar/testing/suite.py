"""The tests beside a playbook, `<name>.test.yaml`: read strictly, with the place of every mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from soar.errors import Location, PlaybookError, Problem
from soar.model.alert import ALERT_FIELDS
from soar.model.severity import SEVERITIES
from soar.playbook.keys import Key, Shape
from soar.playbook.reading import Reading
from soar.playbook.source import ListNode, MapNode, Node, ScalarNode, plain_data, read_source


def _shape(what: str, known: Iterable[str], needed: tuple[str, ...] = ()) -> Shape:
    return Shape(what, {name: Key("value", "") for name in known}, needed)


_FILE: Final = _shape("a test file", ("playbook", "tests"), ("playbook", "tests"))
_CASE: Final = _shape(
    "a test",
    ("name", "alert", "mocks", "expect", "advance", "restart_at", "approvals", "inputs", "mode", "cancel_at", "events"),
    ("name", "alert", "expect"),
)
_CANCEL: Final = _shape("cancel_at", ("after", "undo"), ("after",))
_EVENT: Final = _shape("an event", ("at", "name", "data"), ("at", "name"))
_VOTE: Final = _shape("a vote", ("decision", "by"), ("decision",))
_WORDS: Final = ("approve", "deny", "no_answer")
_MODES: Final = ("live", "shadow", "dry_run")
_MOCK: Final = _shape("a mock", ("output", "error", "message", "happened", "retry_after"))
_ERROR: Final = _shape("an error", ("kind", "message"), ("kind",))
_KINDS: Final = ("unavailable", "refused", "unknown", "timeout")
_LISTS: Final = ("called", "not_called", "calls_in_order")
_ELAPSED: Final = ("elapsed|lte", "elapsed|lt", "elapsed|gte", "elapsed|gt")
_MAPS: Final = ("steps", "sent", "outputs", "containments", "approvals")
_EXPECT: Final = _shape("expect", ("status", "error", "message", *_MAPS, *_LISTS, *_ELAPSED))
_STATES: Final = ("succeeded", "failed", "cancelled", "skipped", "parked", "unmatched")
_STEP_STATES: Final = (
    "succeeded", "failed", "skipped", "rejected", "cancelled", "outcome_unknown", "waiting", "not_run",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mock:
    """One scripted answer of an action."""

    output: Mapping[str, Any] | None = None
    error: Literal["unavailable", "refused", "unknown", "timeout"] | None = None
    message: str = ""
    happened: bool | None = None
    """For `unknown`: what the system will say when it is asked."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be so at the end; what is not named is not held against anything."""

    status: str | None = None
    """How the execution stands; `unmatched`: the trigger does not fire on the alert, and there is none."""
    error: str | None = None
    """The kind of the error the execution failed with."""
    message: str | None = None
    steps: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameters of the last call of an action; others may have been sent besides."""
    called: tuple[str, ...] = ()
    not_called: tuple[str, ...] = ()
    calls_in_order: tuple[str, ...] = ()
    elapsed: Mapping[str, float] = field(default_factory=dict)
    """`lte`, `lt`, `gte`, `gt` -> seconds."""
    outputs: Mapping[str, Any] | None = None
    containments: Mapping[str, str] = field(default_factory=dict)
    """Target -> state."""
    approvals: Mapping[str, str] = field(default_factory=dict)
    """Path of what asked -> how it was settled."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one stage of a request is answered with."""

    word: Literal["approve", "deny", "no_answer"]
    by: str | None = None


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """An event that comes while the test runs."""

    after: float
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test: an alert, scripted answers, and what must come of it."""

    name: str
    alert: Mapping[str, Any]
    expect: Expectation
    location: Location
    mocks: Mapping[str, tuple[Mock, ...]] = field(default_factory=dict)
    advance: float | None = None
    """Seconds of fake time to let pass from the start, beyond the end of the execution."""
    restart_at: float | None = None
    """Seconds from the start after which the engine is stopped and started again."""
    approvals: Mapping[str, tuple[Ballot, ...]] = field(default_factory=dict)
    """By path of what asks (the guarded step, or `<step>/guardrail`): an answer for each stage."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    mode: Literal["live", "shadow", "dry_run"] = "live"
    cancel_at: float | None = None
    cancel_undo: bool = False
    events: tuple[GivenEvent, ...] = ()

    __test__ = False


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one playbook."""

    playbook: str
    cases: tuple[TestCase, ...]
    location: Location


def read_suite(path: Path) -> Suite:
    """Read one test file.

    Raises:
        PlaybookError: with every problem of the file.
    """
    try:
        return parse_suite(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(Location(str(path)), f"cannot be read: {error}", "give it as UTF-8 text")
        raise PlaybookError([problem]) from None


def parse_suite(text: str, file: str) -> Suite:
    """Read the text of a test file. Raises PlaybookError."""
    source = read_source(text, file)
    reading = Reading(source)
    suite = None
    if source.root is not None:
        root = reading.fields(source.root, _FILE)
        if root is not None:
            playbook = reading.word(root.get("playbook"), "playbook") or ""
            nodes = reading.items(root.get("tests"), "tests")
            suite = Suite(playbook, tuple(_case(reading, node) for node in nodes), root.location)
    errors = [problem for problem in source.problems if problem.severity == "error"]
    if errors or suite is None:
        raise PlaybookError(errors)
    return suite


def _case(reading: Reading, node: Node) -> TestCase:
    root = reading.fields(node, _CASE)
    if root is None:
        return TestCase("", {}, Expectation(), node.location)
    cancel_at, cancel_undo = _cancel(reading, root.get("cancel_at"))
    mode: Any = reading.choice(root.get("mode"), "mode", _MODES)
    return TestCase(
        approvals=_ballots(reading, root.get("approvals")),
        inputs={name: plain_data(node) for name, node in _entries(reading, root.get("inputs"), "inputs")},
        mode=mode or "live",
        cancel_at=cancel_at,
        cancel_undo=cancel_undo,
        events=_events(reading, root.get("events")),
        name=reading.text(root.get("name"), "name") or "",
        alert=_alert(reading, root.get("alert")),
        expect=_expect(reading, root.get("expect")),
        location=root.location,
        mocks=_mocks(reading, root.get("mocks")),
        advance=reading.duration(root.get("advance"), "advance"),
        restart_at=reading.duration(root.get("restart_at"), "restart_at"),
    )


def _cancel(reading: Reading, node: Node | None) -> tuple[float | None, bool]:
    """`cancel_at: 10m`, or `{after: 10m, undo: true}`."""
    if not isinstance(node, MapNode):
        return reading.duration(node, "cancel_at"), False
    root = reading.fields(node, _CANCEL)
    if root is None:
        return None, False
    return reading.duration(root.get("after"), "cancel_at.after"), reading.flag(root.get("undo"), "undo") or False


def _ballots(reading: Reading, node: Node | None) -> Mapping[str, tuple[Ballot, ...]]:
    found: dict[str, tuple[Ballot, ...]] = {}
    for path, value in _entries(reading, node, "approvals"):
        answers = value.items if isinstance(value, ListNode) else (value,)
        found[path] = tuple(_ballot(reading, answer) for answer in answers)
    return found


def _ballot(reading: Reading, node: Node) -> Ballot:
    by: str | None = None
    word: Node | None = node
    if isinstance(node, MapNode):
        root = reading.fields(node, _VOTE)
        word = root.get("decision") if root else None
        by = reading.text(root.get("by"), "by") if root else None
    chosen: Any = reading.choice(word, "an answer", _WORDS)
    return Ballot(chosen or "no_answer", by)


def _events(reading: Reading, node: Node | None) -> tuple[GivenEvent, ...]:
    found = []
    for item in reading.items(node, "events") if node is not None else ():
        root = reading.fields(item, _EVENT)
        if root is not None:
            data = root.get("data")
            given = plain_data(data) if data is not None else {}
            after = reading.duration(root.get("at"), "at") or 0.0
            name = reading.text(root.get("name"), "name") or ""
            found.append(GivenEvent(after, name, given if isinstance(given, dict) else {}))
    return tuple(found)


def _alert(reading: Reading, node: Node | None) -> Mapping[str, Any]:
    root = reading.fields(node, _shape("an alert", sorted(ALERT_FIELDS)))
    if root is None:
        return {}
    reading.choice(root.get("severity"), "severity", SEVERITIES)
    return {key: plain_data(entry.value) for key, entry in root.entries.items()}


def _expect(reading: Reading, node: Node | None) -> Expectation:
    root = reading.fields(node, _EXPECT)
    if root is None:
        return Expectation()
    elapsed = {}
    for key in _ELAPSED:
        seconds = reading.duration(root.get(key), key)
        if seconds is not None:
            elapsed[key.partition("|")[2]] = seconds
    return Expectation(
        status=reading.choice(root.get("status"), "status", _STATES),
        error=reading.text(root.get("error"), "error"),
        message=reading.text(root.get("message"), "message"),
        steps=_steps(reading, root.get("steps")),
        sent=_sent(reading, root.get("sent")),
        called=reading.texts(root.get("called"), "called"),
        not_called=reading.texts(root.get("not_called"), "not_called"),
        calls_in_order=reading.texts(root.get("calls_in_order"), "calls_in_order"),
        elapsed=elapsed,
        outputs=_data(reading, root.get("outputs"), "outputs") if root.get("outputs") is not None else None,
        containments=_texts(reading, root.get("containments"), "containments"),
        approvals=_texts(reading, root.get("approvals"), "approvals"),
    )


def _data(reading: Reading, node: Node | None, what: str) -> Mapping[str, Any]:
    return {name: plain_data(value) for name, value in _entries(reading, node, what)}


def _texts(reading: Reading, node: Node | None, what: str) -> Mapping[str, str]:
    return {name: reading.text(value, f"{what}.{name}") or "" for name, value in _entries(reading, node, what)}


def _steps(reading: Reading, node: Node | None) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for key, value in _entries(reading, node, "steps"):
        status = reading.choice(value, f"steps.{key}", _STEP_STATES)
        if status is not None:
            found[key] = status
    return found


def _sent(reading: Reading, node: Node | None) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for key, value in _entries(reading, node, "sent"):
        data = plain_data(value)
        if isinstance(data, dict):
            found[key] = data
        else:
            reading.note(value, f"sent.{key} must be a map of parameters", "write such as {ip: 203.0.113.9}")
    return found


def _mocks(reading: Reading, node: Node | None) -> Mapping[str, tuple[Mock, ...]]:
    found: dict[str, tuple[Mock, ...]] = {}
    for key, value in _entries(reading, node, "mocks"):
        answers = value.items if isinstance(value, ListNode) else (value,)
        found[key] = tuple(_mock(reading, answer) for answer in answers)
    return found


def _mock(reading: Reading, node: Node) -> Mock:
    root = reading.fields(node, _MOCK)
    if root is None:
        return Mock()
    output, error = root.get("output"), root.get("error")
    if (output is None) == (error is None):
        reading.note(node, "a mock answers with either 'output' or 'error'", "give one of the two")
    if error is None:
        data = None if output is None else plain_data(output)
        if output is not None and not isinstance(data, dict):
            reading.note(output, "output must be a map, as the action's result is", "write such as {key: T-1}")
        return Mock(output=data if isinstance(data, dict) else {})
    message = reading.text(root.get("message"), "message") or ""
    kind: Node | None = error
    if isinstance(error, MapNode):
        inner = reading.fields(error, _ERROR)
        kind = inner.get("kind") if inner else None
        message = (reading.text(inner.get("message"), "message") if inner else None) or message
    happened = root.get("happened")
    said = happened.value if isinstance(happened, ScalarNode) and isinstance(happened.value, bool) else None
    chosen = reading.choice(kind, "error", _KINDS)
    return Mock(error=chosen, message=message, happened=said)  # type: ignore[arg-type]


def _entries(reading: Reading, node: Node | None, what: str) -> list[tuple[str, Node]]:
    if node is None:
        return []
    if not isinstance(node, MapNode):
        reading.note(node, f"{what} must be a map", "write a name, a colon, and what belongs to it")
        return []
    return [(key, entry.value) for key, entry in node.entries.items()]
