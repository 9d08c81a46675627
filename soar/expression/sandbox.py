"""The environment every expression runs in: Jinja2's immutable sandbox, strict, with an allow-list and no globals.

Attribute access is narrowed further than the sandbox does it: a dot reads data
(a key, an item), never an attribute of a Python object, so there is nothing to
escape through. Comparison, arithmetic and joining go through `operations`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2 import pass_context
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from soar.expression import operations
from soar.expression.budget import allow_text
from soar.expression.conditions import TESTS
from soar.expression.data import Missing, as_text, demand, each, follow, made, plain
from soar.expression.filters import FILTERS


@pass_context
def _text(_context: Context, value: Any, label: str) -> str:
    return as_text(value, label)


@pass_context
def _result(_context: Context, value: Any) -> Any:
    return plain(value)


def _concat(first: Any, labels: tuple[str, ...], *rest: Any) -> str:
    parts = [as_text(value, label) for value, label in zip((first, *rest), labels, strict=True)]
    allow_text(sum(map(len, parts)))
    return "".join(parts)


def _nothing(_: None) -> Missing:
    return Missing(hint="an `if` that does not hold, without `else`, gives nothing; add `else`")


def _given(value: Any, label: str) -> Any:
    return value if value is not None else as_text(value, label)


def _item(value: Any, key: Any, label: str) -> Any:
    return follow(demand(value), label, demand(key))


def _slice(value: Any, start: Any, stop: Any, step: Any) -> Any:
    return demand(value)[start:stop:step]


INNER: Final[Mapping[str, Callable[..., Any]]] = {
    "<path>": follow,
    "<item>": _item,
    "<slice>": _slice,
    "<compare>": operations.compare,
    "<method>": operations.call_method,
    "<concat>": _concat,
    "<given>": _given,
    "<made>": made,
    "<nothing>": _nothing,
    "<each>": each,
    "<text>": _text,
    "<result>": _result,
}
"""What the rewritten tree calls; no template can spell these names."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with data access, operators and text made strict."""

    code_generator_class = NativeCodeGenerator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self) -> None:
        super().__init__(
            undefined=Missing, autoescape=False, keep_trailing_newline=True, optimized=False, cache_size=0, loader=None
        )
        self.globals.clear()
        self.filters = {**FILTERS, **INNER}
        self.tests = dict(TESTS)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return operations.calculate(operator, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        return operations.sign(operator, arg)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._below(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._below(obj, argument)

    def _below(self, obj: Any, key: Any) -> Any:
        """What filters with `attribute=` read: data, as a dot does."""
        if isinstance(obj, Undefined):
            return obj
        return follow(obj, "the item", key)


SANDBOX: Final = Sandbox()
