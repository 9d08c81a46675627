"""The `soar` command: its tree, and the one place where an end becomes an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import typer

from soar.cli import (
    alerts,
    approvals,
    check,
    connectors,
    containments,
    control,
    db,
    demo,
    events,
    executions,
    init,
    playbooks,
    policy,
    questions,
    reviews,
    run,
    schema,
    secret,
    serve,
    slack,
    stop,
    test,
    token,
    trail,
    version,
    worker,
)
from soar.cli.failure import explain

INTERRUPTED: Final = 130
"""The exit code of a command that Ctrl-C ended: what a shell expects of 128 + SIGINT."""

tree = typer.Typer(
    name="soar",
    help="Security orchestration, automation and response: alerts in, playbooks run, containment taken back on time.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: it needs a tenth of the time, and no box breaks a copied line
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
for _module in (init, check, test, schema, serve, worker, run, stop, demo, version):
    tree.command(_module.__name__.rpartition(".")[2])(_module.command)
tree.command("explain")(alerts.explain)
tree.command("lift")(containments.lift)
tree.command("answer")(questions.answer)
for _command in (
    approvals.approve,
    approvals.deny,
    control.cancel,
    control.pause,
    control.resume,
    control.rerun,
    trail.budgets,
):
    tree.command(_command.__name__)(_command)
for _name, _group in {
    "alerts": alerts.group,
    "executions": executions.group,
    "approvals": approvals.group,
    "reviews": reviews.group,
    "containments": containments.group,
    "questions": questions.group,
    "events": events.group,
    "audit": trail.audit,
    "playbooks": playbooks.group,
    "policy": policy.group,
    "connectors": connectors.group,
    "token": token.group,
    "secret": secret.group,
    "slack": slack.group,
    "db": db.group,
}.items():
    tree.add_typer(_group, name=_name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code: 0, 1 (found wrong, failed), 2 (usage, configuration)."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a terminal without UTF-8 still shows every alert
    code = _run(list(sys.argv[1:] if arguments is None else arguments))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _hang_up()
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    try:
        result = tree(args=arguments, prog_name="soar", standalone_mode=False)
    except BrokenPipeError:
        return _hang_up()
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the command's edge: whatever it was, a person gets one line
        return explain(error, debug="SOAR_DEBUG" in os.environ)
    return result if isinstance(result, int) else 0


def _hang_up() -> int:
    """Whoever read our output is gone: say nothing, and keep Python from trying once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
