"""`soar init`: a commented soar.yaml and a first playbook with its test."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import say

FILES: Final = ("soar.yaml", "playbooks/first-response.yaml", "playbooks/first-response.test.yaml")


def command(
    folder: Annotated[Path, typer.Argument(help="Where to write; made when it is not there.")] = Path(),
) -> None:
    """Write a commented soar.yaml and a first playbook with its test; nothing is overwritten."""
    present = [name for name in FILES if (folder / name).exists()]
    if present:
        raise UsageFault(f"{folder / present[0]}: is there already and stays as it is; choose another folder")
    templates = files("soar.cli") / "templates"
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(templates.joinpath(name).read_text(encoding="utf-8"), encoding="utf-8")
        say(f"wrote {path}")
    say("next: `soar check`, then `soar test`, then `soar serve`")
