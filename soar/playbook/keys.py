"""Every key of the language: what runs, and what this version refuses because it would not carry it out."""

from __future__ import annotations

from typing import Final

from soar.playbook.reading import Later, Shape

_UNGUARDED = "open a gate"
_LEFT_OUT = "leave steps out"

PLAYBOOK: Final = Shape(
    "the playbook",
    ("id", "name", "description", "tags", "trigger", "timeout", "steps", "on_failure"),
    ("id", "trigger", "steps"),
    {
        "concurrency": Later("let executions overlap", "remove it, and make each step safe to run beside another"),
        "priority": Later("run executions in another order", "remove it; the highest severity runs first"),
        "exclusive": Later("let other playbooks fire too", "remove it, and make the triggers exclude each other"),
        "valid_from": Later("let it fire too early", "remove it, and add the file when its time comes"),
        "valid_until": Later("let it fire too late", "remove it, and remove the file when its time is over"),
        "mode": Later(
            "run a shadowed or disabled playbook live", "remove it; move the file away to disable the playbook"
        ),
        "finally": Later(_LEFT_OUT, "write the steps at the end of steps and in on_failure"),
        "outputs": Later("give a caller nothing", "remove it"),
        "inputs": Later("run it without its values", "remove it, and read the values from the alert"),
    },
)

TRIGGER: Final = Shape(
    "the trigger",
    ("match", "source"),
    (),
    {
        "schedule": Later("never run it", "remove it, and start the playbook with `soar run`"),
        "event": Later("never run it", "remove it, and start the playbook with `soar run`"),
    },
)

SCHEDULE: Final = Shape("the schedule", ("cron", "timezone", "missed"), ("cron",))

BODIES: Final = ("action", "set", "steps", "if", "stop", "fail")
"""The keys of which a step has exactly one."""

BELONGS: Final = {"with": "action", "retry": "action", "then": "if", "else": "if"}
"""Keys that mean something only beside another."""

STEP: Final = Shape(
    "the step",
    ("id", "name", "when", "timeout", "on_failure", "undo", *BODIES, *BELONGS),
    (),
    {
        "approval": Later(_UNGUARDED, "remove it; ask with a ticket or a message, and leave the change to a person"),
        "parallel": Later(_LEFT_OUT, "write the steps one after the other under `steps`"),
        "join": Later(_LEFT_OUT, "remove it together with `parallel`"),
        "for_each": Later(_LEFT_OUT, "write a step for each item"),
        "as": Later(_LEFT_OUT, "remove it together with `for_each`"),
        "concurrency": Later("run items in another order", "remove it together with `for_each`"),
        "on_item_failure": Later("go on after a failure", "remove it together with `for_each`"),
        "switch": Later(_LEFT_OUT, "write it with `if`, `then` and `else`"),
        "while": Later(_LEFT_OUT, "use `retry` to try one action again"),
        "max_iterations": Later(_LEFT_OUT, "remove it together with `while`"),
        "wait": Later("act too early", "remove it; a containment lifts itself with `undo: {after: 24h}`"),
        "playbook": Later(_LEFT_OUT, "write the steps here"),
    },
)

ACTION_UNDO: Final = Shape(
    "undo",
    ("after",),
    ("after",),
    {
        "reset": Later("hold repeat offenders too shortly", "write one duration: undo: {after: 24h}"),
        "action": Later("undo it in another way", "remove it; the connector knows the way back"),
        "with": Later("undo it in another way", "remove it; the connector knows the way back"),
    },
)

UNDO_STEP: Final = Later(
    "leave the containment in place", "give the action `undo: {after: 24h}`, or lift it with `soar lift`"
)
UNDO_LADDER: Final = Later("hold repeat offenders too shortly", "write one duration: undo: {after: 24h}")
UNDO_NEVER: Final = Later("let it lift", "leave undo away: without it a containment stays until a person lifts it")

RETRY: Final = Shape("retry", ("attempts", "delay", "backoff"))
