"""`soar version`."""

from __future__ import annotations

from importlib.metadata import version as installed

from soar.cli.output import say


def command() -> None:
    """Print the version."""
    say(installed("soar-engine"))
