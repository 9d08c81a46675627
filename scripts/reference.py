"""Write docs/reference/playbooks.md: `make reference`, and `--check` tells whether it is what it should be.

The keys, what they take and what they do come from `soar.playbook.keys`, which the reader takes them from too; the
examples from the playbooks that ship, which are tested; the rest from the template beside this file. A line `@name of a
shape`, `@step key` or `@filters` of the template is replaced by what it names; leaving a key out is an error.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Final, get_args

import yaml

from soar.errors import ErrorKind
from soar.expression.conditions import TESTS
from soar.expression.filters import FILTERS
from soar.playbook import keys
from soar.playbook.keys import Either, Key, Kind, Named, Several, Shape

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "reference" / "playbooks.md"
TEMPLATE: Final = Path(__file__).with_name("reference.template")
NOTE: Final = (
    "<!-- Written by `make reference` from soar/playbook/keys.py, the playbooks that ship and a template. -->\n"
)
WIDTH: Final = 72
"""Characters of an example that still fits into a table."""
STEP: Final = keys.STEP.what
SHARED: Final = ("id", "name", "when", "timeout", "on_failure")
"""Keys that any step may have."""

TAKES: Final = {
    "text": "text",
    "template": "`{{ expression }}`",
    "word": "a word",
    "step id": "a word",
    "alias": "a name",
    "duration": "a duration",
    "expression": "an expression",
    "value": "a value",
    "values": "a map of values",
    "variables": "a map of values",
    "steps": "steps",
    "ids": "a list of step ids",
    "flag": "`true`, `false`",
    "number": "a number",
    "moment": "a date or time",
    "cron": "a cron expression",
    "zone": "a time zone",
    "event": "an event's name",
    "action": "`connection.action`",
    "playbook": "a playbook's id",
    "match": "selections",
    "list": "a list",
    "part": "a map: [the input](#the-input)",
    "parts": "a map of names: [the input](#the-input)",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One place of a shipped playbook where a key stands."""

    playbook: str
    text: str
    whole: str
    """The map that it stands in."""

    @property
    def size(self) -> tuple[int, int, str, str]:
        return self.text.count("\n"), len(self.text), self.playbook, self.text


# -- examples -----------------------------------------------------------------------------------


class Samples:
    """Where each key of each shape stands in the playbooks that ship."""

    def __init__(self, folder: Path) -> None:
        self._found: dict[tuple[str, str], list[Found]] = defaultdict(list)
        for path in sorted(folder.glob("*.yaml")):
            if not path.name.endswith(".test.yaml"):
                self._name, self._text = path.stem, path.read_text("utf-8")
                self._walk(keys.PLAYBOOK, yaml.compose(self._text, yaml.SafeLoader))

    def of(self, shape: Shape, key: str) -> Found:
        """The shortest."""
        return min(self._found[_what(shape), key], key=lambda one: one.size)

    def step(self, key: str) -> Found:
        """The shortest step that has it as its body."""
        bodies = self._found[STEP, key]
        if key in ("steps", "undo", "approval"):  # these stand beside others too: alone here
            others = "|".join(one for one in keys.BODIES if one != key)
            bodies = [one for one in bodies if not re.search(rf"(?m)^[-{{ ]?\s?({others}):", one.whole)]
        return min(bodies, key=lambda one: (len(one.whole), one.playbook, one.whole))

    def _walk(self, kind: Kind, node: yaml.Node) -> None:
        if isinstance(kind, Shape):
            self._keys(kind, node)
        elif isinstance(kind, Named):
            for _, value in node.value:
                self._walk(kind.kind, value)
        elif isinstance(kind, Several):
            for value in node.value if isinstance(node, yaml.SequenceNode) else [node]:
                self._walk(kind.kind, value)
        elif isinstance(kind, Either):
            self._walk(next(one for one in kind.kinds if _fits(one, node)), node)
        elif kind == "steps":
            self._walk(Several(keys.STEP, one=False), node)
        elif kind == "part":
            self._walk(keys.INPUT_PART, node)
        elif kind == "parts":
            self._walk(Named(keys.INPUT_PART), node)

    def _keys(self, shape: Shape, node: yaml.Node) -> None:
        whole = self._cut(node, node)
        for key, value in node.value:
            self._found[_what(shape), key.value].append(Found(self._name, self._cut(key, value), whole))
            self._walk(shape.known[key.value].kind, value)

    def _cut(self, first: yaml.Node, last: yaml.Node) -> str:
        """The text from one node to the end of another, without what follows it."""
        column = first.start_mark.column
        text = " " * column + self._text[first.start_mark.index : last.end_mark.index]
        lines = text.rstrip().split("\n")
        while re.match(r"\s*(#|$)", lines[-1]):
            lines.pop()
        return dedent("\n".join(lines))


