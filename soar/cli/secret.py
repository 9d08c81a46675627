"""`soar secret`: seal a secret so that it may stand in soar.yaml."""

from __future__ import annotations

import os
import sys

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import note, say
from soar.connector.sealing import KEY_VARIABLE, new_key
from soar.connector.sealing import seal as sealed

group = typer.Typer(no_args_is_help=True, help="Secrets that may stand in a file.")


@group.command()
def key() -> None:
    """Make a key for sealing; keep it in the environment of the server, never beside soar.yaml."""
    say(new_key())
    note(f"set it as {KEY_VARIABLE} where `soar serve` and `soar secret seal` run")


@group.command()
def seal() -> None:
    """Seal the secret given on standard input; prints the reference to write into soar.yaml."""
    if KEY_VARIABLE not in os.environ:
        raise UsageFault(f"{KEY_VARIABLE} is not set; `soar secret key` makes a key")
    secret = typer.prompt("secret", hide_input=True) if sys.stdin.isatty() else sys.stdin.read().rstrip("\r\n")
    if not secret:
        raise UsageFault("no secret was given; write it to standard input")
    say(sealed(secret, os.environ[KEY_VARIABLE]))
