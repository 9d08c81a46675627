"""Playbooks with a trigger, weighed against an alert."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import Any

from soar.ingest.match import Matcher, explain
from soar.model.alert import Match
from soar.model.playbook import Playbook
from soar.playbook import parse_playbook
from soar.testing.stage import given_alert


def trigger(match: str, name: str = "p", rest: str = "") -> Playbook:
    """A playbook with this `match`."""
    inner, beside = indent(dedent(match), "    "), indent(dedent(rest), "  ")
    text = f"id: {name}\ntrigger:\n  match:\n{inner}\n{beside}\nsteps: [{{stop: a}}]\n"
    return parse_playbook(text, "p.yaml")


def weighed(match: str, rest: str = "", **alert: Any) -> Match:
    """The match of one playbook, which is the same by the index as without it."""
    book, given = trigger(match, rest=rest), given_alert("a", alert)
    found = explain(given, book)
    listed = Matcher([book]).match(given)
    assert listed == [found] or (not listed and found.outcome == "unmatched")
    return found
