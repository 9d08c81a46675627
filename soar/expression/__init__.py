"""Expressions and templates: sandboxed, strict, with three outcomes: true, false, or an error."""

from soar.expression.compile import CompiledExpression, compile_expression
from soar.expression.data import describe, kind
from soar.expression.filters import FILTERS
from soar.expression.rewrite import NAMES, near
from soar.expression.value import CompiledValue, compile_value, spell_place

__all__ = [
    "FILTERS",
    "NAMES",
    "CompiledExpression",
    "CompiledValue",
    "compile_expression",
    "compile_value",
    "describe",
    "kind",
    "near",
    "spell_place",
]
