"""From a parsed template to the tree that runs: an allow-list of nodes, with data access and operators made ours.

Whatever is not named here does not compile: no macros, imports, includes, calls
of anything but a few reading methods, no filter or test outside the allow-list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Final

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from soar.errors import ExpressionFailed, Fault
from soar.expression.conditions import TESTS
from soar.expression.data import spell
from soar.expression.filters import FILTERS, TAKE_NOTHING
from soar.expression.operations import METHOD_NAMES
from soar.expression.patterns import compiled

NAMES: Final = ("alert", "error", "execution", "incident", "inputs", "item", "loop", "now", "steps", "vars")
"""The names in scope; which of them hold something depends on where the expression stands."""

_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Pair, nodes.Keyword, nodes.CondExpr,
    nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div,
    nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.If, nodes.Name, nodes.Operand, nodes.Tuple,
)  # fmt: skip
_STATEMENTS: Final = {
    nodes.Macro: "macro", nodes.CallBlock: "call", nodes.FilterBlock: "filter", nodes.With: "with", nodes.Block: "block",
    nodes.Extends: "extends", nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "import",
    nodes.AssignBlock: "set ... endset", nodes.NSRef: "set with a dot", nodes.Scope: "autoescape",
    nodes.ScopedEvalContextModifier: "autoescape",
}  # fmt: skip
_BY_NAME: Final = {"map": FILTERS, "select": TESTS, "reject": TESTS, "selectattr": TESTS, "rejectattr": TESTS}
_DEPTH_LIMIT = 60


def near(word: str, known: Iterable[str]) -> str:
    """The hint of a misspelt name."""
    found = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {found[0]!r}?" if found else ""


class Rewriter(NodeTransformer):
    """Checks a tree and makes it ours, noting faults and the paths it reads."""

    def __init__(self, *, any_name: bool = False, names: Iterable[str] = ()) -> None:
        self._any_name = any_name
        self._names = (*NAMES, *names)
        self.faults: list[Fault] = []
        self.references: set[tuple[str, ...]] = set()
        self._locals: set[str] = set()
        self._depth = 0

    def rewrite(self, tree: nodes.Node) -> Any:
        """The tree that runs; worth nothing when there are faults."""
        self._locals = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
        for name in sorted(self._locals.intersection(self._names)):
            self._fault(tree, f"{name!r} is a name of the playbook and cannot be set here", "take another name", name)
        return self.visit(tree)

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        self._depth += 1
        if self._depth > _DEPTH_LIMIT:
            raise ExpressionFailed(f"it is nested deeper than {_DEPTH_LIMIT} levels; split it with `set`")
        try:
            return super().visit(node, *args, **kwargs)
        finally:
            self._depth -= 1

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(node, _PLAIN):
            word = _STATEMENTS.get(type(node), type(node).__name__.lower())
            self._fault(node, f"'{word}' cannot be used in a template", "use if, for, set and filters", word)
            return node
        return super().generic_visit(node, *args, **kwargs)

    def visit_Name(self, node: nodes.Name) -> Any:
        if node.ctx == "load" and node.name not in self._locals:
            self._know(node, (node.name,))
        return node

    def visit_Getattr(self, node: nodes.Getattr) -> Any:
        return self._path(node)

    def visit_Getitem(self, node: nodes.Getitem) -> Any:
        if isinstance(node.arg, nodes.Slice):
            limits = (node.arg.start, node.arg.stop, node.arg.step)
            bounds = [nodes.Const(None) if limit is None else self.visit(limit) for limit in limits]
            return _inner("<slice>", self.visit(node.node), *bounds)
        return self._path(node)

    def _path(self, node: nodes.Expr) -> Any:
        """A chain of dots and literal indexes becomes one walk, which can name its whole path."""
        keys: list[str | int] = []
        base: nodes.Expr = node
        while (key := literal_key(base)) is not None:
            keys.append(key)
            base = base.node  # type: ignore[attr-defined]
        keys.reverse()
        if isinstance(base, nodes.Getitem) and not isinstance(base.arg, nodes.Slice):
            start: nodes.Expr = _inner(
                "<item>", self.visit(base.node), self.visit(base.arg), nodes.Const(spoken(base.node))
            )
        elif isinstance(base, nodes.Name) and base.name not in self._locals:
            self._know(base, (base.name, *map(str, keys)))
            start = base
        else:
            start = self.visit(base)
        if not keys:
            return start
        return _inner("<path>", start, nodes.Const(spoken(base)), *(nodes.Const(key) for key in keys))

    def _know(self, node: nodes.Node, path: tuple[str, ...]) -> None:
        if self._any_name or path[0] in self._names:
            self.references.add(path)
        else:
            remedy = (
                near(path[0], self._names) or f"the names are {', '.join(self._names)}; a text is written in quotes"
            )
            self._fault(node, f"there is no name {path[0]!r}", remedy, path[0])

    def visit_Sub(self, node: nodes.Sub) -> Any:
        """`steps.look-up.output` reads as a subtraction; an id with '-' is written in brackets."""
        names: list[str] = []
        left: nodes.Expr = node
        while isinstance(left, nodes.Sub) and (name := _base_name(left.right)) and not self._knows(name):
            names.insert(0, name)
            left = left.left
        if names and isinstance(left, nodes.Getattr) and spoken(left.node) == "steps":
            step_id = "-".join((left.attr, *names))
            self._fault(
                node, f"steps.{step_id} reads as a subtraction", f"write steps['{step_id}']", f"steps.{step_id}"
            )
            return node
        return super().generic_visit(node)

    def _knows(self, name: str) -> bool:
        return self._any_name or name in self._names or name in self._locals

    def visit_Call(self, node: nodes.Call) -> Any:
        if node.dyn_args or node.dyn_kwargs:
            self._fault(node, "* and ** cannot be used in a call", "write the arguments out", "*")
            return node
        if not isinstance(node.node, nodes.Getattr):
            name = spoken(node.node)
            remedy = f"write `... | {name}`" if name in FILTERS else "use a filter"
            self._fault(node, f"there is no function {name!r}", remedy, name)
            return node
        name = node.node.attr
        if name not in METHOD_NAMES:
            remedy = near(name, METHOD_NAMES) or f"the methods are {', '.join(sorted(METHOD_NAMES))}"
            self._fault(node, f"the method {name!r} cannot be called in an expression", remedy, name)
            return node
        arguments = [self.visit(argument) for argument in node.args]
        return _inner("<method>", self.visit(node.node.node), nodes.Const(name), *arguments, named=self._named(node))

    def _named(self, node: nodes.Call | nodes.Filter | nodes.Test) -> list[nodes.Keyword]:
        return [nodes.Keyword(keyword.key, self.visit(keyword.value)) for keyword in node.kwargs]

    def visit_Filter(self, node: nodes.Filter) -> Any:
        self._listed(node, "filter", node.name, FILTERS)
        self._check_by_name(node)
        if node.name.startswith("regex_") and node.args:
            self._check_pattern(node, node.args[0])
        subject = node.node
        filtered = self._filtered(node)
        if subject is not None and node.name not in TAKE_NOTHING:
            filtered.node = _inner("<given>", filtered.node, nodes.Const(spoken(subject)))
        return filtered

    def visit_Test(self, node: nodes.Test) -> Any:
        self._listed(node, "test", node.name, TESTS)
        if node.name == "matching" and node.args:
            self._check_pattern(node, node.args[0])
        return self._filtered(node)

    def _filtered(self, node: nodes.Filter | nodes.Test) -> Any:
        if node.node is None or node.dyn_args or node.dyn_kwargs:
            self._fault(node, "* and ** cannot be used here", "write the arguments out", "*")
            return node
        node.node = self.visit(node.node)
        node.args = [self.visit(argument) for argument in node.args]
        node.kwargs = [*self._named(node)]  # type: ignore[list-item]
        return node

    def _listed(self, node: nodes.Node, what: str, name: str, known: Iterable[str]) -> None:
        if name not in known:
            remedy = near(name, known) or f"the {what}s are {', '.join(sorted(known))}"
            self._fault(node, f"there is no {what} {name!r}", remedy, name)

    def _check_by_name(self, node: nodes.Filter) -> None:
        """`map('upper')` and the like take a name: it must be written out, never read from data."""
        place = 1 if node.name.endswith("attr") else 0
        if node.name in _BY_NAME and len(node.args) > place:
            chosen = node.args[place]
            if isinstance(chosen, nodes.Const) and isinstance(chosen.value, str):
                what = "filter" if node.name == "map" else "test"
                self._listed(node, what, chosen.value, _BY_NAME[node.name])
            else:
                self._fault(node, f"{node.name!r} needs a name in quotes here", "write the name out", node.name)

    def _check_pattern(self, node: nodes.Node, pattern: nodes.Expr) -> None:
        if isinstance(pattern, nodes.Const) and isinstance(pattern.value, str):
            try:
                compiled(pattern.value)
            except ExpressionFailed as error:
                self._fault(node, str(error), "look-around and back-references do not exist in RE2", pattern.value)

    def visit_Compare(self, node: nodes.Compare) -> Any:
        operands: list[nodes.Expr] = []
        for operand in node.ops:
            operands += [nodes.Const(operand.op), self.visit(operand.expr)]
        return _inner("<compare>", self.visit(node.expr), *operands)

    def visit_Concat(self, node: nodes.Concat) -> Any:
        first, *rest = [self.visit(part) for part in node.nodes]
        labels = nodes.Tuple([nodes.Const(spoken(part)) for part in node.nodes], "load")
        return _inner("<concat>", first, labels, *rest)

    def visit_List(self, node: nodes.List) -> Any:
        made: Any = super().generic_visit(node)
        return _inner("<made>", made)

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> Any:
        visited: Any = super().generic_visit(node)
        return _inner("<made>", visited) if node.ctx == "load" else visited

    def visit_CondExpr(self, node: nodes.CondExpr) -> Any:
        visited: Any = super().generic_visit(node)
        if visited.expr2 is None:
            visited.expr2 = _inner("<nothing>", nodes.Const(None))
        return visited

    def visit_For(self, node: nodes.For) -> Any:
        if node.recursive:
            self._fault(node, "'recursive' loops cannot be used in a template", "loop without it", "recursive")
            return node
        label = spoken(node.iter)
        outer = "loop" in self._locals
        node.iter = _inner("<each>", self.visit(node.iter), nodes.Const(label))
        self._locals.add("loop")
        node.test = self.visit(node.test) if node.test is not None else None
        node.body = [self.visit(child) for child in node.body]
        if not outer:
            self._locals.discard("loop")
        node.else_ = [self.visit(child) for child in node.else_]
        return node

    def visit_Assign(self, node: nodes.Assign) -> Any:
        if isinstance(node.target, nodes.NSRef) or node.target.find(nodes.NSRef) is not None:
            self._fault(node, "'set' cannot change a part of something", "set a name of its own", "set")
        node.node = self.visit(node.node)
        return node

    def visit_Output(self, node: nodes.Output) -> Any:
        node.nodes = [
            child
            if isinstance(child, nodes.TemplateData)
            else _inner("<text>", self.visit(child), nodes.Const(spoken(child)))
            for child in node.nodes
        ]
        return node

    def _fault(self, node: nodes.Node, message: str, remedy: str, word: str = "") -> None:
        self.faults.append(Fault(message, remedy, getattr(node, "lineno", 1) or 1, word))


def literal_key(node: nodes.Node) -> str | int | None:
    """The key of one step of a path, where it is written out."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        key = node.arg.value
        return key if isinstance(key, str | int) and not isinstance(key, bool) else None
    return None


def _base_name(node: nodes.Expr) -> str | None:
    """The name a path begins with."""
    while isinstance(node, nodes.Filter) or literal_key(node) is not None:
        node = node.node  # type: ignore[attr-defined]
    return node.name if isinstance(node, nodes.Name) else None


def _inner(name: str, subject: nodes.Expr, *args: nodes.Expr, named: Sequence[nodes.Keyword] = ()) -> nodes.Filter:
    keywords: list[Any] = list(named)
    return nodes.Filter(subject, name, list(args), keywords, None, None, lineno=getattr(subject, "lineno", 1))


def spoken(node: nodes.Node) -> str:
    """An expression as a message names it: a path as it is written, else what it is."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr | nodes.Getitem):
        key = literal_key(node)
        return spoken(node.node) + (spell((key,)) if key is not None else "[...]")
    if isinstance(node, nodes.Filter) and node.node is not None:
        return f"{spoken(node.node)} | {node.name}"
    if isinstance(node, nodes.Const):
        return "null" if node.value is None else repr(node.value)
    return "the expression"
