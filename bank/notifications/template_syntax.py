"""The syntax of templates: a small part of Jinja2, checked before a template is stored.

Operators edit templates, and a template must not be able to stop a worker, read what it should not, or fail when the
message is due. So a template may show its variables, choose by them and go through a list, and nothing else: it has no
calls, no arithmetic (`"x" * 10 ** 9`), no attributes but those of list elements, no imports and no macros.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bank.errors import OperatorError
from bank.notifications.types import COMMON, NotificationType, VariableKind

FILTERS: Mapping[str, VariableKind] = MappingProxyType(
    {
        "money": VariableKind.MONEY,
        "date": VariableKind.MOMENT,
        "time": VariableKind.MOMENT,
        "datetime": VariableKind.MOMENT,
        "number": VariableKind.NUMBER,
    }
)
"""The filters, and the kind of variable that each shows."""

# The parts of a template, with the greatest length of each in characters: a subject must be readable in a list of
# mails, a short text is at most three segments of an SMS, and a text is one page.
PART_MAX: Mapping[str, int] = MappingProxyType({"subject": 200, "short": 500, "text": 8_000, "html": 16_000})

# A condition inside of a condition, with a comparison, has eight levels; more is hard to read.
DEPTH_MAX = 10

_LOGIC = (nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand)


class WrongTemplate(OperatorError):
    """A template cannot be used. The message names the part, the line and the reason."""


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2 without its global functions, for the templates that `check_part` accepts."""

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, undefined=jinja2.StrictUndefined, keep_trailing_newline=False,
                         trim_blocks=True, lstrip_blocks=True)  # fmt: skip
        self.globals.clear()


PLAIN_TEXT = _Environment(autoescape=False)
HTML = _Environment(autoescape=True)


def environment_of(part: str) -> ImmutableSandboxedEnvironment:
    """Return the environment of a part: only the HTML escapes what it shows."""
    return HTML if part == "html" else PLAIN_TEXT


def check_part(part: str, source: str, notification_type: NotificationType) -> None:
    """Check a part of a template. Raises `WrongTemplate` with the first thing that is wrong."""
    if not source.strip():
        raise WrongTemplate(f"The part {part} is empty.")
    if len(source) > PART_MAX[part]:
        raise WrongTemplate(f"The part {part} has {len(source):,} characters; at most {PART_MAX[part]:,} are allowed.")
    if part == "subject" and len(source.splitlines()) > 1:
        raise WrongTemplate("The part subject has several lines; a subject is one line.")
    try:
        tree = environment_of(part).parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise WrongTemplate(f"The part {part}, line {error.lineno}: {_sentence(error.message)}") from error
    except RecursionError:
        raise WrongTemplate(f"The part {part} has too many nested blocks.") from None
    if _depth(tree) > DEPTH_MAX:
        raise WrongTemplate(f"The part {part} has too many nested blocks.")
    for line, problem in _Check(notification_type).problems(tree):
        raise WrongTemplate(f"The part {part}, line {line}: {problem}")


def _depth(tree: nodes.Node) -> int:
    """Return the number of levels of a tree, without recursion."""
    deepest, rest = 0, [(tree, 1)]
    while rest:
        node, level = rest.pop()
        deepest = max(deepest, level)
        rest += [(child, level + 1) for child in node.iter_child_nodes()]
    return deepest


def _sentence(message: str | None) -> str:
    text = (message or "it cannot be read").rstrip(".")
    return f"{text}."


