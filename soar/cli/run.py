"""`soar run`: one execution by hand, watched to its end."""

from __future__ import annotations

import asyncio
import json as json_
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from soar.cli.executions import steps_of
from soar.cli.failure import UsageFault
from soar.cli.output import emit, note, say
from soar.cli.shared import Config, Json, operator_of, run
from soar.config import load_settings
from soar.errors import Conflict, NotFound, StoreBusy
from soar.model.actor import Actor
from soar.model.execution import FINAL, Execution, ExecutionMode, StepExecution
from soar.runtime import Asked, Runtime
from soar.telemetry import configure_logging
from soar.web import views

WATCH: Final = 0.2
"""Seconds between two looks."""


def command(
    playbook: Annotated[str, typer.Argument(help="The id of a playbook of the folder.")],
    alert: Annotated[
        Path | None, typer.Option("--alert", help="A JSON file with one alert, as a generic source sends it.")
    ] = None,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="One of the playbook's inputs.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Reading actions are real, changing ones are only shown.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> int:
    """Run one playbook on one alert and watch it. A running server does the work; without one, this command does."""
    given = dict(_pair(one) for one in inputs or [])
    return run(_run(playbook, _read(alert) if alert else {}, given, "dry_run" if dry_run else "live", config, json))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageFault(f"--input {text!r} names no value; write --input NAME=VALUE")
    return name, value


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json_.loads(path.read_text(encoding="utf-8"))
    except (json_.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageFault(f"{path}: is not JSON ({error}); give one alert as a JSON object") from None
    if not isinstance(data, dict):
        raise UsageFault(f"{path}: holds no JSON object; give one alert")
    return data


async def _run(
    playbook: str, alert: dict[str, Any], inputs: dict[str, str], mode: ExecutionMode, config: Config, json: bool
) -> int:
    runtime = await Runtime.build(load_settings(config))
    configure_logging(runtime.masker.mask, level="warning", stream=sys.stderr)  # stdout is for what was asked
    if playbook not in runtime.loaded.playbooks:
        await runtime.store.close()
        raise NotFound(f"there is no playbook '{playbook}'; `soar playbooks list` shows them")
    try:
        await runtime.start()
        note("no server runs on this database: this command carries it out")
    except StoreBusy:
        await runtime.keep_versions(runtime.loaded.catalog)
    try:
        kind, _, name = (await operator_of(runtime.store, runtime.settings)).partition(":")
        actor = Actor("person" if kind == "person" else "cli", name)
        asked = await runtime.run_by_hand(playbook, alert, actor, inputs, mode, text=True)
        one = await _watch(runtime, asked, quiet=json)
        steps = await steps_of(runtime.store, one)
    finally:
        await runtime.stop()
    if json:
        emit(views.execution(one) | {"steps": views.steps(steps)})
    else:
        said = (one.error or {}).get("message") or one.message or ""
        say(f"{one.id}  {one.state}  {said}")
    return 0 if one.state == "succeeded" else 1


async def _watch(runtime: Runtime, asked: Asked, *, quiet: bool) -> Execution:
    """Follow it until it ends, or waits for a person."""
    told: set[tuple[str, str]] = set()
    while True:
        try:
            one = await runtime.store.executions.get(asked.execution_id)
        except NotFound:
            await _refused(runtime, asked)
            await asyncio.sleep(WATCH)
            continue
        if not quiet:
            _tell(await steps_of(runtime.store, one), told)
        if one.state in FINAL or one.awaiting == "person":
            return one
        await asyncio.sleep(WATCH)


async def _refused(runtime: Runtime, asked: Asked) -> None:
    """Its alert may have been processed without an execution: then there is nothing to wait for.

    Raises:
        Conflict: nothing opens, and why.
    """
    alert = await runtime.store.alerts.get(asked.alert_id)
    if alert.state == "failed":
        raise Conflict(f"nothing was run: {alert.error}")
    if alert.state == "unmatched":
        told = [match.trace for match in await runtime.store.alerts.matches(asked.alert_id)]
        reasons = [str(trace.get("error") or trace.get("reason")) for trace in told]
        raise Conflict(f"nothing was run: {'; '.join(reasons)}")


def _tell(steps: list[StepExecution], told: set[tuple[str, str]]) -> None:
    for step in steps:
        key = (step.path, step.status)
        if key not in told:
            told.add(key)
            say(f"  {step.path:<24} {step.status:<16} {step.action or step.kind}")
            for guardrail in [attempt.guardrail for attempt in step.attempts if attempt.guardrail]:
                say(f"    policy would say: {'; '.join([guardrail['verdict'], *guardrail['reasons']])}")
