"""`soar check`: everything that is wrong, at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soar.cli.loading import load
from soar.cli.output import emit, say
from soar.cli.problems import as_json, ordered, show
from soar.cli.shared import Config, Json


def command(
    paths: Annotated[list[Path] | None, typer.Argument(help="Playbooks, tests or folders; none: all.")] = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Check configuration, connectors, sources, playbooks and tests; exit 1 when something is wrong."""
    loaded = load(config, paths or ())
    problems = ordered(loaded.problems)
    if json:
        emit([as_json(problem) for problem in problems])
        return 1 if loaded.errors else 0
    show(problems)
    warnings = len(problems) - len(loaded.errors)
    count = len(loaded.catalog.playbooks) if loaded.catalog else 0
    said = f"{len(loaded.errors)} errors, {warnings} warnings, {count} playbooks hold"
    say(said, style="red" if loaded.errors else "green")
    return 1 if loaded.errors else 0
