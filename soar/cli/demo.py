"""`soar demo`: the main job on real parts."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    once: Annotated[
        bool, typer.Option("--once", help="End by itself; exit 0 only when every effect was seen.")
    ] = False,
) -> int:
    """Play an attack and the response to it on a rehearsal range of real parts."""
    from soar.rehearsal.play import main

    return main(once)
