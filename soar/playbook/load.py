"""From a file's text to a playbook: everything that is wrong is reported at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from zoneinfo import available_timezones

from soar.errors import Location, PlaybookError
from soar.expression import near
from soar.model.playbook import Playbook
from soar.model.trigger import Trigger
from soar.playbook import keys
from soar.playbook.detection import read_detection
from soar.playbook.reading import Reading
from soar.playbook.source import MapNode, Node, ScalarNode, Source, Unreadable, read_source
from soar.playbook.steps import StepReader

_RESERVED = frozenset({"lift", "call"})


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
    playbook = Playbook(
        id=_id(reading, root) or "",
        digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        trigger=_trigger(reading, root.get("trigger")),
        steps=steps.read(root.get("steps"), "steps"),
        location=root.location,
        source=text,
        name=reading.text(root.get("name"), "name"),
        description=reading.text(root.get("description"), "description"),
        tags=reading.texts(root.get("tags"), "tags"),
        timeout=reading.duration(root.get("timeout"), "timeout"),
        on_failure=steps.read(root.get("on_failure"), "on_failure"),
        step_ids=frozenset(steps.named),
    )
    return Draft(playbook, source, steps.named)


def _id(reading: Reading, root: MapNode) -> str | None:
    node = root.get("id")
    word = reading.word(node, "the playbook's id")
    if word in _RESERVED and node is not None:
        reading.note(node, f"the id {word!r} is the engine's own", "take another id")
    return word


def _trigger(reading: Reading, node: Node | None) -> Trigger:
    root = reading.fields(node, keys.TRIGGER)
    if root is None:
        return Trigger()
    _check_schedule(reading, root.get("schedule"))
    sources = reading.texts(root.get("source"), "source")
    match = root.get("match")
    if sources and match is None:
        reading.note(root, "the trigger names a source but matches nothing", "add `match`, such as severity|gte: low")
    detection = read_detection(reading, match) if match is not None else None
    return Trigger(detection, frozenset(sources))


def _check_schedule(reading: Reading, node: Node | None) -> None:
    """A time zone that does not exist is said beside the refusal, not only once schedules run (E09)."""
    schedule = reading.fields(node, keys.SCHEDULE)
    zone = schedule.get("timezone") if schedule else None
    if isinstance(zone, ScalarNode) and zone.text not in available_timezones():
        remedy = near(zone.text, available_timezones()) or "write such as Europe/Berlin"
        reading.note(
            zone, f"there is no time zone {zone.text!r}", f"{remedy}; the names are those of the IANA database"
        )
