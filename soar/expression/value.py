"""Values of a playbook: nested data whose texts may hold templates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from soar.errors import ExpressionFailed, ExpressionSyntax, Fault
from soar.expression.compile import CompiledExpression, CompiledText, Scope, compile_text

_Path = tuple[str | int, ...]
_Part = Any
"""A compiled text, a dict or list of parts, or plain data."""


class CompiledValue:
    """Data with its templates compiled."""

    __slots__ = ("_part", "references", "source")

    def __init__(self, source: Any, part: _Part, references: frozenset[tuple[str, ...]]) -> None:
        self.source = source
        self.references = references
        self._part = part

    def parts(self) -> Mapping[str, CompiledValue]:
        """The values of a map, each by itself; none when it is no map."""
        if not isinstance(self._part, dict):
            return {}
        return {key: CompiledValue(self.source[key], below, _read(below)) for key, below in self._part.items()}

    def render(self, scope: Scope) -> Any:
        """Data of its own: nothing in it is shared with the playbook, so nobody can change the playbook by it."""
        return _render(self._part, scope, ())


def _read(part: _Part) -> frozenset[tuple[str, ...]]:
    """The paths that a part reads."""
    if isinstance(part, CompiledExpression | CompiledText):
        return part.references
    below = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return frozenset().union(*map(_read, below))


def _render(part: _Part, scope: Scope, path: _Path) -> Any:
    if isinstance(part, CompiledExpression | CompiledText):
        try:
            return part.evaluate(scope)
        except ExpressionFailed as error:
            if not path:
                raise
            raise ExpressionFailed(f"{spell_place(path)}: {error}") from None
    if isinstance(part, dict):
        return {key: _render(below, scope, (*path, key)) for key, below in part.items()}
    if isinstance(part, list):
        return [_render(below, scope, (*path, place)) for place, below in enumerate(part)]
    return part


def spell_place(path: _Path) -> str:
    """A place inside a value, for people: `body.fields[0]`."""
    first, *rest = path
    return str(first) + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in rest)


def compile_value(source: Any, *, names: Collection[str] = ()) -> CompiledValue:
    """Nested data with templates; a text that is one whole `{{ x }}` yields the object itself.

    `names` are those in scope besides the usual ones: what `as` calls the item of a loop.

    Raises:
        ExpressionSyntax: with every fault of every text, each with its path inside the value.
    """
    faults: list[Fault] = []
    references: set[tuple[str, ...]] = set()
    part = _compile(source, (), faults, references, names)
    if faults:
        raise ExpressionSyntax(faults)
    return CompiledValue(source, part, frozenset(references))


def _compile(
    source: Any, path: _Path, faults: list[Fault], references: set[tuple[str, ...]], names: Collection[str]
) -> _Part:
    if isinstance(source, str):
        try:
            compiled = compile_text(source, names)
        except ExpressionSyntax as error:
            faults += [replace(fault, path=path) for fault in error.faults]
            return source
        if compiled is None:
            return source
        references |= compiled.references
        return compiled
    if isinstance(source, Mapping):
        return {key: _compile(below, (*path, key), faults, references, names) for key, below in source.items()}
    if isinstance(source, list | tuple):
        return [_compile(below, (*path, place), faults, references, names) for place, below in enumerate(source)]
    return source
