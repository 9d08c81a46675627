"""`soar init`: a commented soar.yaml with a first playbook and its test, or with every playbook that ships."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import say

FILES: Final = ("soar.yaml", "playbooks/first-response.yaml", "playbooks/first-response.test.yaml")


def command(
    folder: Annotated[Path, typer.Argument(help="Where to write; made when it is not there.")] = Path(),
    shipped: Annotated[
        bool, typer.Option("--shipped", help="All playbooks that ship, with their tests and a soar.yaml for them.")
    ] = False,
) -> None:
    """Write a commented soar.yaml and a first playbook with its test; nothing is overwritten."""
    templates = files("soar.cli") / "templates"
    found = _shipped(templates) if shipped else {name: templates.joinpath(name) for name in FILES}
    present = [name for name in found if (folder / name).exists()]
    if present:
        raise UsageFault(f"{folder / present[0]}: is there already and stays as it is; choose another folder")
    for name, template in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
        say(f"wrote {path}")
    say("next: `soar check`, then `soar test`, then `soar serve`")


def _shipped(templates: Traversable) -> Mapping[str, Traversable]:
    """Every playbook that ships, in the order of their names, and the configuration they hold under."""
    package = files("soar")
    folder = package / "_shipped" / "playbooks"
    if not folder.is_dir():
        folder = Path(str(package)).parent / "playbooks"  # in a checkout they stand beside the package
    playbooks = sorted((one for one in folder.iterdir() if one.name.endswith(".yaml")), key=lambda one: one.name)
    named = {f"playbooks/{one.name}": one for one in playbooks}
    return {"soar.yaml": templates / "shipped" / "soar.yaml", **named}