def _fits(kind: Kind, node: yaml.Node) -> bool:
    if isinstance(kind, Shape):
        return isinstance(node, yaml.MappingNode)
    if isinstance(kind, range):
        return isinstance(node, yaml.ScalarNode) and node.value.isdigit()
    if isinstance(kind, tuple):
        return isinstance(node, yaml.ScalarNode) and node.value in kind
    return isinstance(node, yaml.SequenceNode if kind in ("steps", "ids") else yaml.ScalarNode)


def _what(shape: Shape) -> str:
    return keys.INPUT.what if shape is keys.INPUT_PART else shape.what


# -- tables -------------------------------------------------------------------------------------


def takes(kind: Kind) -> str:
    """What a value can be, in a few words."""
    if isinstance(kind, str):
        return TAKES[kind]
    if isinstance(kind, range):
        return f"{kind[0]} to {kind[-1]:,}"
    if isinstance(kind, tuple):
        return ", ".join(f"`{word}`" for word in kind)
    if isinstance(kind, Shape):
        return f"a map: [{kind.what}](#{anchor(kind)})"
    if isinstance(kind, Named):
        return (
            f"a map of names: [{kind.kind.what}](#{anchor(kind.kind)})"
            if isinstance(kind.kind, Shape)
            else "a map of values"
        )
    if isinstance(kind, Several):
        return f"{takes(kind.kind)}, or a list" if kind.one else f"a list of {takes(kind.kind)}"
    return " or ".join(takes(one) for one in kind.kinds)


def anchor(shape: Shape) -> str:
    """The headings of the template are the shapes' names."""
    return shape.what.replace(" ", "-")


def table(shape: Shape, names: list[str], samples: Samples, above: str = "", needed: tuple[str, ...] = ()) -> str:
    """The keys of a map; examples that fill lines of their own follow it, where they do not stand above."""
    rows, blocks = ["| key | takes | without it | meaning | example |", "| --- | --- | --- | --- | --- |"], []
    for name in names:
        key, example = shape.known[name], samples.of(shape, name)
        short = "\n" not in example.text and len(example.text) <= WIDTH and "`" not in example.text
        seen = re.search(rf"(?m)^{name}:", above) is not None
        shown = f"`{_cell(example.text)}`" if short else "above" if seen else "below"
        otherwise = "needed" if name in needed else without(shape, name, key)
        rows.append(f"| `{name}` | {takes(key.kind)} | {otherwise} | {_cell(meaning(key))} | {shown} |")
        if not short and not seen:
            blocks.append(block(name, example))
    return "\n".join(rows) + "\n" + "".join(f"\n{one}" for one in blocks)


def without(shape: Shape, name: str, key: Key) -> str:
    """What holds where the key is left out."""
    if name in shape.needed:
        return "needed"
    return f"`{key.default}`" if key.default is not None else "-"


def meaning(key: Key) -> str:
    """What it does; the column beside it tells the default."""
    return re.sub(r"; by default [^;]+$", "", key.says)


