"""`soar token`: bearer tokens for the API, shown once and kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, Final

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import Column, emit, fields, note, say, table
from soar.cli.shared import Config, Json, run
from soar.cli.text import moment
from soar.clock import SystemClock, rfc3339
from soar.config import load_settings
from soar.database import open_store
from soar.errors import NotFound
from soar.expression import near
from soar.ids import new_id
from soar.store import Token

group = typer.Typer(no_args_is_help=True, help="Bearer tokens for the API.")
ROLES: Final = ("viewer", "analyst", "admin")
PERSON: Final = "person"
"""Instead of a role: what they may do is what soar.yaml says at the moment."""


@group.command()
def create(
    role: Annotated[str | None, typer.Option("--role", help=f"For a program: one of {', '.join(ROLES)}.")] = None,
    person: Annotated[str | None, typer.Option("--person", help="For one of `people`; their roles hold.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="What it is for.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a token; it is shown this once."""
    if (role is None) == (person is None):
        raise UsageFault("say whose it is: --role ROLE for a program, --person NAME for one of `people`")
    if role is not None and role not in ROLES:
        raise UsageFault(f"there is no role '{role}'; it is one of {', '.join(ROLES)}")
    secret = f"soar_{secrets.token_urlsafe(32)}"
    token = run(_create(config, name or f"{person or role}-{new_id()[-6:]}", role or PERSON, secret, person))
    if json:
        emit({"token": secret, "name": token.name, "role": token.role, "person": token.person, "id": token.id})
        return
    fields([("name", token.name), ("person", token.person), ("role", token.role), ("token", secret)])
    note("it is kept as a hash and cannot be shown again")


async def _create(config: Config, name: str, role: str, secret: str, person: str | None) -> Token:
    settings = load_settings(config)
    if person is not None and person not in settings.people:
        remedy = near(person, settings.people) or "write them into `people` first"
        raise NotFound(f"there is no person '{person}' in soar.yaml; {remedy}")
    store = await open_store(settings)
    now, sha256 = SystemClock().now(), hashlib.sha256(secret.encode()).hexdigest()
    try:
        return await store.tokens.create(name, role, sha256, now, person)
    finally:
        await store.close()


@group.command("list")
def list_(config: Config = None, json: Json = False) -> None:
    """Names, roles and times; never the tokens."""
    tokens = run(_list(config))
    if json:
        emit(
            [
                {
                    "id": one.id,
                    "name": one.name,
                    "role": one.role,
                    "person": one.person,
                    "created_at": rfc3339(one.created_at),
                    "revoked_at": rfc3339(one.revoked_at),
                }
                for one in tokens
            ]
        )
        return
    rows = [(one.name, one.person or one.role, moment(one.created_at), moment(one.revoked_at)) for one in tokens]
    columns = [Column("NAME", flexible=True), Column("ROLE OR PERSON"), Column("CREATED"), Column("REVOKED")]
    table(columns, rows, empty="no tokens; `soar token create --role viewer` makes one")


async def _list(config: Config) -> list[Token]:
    store = await open_store(load_settings(config))
    try:
        return await store.tokens.list()
    finally:
        await store.close()


@group.command()
def revoke(name: Annotated[str, typer.Argument(help="Its name or id.")], config: Config = None) -> None:
    """End a token; a running server stops taking it within a second."""
    run(_revoke(config, name))
    say(f"revoked {name}")


async def _revoke(config: Config, name: str) -> None:
    store = await open_store(load_settings(config))
    try:
        await store.tokens.revoke(name, SystemClock().now())
    finally:
        await store.close()
