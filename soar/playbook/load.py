"""From a file's text to a playbook: everything that is wrong is reported at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from soar.clock import Millis
from soar.errors import Location, PlaybookError
from soar.model.playbook import ConcurrencyRule, Playbook
from soar.playbook import keys
from soar.playbook.inputs import read_inputs, read_outputs
from soar.playbook.reading import Reading
from soar.playbook.source import MapNode, Node, Source, Unreadable, read_source
from soar.playbook.steps import StepReader
from soar.playbook.triggers import read_trigger

_RESERVED = frozenset({"lift", "call", "reapply"})
"""What the engine calls the executions that are its own."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A file as far as it could be read: the playbook is whole only when no problem is an error."""

    playbook: Playbook | None
    source: Source
    named_steps: dict[str, Location]
    """Every step id, of broken steps too, so that one mistake is not reported twice."""


def parse_playbook(text: str, file: str) -> Playbook:
    """Read one playbook.

    Raises:
        PlaybookError: with every problem of the file, each with its place and remedy.
    """
    draft = draft_playbook(text, file)
    problems = sorted(
        (problem for problem in draft.source.problems if problem.severity == "error"),
        key=lambda problem: problem.location,
    )
    if problems or draft.playbook is None:
        raise PlaybookError(problems)
    return draft.playbook


def draft_playbook(text: str, file: str) -> Draft:
    """Read as much of a playbook as can be read."""
    source = read_source(text, file)
    if source.root is None:
        return Draft(None, source, {})
    try:
        return _draft(source, source.root, text)
    except Unreadable:
        return Draft(None, source, {})


def _draft(source: Source, top: Node, text: str) -> Draft:
    reading = Reading(source)
    root = reading.fields(top, keys.PLAYBOOK)
    if root is None:
        return Draft(None, source, {})
    steps = StepReader(reading)
    begin, end = _validity(reading, root)
    mode: Any = reading.choice(root.get("mode"), "mode", keys.MODES)
    playbook = Playbook(
        id=_id(reading, root) or "",
        digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        trigger=read_trigger(reading, root.get("trigger")),
        steps=steps.read(root.get("steps"), "steps"),
        location=root.location,
        source=text,
        name=reading.text(root.get("name"), "name"),
        description=reading.text(root.get("description"), "description"),
        tags=reading.texts(root.get("tags"), "tags"),
        timeout=reading.duration(root.get("timeout"), "timeout"),
        on_failure=steps.read(root.get("on_failure"), "on_failure"),
        finally_=steps.read(root.get("finally"), "finally"),
        inputs=read_inputs(reading, root.get("inputs")),
        outputs=read_outputs(reading, root.get("outputs")),
        concurrency=_concurrency(reading, root.get("concurrency")),
        priority=reading.whole(root.get("priority"), "priority", keys.PRIORITIES) or 0,
        exclusive=reading.flag(root.get("exclusive"), "exclusive") or False,
        valid_from=begin,
        valid_until=end,
        mode=mode or "live",
        author=reading.text(root.get("author"), "author"),
        step_ids=frozenset(steps.named),
    )
    return Draft(playbook, source, steps.named)


def _id(reading: Reading, root: MapNode) -> str | None:
    node = root.get("id")
    word = reading.word(node, "the playbook's id")
    if word in _RESERVED and node is not None:
        reading.note(node, f"the id {word!r} is the engine's own", "take another id")
    return word


def _concurrency(reading: Reading, node: Node | None) -> ConcurrencyRule | None:
    fields = reading.fields(node, keys.CONCURRENCY)
    if fields is None:
        return None
    key = fields.get("key")
    reading.text(key, "concurrency.key")
    value = reading.value(key, "concurrency.key")
    limit: Any = keys.CONCURRENCY.known["limit"].kind
    full: Any = keys.CONCURRENCY.known["when_full"].kind
    when_full: Any = reading.choice(fields.get("when_full"), "concurrency.when_full", full)
    rule = reading.whole(fields.get("limit"), "concurrency.limit", limit) or 1
    return ConcurrencyRule(value, rule, when_full or "queue") if value is not None else None


def _validity(reading: Reading, root: MapNode) -> tuple[Millis | None, Millis | None]:
    begin = reading.moment(root.get("valid_from"), "valid_from")
    until = root.get("valid_until")
    end = reading.moment(until, "valid_until")
    if until is not None and begin is not None and end is not None and end <= begin:
        message = "valid_until is not after valid_from: the playbook would never fire"
        reading.note(until, message, "give a later one, or remove it")
    return begin, end
