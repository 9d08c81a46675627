"""Bare expressions and values with templates: compiled once, evaluated in every execution."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import re2
from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.runtime import Context

from soar.errors import ExpressionFailed, ExpressionSyntax, Fault
from soar.expression import budget
from soar.expression.data import describe
from soar.expression.rewrite import Rewriter, literal_key
from soar.expression.sandbox import SANDBOX

Scope = Mapping[str, Any]
_SOURCE_LIMIT = 65_536
_Root = Callable[[Context], Iterator[Any]]
_UNREADABLE = (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError, ExpressionFailed)
_UNEVALUABLE = (
    TemplateError, ExpressionFailed, TypeError, ValueError, ArithmeticError, LookupError, AttributeError,
    AssertionError, RecursionError, MemoryError, re2.error,
)  # fmt: skip


class CompiledExpression:
    """One expression that yields the value itself."""

    __slots__ = ("_root", "references", "source")

    def __init__(self, source: str, root: _Root, references: frozenset[tuple[str, ...]]) -> None:
        self.source = source
        self.references = references
        self._root = root

    def evaluate(self, scope: Scope) -> Any:
        """The value itself: a number stays a number, "0012" stays text (F04)."""
        return _run(self.source, self._root, scope, next)

    def holds(self, scope: Scope) -> bool:
        """The value as a condition: true, false or an error."""
        value = self.evaluate(scope)
        if value is True or value is False:
            return bool(value)
        raise ExpressionFailed(
            f"{quoted(self.source)} gives {describe(value)}, which is neither true nor false; "
            "compare it, such as with `!= none` or `> 0`"
        )


class CompiledPath(CompiledExpression):
    """`alert.src_ip` and its like: read without any machinery, for most expressions are of this kind."""

    __slots__ = ("_first", "_keys")

    def __init__(self, source: str, root: _Root, path: tuple[str | int, ...]) -> None:
        super().__init__(source, root, frozenset({tuple(map(str, path))}))
        self._first = str(path[0])
        self._keys = path[1:]

    def evaluate(self, scope: Scope) -> Any:
        try:
            value = scope[self._first]
            for key in self._keys:
                value = value[key]
        except (LookupError, TypeError):
            return super().evaluate(scope)
        if value is None or isinstance(value, str | int | float):
            return value
        return super().evaluate(scope)


class CompiledText:
    """A text with templates in it; it yields text."""

    __slots__ = ("_root", "references", "source")

    def __init__(self, source: str, root: _Root, references: frozenset[tuple[str, ...]]) -> None:
        self.source = source
        self.references = references
        self._root = root

    def evaluate(self, scope: Scope) -> str:
        """The text with every template filled in."""
        return str(_run(self.source, self._root, scope, _joined))


def _joined(pieces: Iterator[str]) -> str:
    parts = []
    for piece in pieces:
        budget.allow_text(len(piece))
        parts.append(piece)
    budget.allow_text(sum(map(len, parts)))
    return "".join(parts)


def _run(source: str, root: _Root, scope: Scope, take: Callable[[Iterator[Any]], Any]) -> Any:
    budget.start()
    try:
        return take(root(Context(SANDBOX, scope, None, {})))  # type: ignore[arg-type]
    except _UNEVALUABLE as error:
        reason = getattr(error, "message", None) or str(error) or type(error).__name__
        raise ExpressionFailed(f"{quoted(source)}: {reason}") from None


def quoted(source: str) -> str:
    """An expression for a message, in one line and not too long."""
    line = " ".join(source.split())
    return f"`{line if len(line) <= 120 else line[:117] + '...'}`"


def compile_expression(source: str, *, any_name: bool = False, names: Collection[str] = ()) -> CompiledExpression:
    """A bare expression, as `when` and `if` take it; `any_name` where the names come from a sender's body.

    `names` are those in scope besides the usual ones: what `as` calls the item of a loop.

    Raises:
        ExpressionSyntax: it cannot be read, or uses what no expression may use.
    """
    _refuse_braces(source)
    tree = _parsed(source, lambda: _expression_tree(source))
    return _whole(source, tree, Rewriter(any_name=any_name, names=names))


def _expression_tree(source: str) -> nodes.Template:
    parser = Parser(SANDBOX, source, state="variable")
    expression = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError(f"unexpected {parser.stream.current.value!r} after the expression", 1)
    return nodes.Template([nodes.Output([expression], lineno=1)], lineno=1)


def _refuse_braces(source: str) -> None:
    if not source.strip():
        raise ExpressionSyntax([Fault("the expression is empty", "write a condition, or remove the key")])
    if source.lstrip().startswith(("{{", "{%")):
        bare = source.strip().removeprefix("{{").removesuffix("}}").strip()
        raise ExpressionSyntax([Fault("this key takes an expression without braces", f"write {bare}", word="{")])


def compile_text(source: str, names: Collection[str] = ()) -> CompiledExpression | CompiledText | None:
    """A text of a playbook: an expression when it is one whole `{{ }}`, a template, or None when it is plain.

    Raises:
        ExpressionSyntax: a template in it cannot be read.
    """
    if "{{" not in source and "{%" not in source and "{#" not in source:
        return None
    tree = _parsed(source, lambda: SANDBOX.parse(source.strip() if _is_whole(source) else source))
    rewriter = Rewriter(names=names)
    if _is_whole(source) and len(tree.body) == 1 and _single(tree.body[0]):
        return _whole(source, tree, rewriter)
    root = _compiled(lambda: rewriter.rewrite(tree), rewriter)
    return CompiledText(source, root, frozenset(rewriter.references))


def _is_whole(source: str) -> bool:
    text = source.strip()
    return text.startswith("{{") and text.endswith("}}")


def _single(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Output) and len(node.nodes) == 1 and not isinstance(node.nodes[0], nodes.TemplateData)


def _whole(source: str, tree: nodes.Template, rewriter: Rewriter) -> CompiledExpression:
    def rewritten() -> nodes.Template:
        expression = rewriter.rewrite(tree.body[0].nodes[0])  # type: ignore[attr-defined]
        result = nodes.Filter(expression, "<result>", [], [], None, None, lineno=1)
        return nodes.Template([nodes.Output([result], lineno=1)], lineno=1)

    path = _simple_path(tree.body[0].nodes[0])  # type: ignore[attr-defined]
    root = _compiled(rewritten, rewriter)
    if path:
        return CompiledPath(source, root, path)
    return CompiledExpression(source, root, frozenset(rewriter.references))


def _simple_path(node: nodes.Node) -> tuple[str | int, ...] | None:
    """The keys of an expression that is one path and nothing else."""
    keys: list[str | int] = []
    while not isinstance(node, nodes.Name):
        key = literal_key(node)
        if key is None:
            return None
        keys.append(key)
        node = node.node  # type: ignore[attr-defined]
    return (node.name, *reversed(keys))


def _parsed(source: str, parse: Callable[[], nodes.Template]) -> nodes.Template:
    if len(source) > _SOURCE_LIMIT:
        raise ExpressionSyntax([Fault(f"the text is longer than {_SOURCE_LIMIT:,} characters", "split it")])
    try:
        return parse()
    except TemplateSyntaxError as error:
        message = (error.message or "it cannot be read").replace("end of print statement", "}}")
        message = message.replace("end of template", "end").rstrip(".")
        raise ExpressionSyntax([Fault(message, _syntax_remedy(message), error.lineno)]) from None
    except _UNREADABLE:
        raise ExpressionSyntax(
            [Fault("the expression is nested too deeply or holds too large a number", "split it with `set`")]
        ) from None


def _syntax_remedy(message: str) -> str:
    if "unknown tag" in message:
        return "use if, for and set; pass braces through with {% raw %}...{% endraw %}"
    if "unexpected char" in message:
        return "write a text in quotes"
    if "got '='" in message:
        return "compare with =="
    return "check brackets, quotes and operators; pass braces through with {% raw %}...{% endraw %}"


def _compiled(rewritten: Callable[[], nodes.Template], rewriter: Rewriter) -> _Root:
    budget.start()
    try:
        tree = rewritten()
        if rewriter.faults:
            raise ExpressionSyntax(rewriter.faults)
        template = SANDBOX.from_string(tree.set_environment(SANDBOX))  # type: ignore[arg-type]
    except ExpressionSyntax:
        raise
    except (TemplateError, *_UNREADABLE) as error:
        reason = str(error) if isinstance(error, ExpressionFailed) else "it is nested too deeply"
        raise ExpressionSyntax([*rewriter.faults, Fault(reason, "split it with `set`")]) from None
    return template.root_render_func
