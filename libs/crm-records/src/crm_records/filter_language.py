"""The filter language (a subset of AIP-160): text → tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import VisitError

from crm_kit import errors

_GRAMMAR = r"""
?start: either
?either: both (_OR both)*          -> any_of
?both: one (_AND one)*             -> all_of
?one: _NOT one                     -> negated
    | "(" either ")"
    | FIELD OPERATOR value         -> comparison
    | FIELD _IN "(" value ("," value)* ")"  -> membership
value: STRING -> quoted
     | BARE   -> bare
     | FIELD  -> bare
_OR.3: /OR(?![\w.])/
_AND.3: /AND(?![\w.])/
_NOT.3: /NOT(?![\w.])/
_IN.3: /in(?=\s*\()/i
OPERATOR: "!=" | "<=" | ">=" | "=" | "<" | ">" | ":"
FIELD.2: /[A-Za-z_][A-Za-z0-9_]*(\.[a-z0-9_-]+)?(?![\w.:-])|[A-Za-z_][A-Za-z0-9_]*(\.[a-z0-9_-]+)?(?=\s*(:|=|!|<|>))/
BARE: /[^\s()",=<>!:]+/
STRING: /"(\\.|[^"\\])*"/
%ignore /\s+/
"""
_PERSONAL = re.compile(r"[\d\s+().-]{7,}|[^\s\"@]+@[^\s\"]*")
"""What may be a number or an address of somebody: an answer that may be shown to others does not repeat it."""

CONDITIONS = 50
LONGEST = 4000
"""Characters of a filter, as the contract says wherever there is one."""
_SHOWN = 30
"""Characters of it that a refusal repeats."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: field, operator and values as written."""

    field: str
    operator: str
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """`and`, `or`, `not` over parts."""

    kind: str
    parts: tuple[Any, ...]


class _Tree(Transformer[Token, Any]):
    def any_of(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else Group("or", tuple(parts))

    def all_of(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else Group("and", tuple(parts))

    def negated(self, parts: list[Any]) -> Any:
        return Group("not", tuple(parts))

    def comparison(self, parts: list[Any]) -> Comparison:
        return Comparison(str(parts[0]), str(parts[1]), (parts[2],))

    def membership(self, parts: list[Any]) -> Comparison:
        return Comparison(str(parts[0]), "in", tuple(parts[1:]))

    def quoted(self, parts: list[Token]) -> str:
        text = str(parts[0])[1:-1]
        return text.replace('\\"', '"').replace("\\\\", "\\")

    def bare(self, parts: list[Token]) -> str | None:
        return None if parts[0] == "null" else str(parts[0])


_parser = Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Tree(), maybe_placeholders=False)


@lru_cache(maxsize=2000)
def parse(text: str) -> Any:
    """The tree of a filter. Refuses what is not in the language, saying where."""
    if len(text) > LONGEST:
        raise errors.Invalid(
            key="bad_filter", what=(f"超过 {LONGEST} 个字符", f"it has more than {LONGEST} characters")
        )
    try:
        tree = _parser.parse(text)
        size = _size(tree)
    except UnexpectedInput as error:
        place = _place(text, max(0, error.pos_in_stream or 0))
        raise errors.Invalid(
            key="bad_filter", what=(f"“{place}”处无法理解", f"cannot be understood at “{place}”")
        ) from None
    except (VisitError, RecursionError):
        raise errors.Invalid(key="bad_filter", what=("过于复杂", "too complex")) from None
    if size > CONDITIONS:
        raise errors.Invalid(key="bad_filter", what=("条件过多", "too many conditions"))
    return tree


def _place(text: str, start: int) -> str:
    """What stands at a place of a filter, as far as anybody may read it. The pattern runs over a piece: over all of a
    long text it takes the square of its length."""
    piece = text[start : start + 4 * _SHOWN]
    whole = piece if start + len(piece) == len(text) else piece.rpartition(" ")[0]  # no half of an address
    return _PERSONAL.sub("…", whole)[:_SHOWN] or "…"


def _size(tree: Any) -> int:
    return 1 if isinstance(tree, Comparison) else sum(_size(p) for p in tree.parts)


def shape(tree: Any) -> Any:
    """What the SQL depends on: the tree without its values."""
    if isinstance(tree, Comparison):
        return (tree.field, tree.operator, len(tree.values) if tree.operator == "in" else 0, tree.values[0] is None)
    return (tree.kind, *(shape(p) for p in tree.parts))


def tests(tree: Any) -> Iterator[Comparison]:
    """The comparisons of a tree, in the order of the text."""
    if isinstance(tree, Comparison):
        yield tree
    else:
        for part in tree.parts:
            yield from tests(part)


def refuse(tree: Any, unseen: Callable[[str], bool]) -> None:
    """Refuse a tree that compares a field that its author does not see, as if there were none of that name."""
    for test in tests(tree):
        if unseen(test.field):
            raise no_field(test.field)


def names(tree: Any) -> set[str]:
    """The fields that a tree compares, as they were written."""
    return {test.field for test in tests(tree)}


def no_field(name: str) -> errors.Invalid:
    """The refusal of a field that there is not, or not for its author."""
    return errors.Invalid(key="bad_filter", what=(f"没有字段 {name}", f"there is no field {name}"))
