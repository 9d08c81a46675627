"""The interpreter alone: a playbook's text, drawn outcomes, and what it came to."""

from __future__ import annotations

from textwrap import dedent

from soar.model.playbook import Playbook
from soar.playbook import parse_playbook


def book(steps: str, rest: str = "") -> Playbook:
    """A playbook of these steps."""
    head = "id: under-test\ntrigger: {match: {any: {severity|exists: true}}}\n"
    return parse_playbook(head + dedent(rest) + "steps:\n" + dedent(steps), "under-test.yaml")
