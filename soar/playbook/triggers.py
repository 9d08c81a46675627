"""`trigger:` of a playbook: alerts, times, internal events."""

from __future__ import annotations

import re
from typing import Any, Final
from zoneinfo import available_timezones

from soar.expression import near
from soar.model.trigger import Schedule, Trigger
from soar.playbook import keys
from soar.playbook.cron import cron_fault
from soar.playbook.detection import read_detection
from soar.playbook.reading import Reading
from soar.playbook.source import Node, ScalarNode

_EVENT: Final = re.compile(keys.EVENT, re.ASCII)


def read_trigger(reading: Reading, node: Node | None) -> Trigger:
    """When the playbook runs."""
    root = reading.fields(node, keys.TRIGGER)
    if root is None:
        return Trigger()
    sources = reading.texts(root.get("source"), "source")
    match = root.get("match")
    if sources and match is None:
        reading.note(root, "the trigger names a source but matches nothing", "add `match`, such as severity|gte: low")
    return Trigger(
        read_detection(reading, match) if match is not None else None,
        frozenset(sources),
        _schedule(reading, root.get("schedule")),
        _event(reading, root.get("event")),
    )


def _schedule(reading: Reading, node: Node | None) -> Schedule | None:
    fields = reading.fields(node, keys.SCHEDULE)
    if fields is None:
        return None
    cron = fields.get("cron")
    text = reading.text(cron, "cron")
    fault = cron_fault(text) if text is not None else None
    if fault is not None and cron is not None:
        message, remedy = fault
        reading.note(cron, f"cron: {message}", remedy)
    missed: Any = reading.choice(fields.get("missed"), "missed", ("run_once", "skip", "run_all"))
    return Schedule(" ".join((text or "").split()), _zone(reading, fields.get("timezone")), missed or "run_once")


def _zone(reading: Reading, node: Node | None) -> str:
    """A time zone that exists under just that name (E09)."""
    if node is None:
        return "UTC"
    if not isinstance(node, ScalarNode) or node.text not in available_timezones():
        name = node.text if isinstance(node, ScalarNode) else ""
        remedy = near(name, available_timezones()) or "write such as Europe/Berlin"
        message = f"there is no time zone {name!r}" if name else "timezone must be a name"
        reading.note(node, message, f"{remedy}; the names are those of the IANA database")
        return "UTC"
    return node.text


def _event(reading: Reading, node: Node | None) -> str | None:
    text = reading.text(node, "event")
    if text is not None and node is not None and not _EVENT.fullmatch(text):
        message = f"event: {text!r} is no name of an event"
        reading.note(node, message, "write such as containment.expiring; `*` and `?` are wildcards")
        return None
    return text
