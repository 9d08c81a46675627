"""The tests an expression may use after `is`, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2.runtime import Undefined

from soar.errors import ExpressionFailed
from soar.expression.budget import spend, weight
from soar.expression.data import demand, describe, kind
from soar.expression.operations import holds
from soar.expression.patterns import compiled


def given(value: Any) -> bool:
    """Whether a value is there and not null: a field the sender left out is null in one place, missing in another."""
    return value is not None and not isinstance(value, Undefined)


def has_status(status: str) -> Callable[[Any], bool]:
    """`steps.x is skipped`: asks a step, or its status itself."""

    def test(value: Any) -> bool:
        demand(value)
        found = value.get("status") if isinstance(value, Mapping) else value
        if found is None and isinstance(value, Mapping) and "status" in value:
            return False  # a step that has not run: outputs and handlers ask for it after an early end
        if not isinstance(found, str):
            raise ExpressionFailed(
                f"`is {status}` asks a step, such as `steps.block is {status}`, not {describe(value)}"
            )
        return found == status

    return test


def of_kind(*kinds: str) -> Callable[[Any], bool]:
    """Whether a value is of one of these kinds."""
    return lambda value: kind(demand(value)) in kinds


def compared(sign: str) -> Callable[[Any, Any], bool]:
    """A comparison as a test, for `select` and `selectattr`."""
    return lambda value, other: holds(sign, demand(value), demand(other))


def matching(value: Any, pattern: str) -> bool:
    """Whether a piece of the text fits the pattern."""
    if not isinstance(demand(value), str):
        raise ExpressionFailed(f"`is matching` asks a text, not {describe(value)}")
    spend(weight(value))
    return compiled(pattern).search(value) is not None


def whole(value: Any) -> int:
    """A whole number, for questions only such numbers have."""
    if kind(demand(value)) != "number" or not isinstance(value, int):
        raise ExpressionFailed(f"{describe(value)} is no whole number")
    return value


def divisible(value: Any, by: Any) -> bool:
    """Whether a whole number can be divided without rest."""
    if whole(by) == 0:
        raise ExpressionFailed("nothing can be divided by zero")
    return bool(whole(value) % by == 0)


TESTS: Final[Mapping[str, Callable[..., bool]]] = {
    "defined": given,
    "undefined": lambda value: not given(value),
    "none": lambda value: demand(value) is None,
    "null": lambda value: demand(value) is None,
    "string": of_kind("text"),
    "number": of_kind("number"),
    "boolean": of_kind("true/false"),
    "mapping": of_kind("object"),
    "sequence": of_kind("list"),
    "integer": lambda value: kind(demand(value)) == "number" and isinstance(value, int),
    "float": lambda value: isinstance(demand(value), float),
    "true": lambda value: demand(value) is True,
    "false": lambda value: demand(value) is False,
    "even": lambda value: whole(value) % 2 == 0,
    "odd": lambda value: whole(value) % 2 == 1,
    "divisibleby": divisible,
    "matching": matching,
    "in": compared("in"),
    **{name: compared("eq") for name in ("eq", "equalto", "==")},
    **{name: compared("ne") for name in ("ne", "!=")},
    **{name: compared("lt") for name in ("lt", "lessthan", "<")},
    **{name: compared("lteq") for name in ("le", "<=")},
    **{name: compared("gt") for name in ("gt", "greaterthan", ">")},
    **{name: compared("gteq") for name in ("ge", ">=")},
    **{status: has_status(status) for status in ("succeeded", "failed", "skipped", "rejected", "cancelled")},
}
