"""Which rows a question is about: scope, filter, search, pools and what comes beside, as one condition.

It is compiled once for each combination of shapes; what the caller asks for are the values of its open parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, true

from crm_kit import errors, scope
from crm_kit.rpc import Call
from crm_records import custom_fields, filter_language, filter_me, filters, pooling, search, sql, visibility, whole
from crm_records.record import Record


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A condition that comes beside a filter. Its statement is kept by `shape`, which must tell all of it but the
    values of its open parameters; no other parameter of a list may have their names."""

    condition: ColumnElement[bool]
    shape: Any
    values: Mapping[str, Any]
    compared: Collection[str] = ()
    """Fields of the record, and kinds of its parts, that the condition looks at."""


Also = ColumnElement[bool] | Narrowing | None


def of(
    call: Call,
    record: Record,
    filter_text: str,
    words: str,
    deleted: bool,
    also: Also,
    compared: Collection[str] = (),
) -> tuple[Any, ColumnElement[bool], dict[str, Any]]:
    """What a caller asks for within the scope: the shape it is kept by, the condition, and the values to bind.

    `compared` are fields that the result is sorted, counted or added up by.
    """
    tree = filter_me.named(call, record, filter_language.parse(filter_text)) if filter_text.strip() else None
    custom_kinds = custom_fields.kinds_of(call, record) if tree is not None and "custom." in filter_text else {}
    asked = search.words_of(words)
    searching = bool(asked)
    if searching and not record.search:
        raise errors.Invalid(key="bad_filter", what=("不支持搜索", "this cannot be searched"))
    view = visibility.of(call, record)
    if view is not None and tree is not None:
        filter_language.refuse(tree, view.is_blind)
    unseen = visibility.unseen_in_search(call, record) if searching else {}
    narrowing = also if isinstance(also, Narrowing) else None
    looked_at = [
        *compared,
        *(filter_language.names(tree) if tree is not None else ()),
        *(narrowing.compared if narrowing else ()),
    ]
    spared = visibility.spared(call, record, looked_at, searching)
    reach = record.reach(call)
    shape = scope.shape(reach)
    tree_shape = filter_language.shape(tree) if tree is not None else None
    kinds_key = tuple(sorted(custom_kinds.items()))
    searched = (len(asked), *unseen.items()) if asked else ()
    condition = also.condition if isinstance(also, Narrowing) else also
    also_shape = narrowing.shape if narrowing is not None else also
    key = (record, shape, tree_shape, searched, spared.shape, deleted, also_shape, kinds_key)
    found = sql.KEPT.get(key)
    if found is None:
        compiled = filters.compile_tree(record, tree, custom_kinds) if tree is not None else None
        where = _where(record, shape, compiled, len(asked), deleted, condition, unseen, spared)
        found = sql.keep(key, (where, compiled))
    where, compiled = found
    parameters: dict[str, Any] = {**scope.parameters(reach), **spared.parameters()}
    if compiled is not None:
        parameters |= compiled.parameters(tree, call.connection)
    for place, word in enumerate(asked):
        bound = record.search_parameters(call, word, unseen) | whole.parameters(call, record, words, word)
        parameters |= search.named(bound, place)
    if narrowing is not None:
        parameters |= narrowing.values
    return key, where, parameters


def _where(
    record: Record,
    shape: scope.Shape,
    compiled: filters.Compiled | None,
    words: int,
    deleted: bool,
    also: ColumnElement[bool] | None,
    unseen: Mapping[str, frozenset[str]],
    spared: pooling.Narrowing,
) -> ColumnElement[bool]:
    table = record.table
    parts: list[ColumnElement[bool]] = [table.c.delete_time.is_not(None) if deleted else table.c.delete_time.is_(None)]
    within = record.within(shape)
    if within is not None:
        parts.append(within)
    if compiled is not None:
        parts.append(compiled.condition)
    if words:
        found = record.narrow_search(unseen) if unseen else record.search_condition()
        found = spared.searched(record, found)
        parts += [search.of_word(found, place) for place in range(words)]
    parts += spared.conditions(record)
    if also is not None:
        parts.append(also)
    return and_(true(), *parts)
