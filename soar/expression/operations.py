"""Arithmetic, comparison and method calls: nothing is guessed, nothing grows without limit."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from soar.errors import ExpressionFailed
from soar.expression.budget import DIGIT_LIMIT, allow_number, allow_text, spend, spend_whole, weight
from soar.expression.data import demand, describe, kind
from soar.model.severity import RANKS

_ORDERINGS: Final[Mapping[str, tuple[str, Callable[[Any, Any], bool]]]] = {
    "lt": ("<", operator.lt),
    "lteq": ("<=", operator.le),
    "gt": (">", operator.gt),
    "gteq": (">=", operator.ge),
}
_ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


def compare(left: Any, *rest: Any) -> bool:
    """`a < b <= c`, from left to right; `rest` is operator, operand, operator, operand."""
    for sign, right in zip(rest[::2], rest[1::2], strict=True):
        if not holds(sign, demand(left), demand(right)):
            return False
        left = right
    return True


def holds(sign: str, left: Any, right: Any) -> bool:
    """One comparison. Kinds that cannot be compared are an error that names both (F14)."""
    if sign in ("in", "notin"):
        return contains(right, left) is (sign == "in")
    if sign in ("eq", "ne"):
        return equal(left, right) is (sign == "eq")
    symbol, ordered = _ORDERINGS[sign]
    if isinstance(left, str) and isinstance(right, str) and left in RANKS and right in RANKS:
        return ordered(RANKS[left], RANKS[right])
    if kind(left) != kind(right) or kind(left) not in ("number", "text", "time"):
        raise _cannot_compare(left, symbol, right)
    return ordered(left, right)


def equal(left: Any, right: Any) -> bool:
    """Whether two values of one kind are the same; anything may be compared with null."""
    if left is None or right is None:
        return left is right
    if kind(left) != kind(right):
        raise _cannot_compare(left, "==", right)
    spend_whole(left)
    spend_whole(right)
    return bool(left == right)


def contains(container: Any, item: Any) -> bool:
    """`in`: text in text, a value in a list, a key in an object."""
    spend(weight(container))
    if isinstance(container, str) and isinstance(item, str):
        return item in container
    if isinstance(container, Mapping) and isinstance(item, str):
        return item in container
    if isinstance(container, list | tuple):
        return _among(container, item)
    raise ExpressionFailed(f"cannot look for {describe(item)} in {describe(container)}")


def _among(items: list[Any] | tuple[Any, ...], item: Any) -> bool:
    alike = [other for other in items if kind(other) == kind(item)]
    if any(equal(other, item) for other in alike):
        return True
    others = [other for other in items if other is not None]
    if item is not None and others and not alike:
        raise _cannot_compare(item, "in a list with", others[0])
    return False


def _cannot_compare(left: Any, symbol: str, right: Any) -> ExpressionFailed:
    hint = ""
    kinds = {kind(left), kind(right)}
    if kinds == {"text", "number"}:
        hint = "; turn the text into a number with `| int`"
    elif kinds == {"text", "time"}:
        hint = "; turn both into seconds with `| timestamp`"
    return ExpressionFailed(f"cannot compare {describe(left)} {symbol} {describe(right)}{hint}")


def calculate(sign: str, left: Any, right: Any) -> Any:
    """One arithmetic operation: numbers with numbers, `+` also text with text and list with list."""
    left, right = demand(left), demand(right)
    if kind(left) == kind(right) == "number":
        return _number(sign, left, right)
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        allow_text(len(left) + len(right))
        return left + right
    if sign == "+" and isinstance(left, list | tuple) and isinstance(right, list | tuple):
        spend_whole(left)
        spend_whole(right)
        return [*left, *right]
    if sign == "*" and isinstance(left, str) and kind(right) == "number" and isinstance(right, int):
        allow_text(len(left) * max(right, 0))
        return left * right
    hint = "; join them as text with `~`" if sign == "+" else ""
    raise ExpressionFailed(f"cannot calculate {describe(left)} {sign} {describe(right)}{hint}")


def _number(sign: str, left: Any, right: Any) -> Any:
    whole_power = sign == "**" and isinstance(left, int) and isinstance(right, int)
    if whole_power and (right < 0 or left.bit_length() * right > DIGIT_LIMIT):
        raise ExpressionFailed(f"{describe(left)} ** {describe(right)} is out of range")
    if sign in ("/", "//", "%") and right == 0:
        raise ExpressionFailed(f"cannot divide {describe(left)} by zero")
    result = _ARITHMETIC[sign](left, right)
    if isinstance(result, complex):
        raise ExpressionFailed(f"{describe(left)} ** {describe(right)} is no real number")
    return allow_number(result) if isinstance(result, int) else result


def sign(symbol: str, value: Any) -> Any:
    """`-x` and `+x`, of numbers only."""
    demand(value)
    if kind(value) != "number":
        raise ExpressionFailed(f"cannot calculate {symbol}{describe(value)}")
    return -value if symbol == "-" else value


_TEXT_METHODS: Final = frozenset(
    "lower upper title capitalize strip lstrip rstrip startswith endswith removeprefix removesuffix"
    " split rsplit splitlines find count isdigit isalpha isalnum".split()
)
METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: _TEXT_METHODS,
    Mapping: frozenset({"get", "keys", "values", "items"}),
    datetime: frozenset({"isoformat", "weekday", "isoweekday", "timestamp"}),
}
"""Every method an expression may call; none of them can grow a value or reach into Python."""
METHOD_NAMES: Final = frozenset().union(*METHODS.values())


def call_method(value: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """`value.name(...)`, for the few methods that only read (F01: `format` is none of them)."""
    demand(value)
    for argument in (*args, *kwargs.values()):
        demand(argument)
    for owner, names in METHODS.items():
        if isinstance(value, owner) and name in names:
            spend(weight(value))
            result = getattr(value, name)(*args, **kwargs)
            return list(result) if name in ("keys", "values", "items") else result
    raise ExpressionFailed(f"{kind(value)} has no method {name!r} here")