class _Check:
    """The search for everything in a template that is not allowed."""

    def __init__(self, notification_type: NotificationType) -> None:
        self._kinds = {**COMMON, **notification_type.variables}
        self._items = notification_type.items
        self._elements: list[str] = []

    def problems(self, node: nodes.Node) -> Iterator[tuple[int, str]]:
        """Yield the line and a sentence for each problem in a node, in the order of the text."""
        match node:
            case nodes.Template() | nodes.Output():
                for child in node.iter_child_nodes():
                    yield from self.problems(child)
            case nodes.TemplateData():
                pass
            case nodes.Name() | nodes.Getattr() | nodes.Filter():
                yield from self._shown(node)
            case nodes.If():
                yield from self._condition(node.test)
                for child in (*node.body, *node.elif_, *node.else_):
                    yield from self.problems(child)
            case nodes.For():
                yield from self._loop(node)
            case _:
                yield node.lineno, f"{_name_of(node)} is not allowed in a template."

    def _shown(self, node: nodes.Expr) -> Iterator[tuple[int, str]]:
        """Check a variable that is shown, with or without a filter."""
        filter_name = None
        if isinstance(node, nodes.Filter):
            filter_name = node.name
            if node.args or node.kwargs or node.dyn_args or node.dyn_kwargs or node.node is None:
                yield node.lineno, f"the filter {filter_name} takes no arguments."
                return
            if filter_name not in FILTERS:
                yield node.lineno, f"there is no filter {filter_name}; there are {', '.join(FILTERS)}."
                return
            node = node.node
        kind, problem = self._kind(node)
        if problem is not None:
            yield node.lineno, problem
        elif filter_name is None and kind is not VariableKind.TEXT:
            fitting = " or ".join(name for name, of in FILTERS.items() if of is kind)
            yield (
                node.lineno,
                f"{_text(node)} is {_A[kind]}" + (f" and needs the filter {fitting}." if fitting else "."),
            )
        elif filter_name is not None and FILTERS[filter_name] is not kind:
            assert kind is not None
            yield (
                node.lineno,
                f"the filter {filter_name} is for {_A[FILTERS[filter_name]]}; {_text(node)} is {_A[kind]}.",
            )

    def _kind(self, node: nodes.Node) -> tuple[VariableKind | None, str | None]:
        """Return the kind of a variable, or the problem with it."""
        match node:
            case nodes.Name(name=name):
                if name in self._elements:
                    return None, f"{name} is an element of a list; its members are {', '.join(self._items)}."
                if name in self._kinds:
                    return self._kinds[name], None
                return None, f"there is no variable {name}; there are {', '.join(sorted(self._kinds))}."
            case nodes.Getattr(node=nodes.Name(name=name), attr=attr) if name in self._elements:
                if attr in self._items:
                    return self._items[attr], None
                return None, f"{name} has no member {attr}; it has {', '.join(self._items)}."
            case nodes.Getattr():
                return None, f"only elements of a list have members, and {_text(node)} is no such member."
        return None, f"{_name_of(node)} is not allowed in a template."

    def _condition(self, node: nodes.Node) -> Iterator[tuple[int, str]]:
        """Check a condition: variables and texts, compared and joined by `and`, `or` and `not`."""
        match node:
            case nodes.Const(value=str() | int() | None):
                pass
            case nodes.Name() | nodes.Getattr():
                _, problem = self._kind(node)
                if problem is not None:
                    yield node.lineno, problem
            case nodes.Operand(op=op) if op not in {"eq", "ne"}:
                yield node.lineno, "a condition compares with == or != only."
            case nodes.Expr() | nodes.Helper() if isinstance(node, _LOGIC):
                for child in node.iter_child_nodes():
                    yield from self._condition(child)
            case _:
                yield node.lineno, f"{_name_of(node)} is not allowed in a condition."

    def _loop(self, node: nodes.For) -> Iterator[tuple[int, str]]:
        """Check a loop: over a list of the template, and not inside of another loop."""
        if self._elements or node.recursive or node.test is not None or node.else_:
            yield node.lineno, "a loop cannot be nested, filtered, recursive or have an else."
        elif not isinstance(node.target, nodes.Name):
            yield node.lineno, "a loop has one name for the element."
        elif not isinstance(node.iter, nodes.Name) or self._kinds.get(node.iter.name) is not VariableKind.LIST:
            lists = [name for name, kind in self._kinds.items() if kind is VariableKind.LIST]
            yield node.lineno, f"a loop goes over a list; there is {' and '.join(lists) or 'none in this template'}."
        elif node.target.name in self._kinds:
            yield node.lineno, f"{node.target.name} is already the name of a variable."
        else:
            self._elements.append(node.target.name)
            for child in node.body:
                yield from self.problems(child)
            self._elements.pop()


_A: Mapping[VariableKind | None, str] = MappingProxyType(
    {
        VariableKind.TEXT: "a text",
        VariableKind.MONEY: "an amount of money",
        VariableKind.MOMENT: "a time",
        VariableKind.NUMBER: "a number",
        VariableKind.FLAG: "true or false, for conditions",
        VariableKind.LIST: "a list, for loops",
    }
)


def _text(node: nodes.Node) -> str:
    """Return a variable as the template spells it."""
    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getattr(node=inner, attr=attr):
            return f"{_text(inner)}.{attr}"
    return "it"


_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "Assign": "an assignment",
        "Call": "a call",
        "Concat": "a concatenation",
        "CondExpr": "an if in an output",
        "Const": "a constant",
        "Extends": "an inheritance",
        "Filter": "a filter",
        "Getitem": "an index",
        "Import": "an import",
        "Include": "an include",
        "Macro": "a macro",
        "Test": "a test",
    }
)


def _name_of(node: nodes.Node) -> str:
    kind = type(node).__name__
    calculation = "a calculation" if isinstance(node, nodes.BinExpr | nodes.UnaryExpr) else f"'{kind.lower()}'"
    return _NAMES.get(kind, calculation)
