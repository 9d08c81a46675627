"""`soar test`: the tests beside the playbooks, without a network, on a fake clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from soar.cli.loading import Loaded, load
from soar.cli.output import emit, say
from soar.cli.problems import ordered, show
from soar.cli.shared import Config, Json, run
from soar.engine import Guardrails
from soar.errors import DefinitionError
from soar.testing.rehearse import CaseResult, run_suite


def command(
    paths: Annotated[list[Path] | None, typer.Argument(help="Playbooks, tests or folders; none: all.")] = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Run the tests beside the playbooks; exit 1 when an expectation does not hold."""
    loaded = load(config, paths or ())
    if loaded.errors:
        if json:
            raise DefinitionError(loaded.errors)
        show(ordered(loaded.errors))
        return 1
    started = time.monotonic()
    results = run(_run(loaded))
    failed = [result for result in results if not result.passed]
    if json:
        emit([_shown(result) for result in results])
        return 1 if failed else 0
    for result in results:
        _say(result)
    took = time.monotonic() - started
    say(
        f"{len(results) - len(failed)} passed, {len(failed)} failed in {took:.1f} s", style="red" if failed else "green"
    )
    return 1 if failed else 0


async def _run(loaded: Loaded) -> list[CaseResult]:
    results: list[CaseResult] = []
    if loaded.definitions is None or loaded.catalog is None:
        return results
    connections, guardrails = loaded.definitions.connections, Guardrails(loaded.definitions.policy)
    others = {**loaded.catalog.beside, **loaded.catalog.playbooks}
    for suite in loaded.suites:
        playbook = loaded.catalog.playbooks[suite.playbook]
        results += await run_suite(suite, playbook, connections.specs(), connections.prepare, others, guardrails)
    return results


def _say(result: CaseResult) -> None:
    if result.passed:
        say(f"ok    {result.playbook}: {result.name}", style="green")
        return
    say(f"FAIL  {result.playbook}: {result.name}  ({result.location})", style="red")
    for difference in result.differences:
        say("\n".join(f"      {line}" for line in str(difference).splitlines()))


def _shown(result: CaseResult) -> dict[str, Any]:
    differences = [{"what": one.what, "expected": one.expected, "found": one.found} for one in result.differences]
    where = str(result.location)
    return {
        "playbook": result.playbook,
        "name": result.name,
        "place": where,
        "passed": result.passed,
        "differences": differences,
    }
