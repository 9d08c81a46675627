"""Playbooks of a few lines, and what is said of them, with the places."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from soar.errors import PlaybookError, Problem
from soar.model.action import ActionSpec
from soar.model.playbook import Playbook
from soar.playbook import check_playbook, parse_playbook

HEAD = "id: under-test\ntrigger: {match: {any: {severity|exists: true}}}\n"
"""Two lines: `steps:` stands in the third, and the first step in the fourth."""


def spec(name: str, undo: str | None = None, required: tuple[str, ...] = (), **properties: Any) -> ActionSpec:
    """An action with these parameters."""
    return ActionSpec(
        name=name,
        connector="fake",
        summary=name,
        params={"properties": properties, "required": list(required)},
        result={},
        changes=True,
        idempotent=True,
        verifies=False,
        undo=undo,
        risk="low",
        example={},
    )


ACTIONS = {
    action.name: action
    for action in (
        spec("gateway.block_ip", undo="unblock_ip", required=("ip",), ip={"type": "string"}, reason={"type": "string"}),
        spec(
            "tickets.create",
            title={"type": "string"},
            severity={"enum": ["low", "high"]},
            port={"anyOf": [{"type": "integer"}, {"type": "null"}]},
            labels={"type": "array", "items": {"type": "string"}},
            fields={"type": "object", "properties": {"count": {"type": "integer"}}},
            urgent={"type": "boolean"},
            score={"type": "number"},
        ),
    )
}


def book(steps: str, rest: str = "") -> Playbook:
    """A playbook of these steps."""
    return parse_playbook(HEAD + "steps:\n" + dedent(steps) + dedent(rest), "p.yaml")


def refused(text: str) -> tuple[Problem, ...]:
    """Everything wrong with a file."""
    with pytest.raises(PlaybookError) as caught:
        parse_playbook(text, "p.yaml")
    return caught.value.problems


def refused_steps(steps: str, rest: str = "") -> tuple[Problem, ...]:
    """Everything wrong with a playbook of these steps."""
    return refused(HEAD + "steps:\n" + dedent(steps) + dedent(rest))


def checked(steps: str, rest: str = "", sources: tuple[str, ...] = ()) -> list[str]:
    """What the check says of a playbook that can be read: `line:column message; remedy`."""
    problems = check_playbook(book(steps, rest), ACTIONS, sources)
    return told(sorted(problems, key=lambda problem: problem.location))


def told(problems: Any) -> list[str]:
    """Problems as people read them, without the file's name."""
    return [str(problem).removeprefix("p.yaml:") for problem in problems]


def written(folder: Path, files: dict[str, str | bytes]) -> Path:
    """A folder with these files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
