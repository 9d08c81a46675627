"""Every key of the language, with its kind and its meaning.

The reader takes its keys, words and bounds from here, `soar schema` and the reference page are made of it:
they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Plain = Literal[
    "text", "template", "word", "step id", "alias", "duration", "expression", "value", "values", "variables", "steps",
    "ids", "flag", "number", "moment", "cron", "zone", "event", "action", "playbook", "match", "list", "part", "parts",
]  # fmt: skip
"""What a value can be, besides a whole number within bounds (range), one of some words (tuple), a map (Shape)."""


@dataclass(frozen=True, slots=True)
class Named:
    """A map from names of the author's own to values of one kind."""

    kind: Shape | Plain


@dataclass(frozen=True, slots=True)
class Several:
    """A list, which is not empty; with `one`, a value that stands alone is a list of one."""

    kind: Kind
    one: bool = True


@dataclass(frozen=True, slots=True)
class Either:
    """Any of several kinds."""

    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a map: what its value is, and what it does."""

    kind: Kind
    says: str
    default: str | int | None = None
    """What holds without it, where something does."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of one kind of map."""

    what: str
    known: Mapping[str, Key]
    needed: tuple[str, ...] = ()
    needs_one: tuple[str, ...] = ()
    """Keys of which it has exactly one."""
    belongs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Keys that mean something only beside another."""
    least: int = 0
    """How many keys it has at least."""


Kind = Plain | range | tuple[str, ...] | Shape | Named | Several | Either


WORD: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
STEP_ID: Final = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}"
RESERVED: Final = r"then|else|on_failure|finally|guardrail|case[0-9]+"
"""What history calls the branches of a step: an id of that name would stand for two places at once."""
DURATION: Final = r"[0-9]{1,9}[smhd]"
MOMENT: Final = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d))?"
EVENT: Final = r"[A-Za-z0-9_*?][A-Za-z0-9_.*?-]{0,99}"

SCHEDULE: Final = Shape(
    "the schedule",
    {
        "cron": Key("cron", "minute, hour, day of month, month, day of week; a sixth field in front is the second"),
        "timezone": Key("zone", "a name of the IANA database, such as `Europe/Berlin`; by default UTC", "UTC"),
        "missed": Key(
            ("run_once", "skip", "run_all"),
            "firings that came due while nothing ran: one for all of them (default), none, or each",
            "run_once",
        ),
    },
    ("cron",),
)

TRIGGER: Final = Shape(
    "the trigger",
    {
        "match": Key("match", "alerts that fire it: selections, and the `condition` that joins them"),
        "source": Key(Several("text"), "names of the sources it listens to; without it all"),
        "schedule": Key(SCHEDULE, "times at which it fires"),
        "event": Key("event", "an internal event, such as `containment.expiring`; `*` and `?` are wildcards"),
    },
)

INPUT_TYPES: Final = ("string", "integer", "number", "boolean", "array", "object")
INPUT: Final = Shape(
    "the input",
    {
        "type": Key(INPUT_TYPES, "what it is"),
        "required": Key("flag", "whether a caller must give it; by default not", "false"),
        "default": Key("value", "what it is when nobody gives it; by default `null`", "null"),
        "description": Key("text", "a line for the form of a manual run"),
        "enum": Key("list", "the only values it may have"),
        "format": Key(
            ("date", "date-time", "email", "ipv4", "ipv6", "uri", "uuid"), "what a text stands for, for the form"
        ),
        "pattern": Key("text", "an RE2 expression that is found in a text"),
        "minimum": Key("number", "the smallest number"),
        "maximum": Key("number", "the largest number"),
        "minLength": Key(range(1_000_001), "the fewest characters of a text"),
        "maxLength": Key(range(1_000_001), "the most characters of a text"),
        "minItems": Key(range(1_000_001), "the fewest items of a list"),
        "maxItems": Key(range(1_000_001), "the most items of a list"),
        "items": Key("part", "what each item of a list is: `{type: string}`"),
        "properties": Key("parts", "what the fields of an object are: `{name: {type: string}}`"),
    },
    ("type",),
)
INPUT_PART: Final = Shape(
    "the description of a value",
    {name: key for name, key in INPUT.known.items() if name not in ("required", "default")},
    ("type",),
)
"""An item of a list, or a field of an object."""

CONCURRENCY: Final = Shape(
    "concurrency",
    {
        "key": Key("text", "executions whose keys are equal share the limit; rendered once, at opening"),
        "limit": Key(range(1, 1001), "how many of them may be under way; by default 1", 1),
        "when_full": Key(
            ("queue", "skip", "cancel_oldest"),
            "one more waits (default), is recorded as skipped, or cancels the oldest and waits for its place",
            "queue",
        ),
    },
    ("key",),
)

EXCLUDED: Final = ("requester", "author")
APPROVERS: Final = Shape(
    "approvers",
    {
        "group": Key(Several("text"), "groups of `soar.yaml` whose members may decide"),
        "groups": Key(Several("text"), "the same"),
        "role": Key(Several("text"), "roles whose bearers may decide"),
        "roles": Key(Several("text"), "the same"),
        "user": Key(Several("text"), "people of `soar.yaml` who may decide"),
        "users": Key(Several("text"), "the same"),
        "required": Key(range(1, 101), "how many of them must say yes; by default 1", 1),
        "not": Key(
            Several(EXCLUDED), "`requester`: not who started the execution; `author`: not who wrote the playbook"
        ),
    },
    least=1,
)

STAGE: Final = Shape(
    "the stage",
    {
        "to": Key(Several("text"), "groups, people or channels that are told; the people may decide from then on"),
        "timeout": Key("duration", "how long they have"),
    },
    ("to", "timeout"),
)

APPROVAL: Final = Shape(
    "the approval",
    {
        "message": Key("text", "the question"),
        "approvers": Key(APPROVERS, "who may decide; without it whoever may approve at all"),
        "timeout": Key("duration", "how long they have"),
        "notify": Key(Several("text"), "channels that carry the question, such as `slack:#soc`"),
        "remind": Key("duration", "how long after the question it is told once more"),
        "escalate": Key(Several(STAGE, one=False), "whom to ask next when nobody has answered, one after the other"),
        "on_timeout": Key(
            ("reject", "approve"),
            "what no answer means; `approve` only where policy allows it; by default `reject`",
            "reject",
        ),
    },
    ("message", "timeout"),
)

UNDO: Final = Shape(
    "undo",
    {
        "after": Key(Several("duration"), "how long the containment holds; a list is a ladder for repeat offenders"),
        "reset": Key(
            "duration", "how long after an earlier period a new one counts as repeated; by default 30d", "30d"
        ),
        "action": Key("action", "the call that takes it back, instead of the connector's own"),
        "with": Key("values", "the parameters of that call"),
    },
    belongs={"with": ("action",)},
    least=1,
)

RETRY: Final = Shape(
    "retry",
    {
        "attempts": Key(range(1, 101), "tries in all; by default 3", 3),
        "delay": Key("duration", "the pause before the second try; by default 2s", "2s"),
        "backoff": Key(("fixed", "exponential"), "whether pauses stay, or double each time (default)", "exponential"),
    },
)

CASE: Final = Shape(
    "the case",
    {
        "when": Key("expression", "the condition of the case"),
        "steps": Key("steps", "what is done when it is the first that holds"),
    },
    ("when", "steps"),
)

WAIT: Final = Shape(
    "wait",
    {
        "for": Key("duration", "so long, from the start of the step"),
        "until": Key("expression", "to a time, evaluated once; one in the past passes at once"),
        "event": Key("word", "for an internal event of that name, stored since the execution opened"),
        "match": Key("values", "with `event`: dotted paths of its data, and the values they must equal"),
        "timeout": Key("duration", "with `event`: how long at most; then the step fails"),
    },
    needs_one=("for", "until", "event"),
    belongs={"match": ("event",), "timeout": ("event",)},
)

BODIES: Final = {
    "action": Key("action", "one call through a connection of `soar.yaml`"),
    "parallel": Key("steps", "branches at once, each one step; they are blind to each other"),
    "for_each": Key("expression", "the same steps for every item of a list"),
    "if": Key("expression", "one of two lists of steps"),
    "switch": Key(Several(CASE, one=False), "the steps of the first case that holds"),
    "while": Key("expression", "the same steps as long as a condition holds"),
    "steps": Key("steps", "a block; beside `for_each` and `while` what is done each time"),
    "wait": Key(WAIT, "rest until a time or an event, across restarts"),
    "playbook": Key("playbook", "another playbook, as an execution of its own that is waited for"),
    "set": Key("variables", "variables for later steps, read as `vars.name`"),
    "undo": Key(
        Either((UNDO, ("never",), "ids")),
        "beside `action`: when its containment is taken back; alone, a list of step ids: take back now what they did",
    ),
    "stop": Key("text", "end the execution here, from any depth, as succeeded"),
    "fail": Key("text", "end the execution here, from any depth, as failed"),
    "approval": Key(APPROVAL, "beside another key: nothing of it is done before people say yes; alone: a question"),
}
"""The keys of which a step has exactly one; `steps`, `undo` and `approval` may stand beside some others."""

BELONGS: Final[Mapping[str, tuple[str, ...]]] = {
    "with": ("action", "playbook"),
    "retry": ("action",),
    "join": ("parallel",),
    "as": ("for_each",),
    "concurrency": ("for_each",),
    "on_item_failure": ("for_each",),
    "max_iterations": ("while",),
    "then": ("if",),
    "else": ("if", "switch"),
}
"""Keys that mean something only beside another."""

BESIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "if": ("then",),
    "for_each": ("steps",),
    "while": ("steps", "max_iterations"),
}
"""Keys that a step of these kinds cannot do without."""

GUARDED: Final = ("action", "parallel", "for_each", "if", "switch", "while", "steps", "playbook")
"""What an approval can guard."""
ITERATIONS: Final = range(1, 10_001)
ITEMS_AT_ONCE: Final = range(1, 1001)
BRANCHES: Final = range(1, 1001)

STEP: Final = Shape(
    "the step",
    {
        "id": Key("step id", "its name: letters, digits, `_` and `-`; stands once in a file"),
        "name": Key("text", "what people call it"),
        "when": Key("expression", "the step is skipped unless this holds"),
        "timeout": Key("duration", "how long its body may take, over retries and restarts"),
        "on_failure": Key(
            Either((("fail", "continue"), "steps")), "`fail` (default), `continue`, or steps that handle it", "fail"
        ),
        **BODIES,
        "with": Key("values", "parameters of the action, or inputs of the playbook"),
        "retry": Key(RETRY, "how often the action is tried"),
        "join": Key(
            Either((("all", "any"), BRANCHES)),
            "how many branches must succeed: `all` (default), `any`, or a number",
            "all",
        ),
        "as": Key("alias", "the name of the item, besides `item`"),
        "concurrency": Key(Either((ITEMS_AT_ONCE, "template")), "how many items at once; by default 1", 1),
        "on_item_failure": Key(
            ("finish", "stop"), "after a failed item: try all, then fail (default), or start no more", "finish"
        ),
        "max_iterations": Key(ITERATIONS, "the most turns; the step fails when the condition still holds then"),
        "then": Key("steps", "what is done when the condition holds"),
        "else": Key("steps", "what is done when no condition holds"),
    },
    belongs=BELONGS,
)

MODES: Final = ("live", "shadow", "disabled")
PRIORITIES: Final = range(-100, 101)

PLAYBOOK: Final = Shape(
    "the playbook",
    {
        "id": Key("word", "its name; two files with one id are both refused"),
        "name": Key("text", "what people call it"),
        "description": Key("text", "what it is for"),
        "author": Key("text", "a person of `soar.yaml`, for the rule that nobody approves what they wrote"),
        "tags": Key(Several("text"), "words to find it by, such as `attack.t1528`"),
        "mode": Key(MODES, "`live` (default), `shadow`: nothing is changed, or `disabled`: it does not fire", "live"),
        "priority": Key(PRIORITIES, "of executions that are ready the higher goes first; by default 0", 0),
        "exclusive": Key(
            "flag", "of all that match an alert, only the exclusive one of the highest priority opens", "false"
        ),
        "valid_from": Key("moment", "it does not fire before; a bare date is midnight in UTC"),
        "valid_until": Key("moment", "it does not fire from then on"),
        "trigger": Key(TRIGGER, "when it runs; `{}`: by hand or as a sub-playbook only"),
        "inputs": Key(Named(INPUT), "values of a manual run or a caller, read as `inputs.name`"),
        "concurrency": Key(CONCURRENCY, "how many executions of one key may be under way"),
        "timeout": Key("duration", "how long an execution may take in all; by default 7d", "7d"),
        "steps": Key("steps", "what is done, from top to bottom"),
        "on_failure": Key("steps", "what is done when it has failed"),
        "finally": Key("steps", "what is done at the end in any case, also after a cancel"),
        "outputs": Key(Named("value"), "what a calling playbook reads as `steps.<id>.output.name`"),
    },
    ("id", "trigger", "steps"),
)