def block(name: str, example: Found, *, whole: bool = False) -> str:
    """An example with its lines, the first step of a long list standing for all."""
    text = example.whole if whole else example.text
    if text.count("\n") > 14:
        lines = text.split("\n")
        text = "\n".join([*lines[:14], f"{re.match(r' *', lines[13])[0]}# ..."])  # type: ignore[index]
    return f"`{name}`, from `{example.playbook}`:\n\n```yaml\n{text}\n```\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# -- the page -----------------------------------------------------------------------------------


def step(name: str, samples: Samples) -> str:
    """One kind of step: its keys, and a step that has it."""
    if name == "*":
        return table(keys.STEP, list(SHARED), samples)
    own = [name, *(key for key, owners in keys.BELONGS.items() if name in owners)]
    needed = keys.BESIDE.get(name, ())
    own += [key for key in needed if key not in own]
    example = block(name, samples.step(name), whole=True)
    return example + "\n" + table(keys.STEP, own, samples, example, (name, *needed))


def filters() -> str:
    """All filters and tests; what is ours says what it does."""
    ours, stock = [], []
    for name, function in sorted(FILTERS.items()):
        if function.__module__.startswith("soar."):
            ours.append(f"| `{name}` | {_cell((function.__doc__ or '').strip().splitlines()[0])} |")
        else:
            stock.append(f"`{name}`")
    tests = " ".join(f"`{name}`" for name in sorted(TESTS) if name.isalpha())
    return (
        "| filter | gives |\n| --- | --- |\n" + "\n".join(ours) + "\n\n"
        "As in Jinja2: " + " ".join(stock) + ".\n\n"
        f"Tests (`x is ...`): {tests}.\n"
    )


def shapes(kind: Kind, known: dict[str, Shape]) -> None:
    """Every shape below a kind of value."""
    if isinstance(kind, Shape) and kind.what not in known:
        known[kind.what] = kind
        for key in kind.known.values():
            shapes(key.kind, known)
    elif isinstance(kind, Named | Several):
        shapes(kind.kind, known)
    elif isinstance(kind, Either):
        for one in kind.kinds:
            shapes(one, known)
    elif kind == "steps":
        shapes(keys.STEP, known)


def filled(template: str, samples: Samples) -> Iterator[str]:
    """The parts of the page, in order.

    Raises:
        SystemExit: the template leaves a shape or a kind of step out.
    """
    known: dict[str, Shape] = {}
    shapes(keys.PLAYBOOK, known)
    open_ = {*known, *(f"step {body}" for body in keys.BODIES), "step *", "filters", "kinds"} - {STEP}
    for line in template.split("\n"):
        name = line.removeprefix("@")
        if not line.startswith("@"):
            yield line
        elif name not in open_:
            raise SystemExit(f"{TEMPLATE.name}: {line}: there is no such part, or it stands twice")
        else:
            open_.remove(name)
            yield part(name, known, samples).rstrip("\n")
    if open_:
        raise SystemExit(f"{TEMPLATE.name}: says nothing of {', '.join(sorted(open_))}")


def part(name: str, known: Mapping[str, Shape], samples: Samples) -> str:
    if name == "filters":
        return filters()
    if name == "kinds":
        return " ".join(f"`{kind}`" for kind in get_args(ErrorKind))
    if name.startswith("step "):
        return step(name.removeprefix("step "), samples)
    return table(known[name], list(known[name].known), samples)


def page() -> str:
    """The whole page as it should be."""
    samples = Samples(ROOT / "playbooks")
    title, rest = TEMPLATE.read_text("utf-8").split("\n", 1)
    return f"{title}\n\n{NOTE}" + "\n".join(filled(rest, samples))


if __name__ == "__main__":
    wanted = page()
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(wanted, "utf-8")
    elif PAGE.read_text("utf-8") != wanted:
        raise SystemExit("docs/reference/playbooks.md is not what it is made from; write it anew with `make reference`")
