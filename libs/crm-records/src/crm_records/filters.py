"""A filter's tree as SQL with open parameters.

The SQL depends on the shape of a filter only, so `name:"上海"` and `name:"北京"` share one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, and_, any_, bindparam, not_, or_, true
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit import errors
from crm_records import blind, custom_filters, filter_language, search
from crm_records import fields as kinds
from crm_records.fields import Field
from crm_records.filter_language import Comparison
from crm_records.filter_values import NULL, TYPES, Readers
from crm_records.record import Record

DEPTH = 20


@dataclass(frozen=True, slots=True)
class Compiled:
    """A condition with open parameters, and how each gets its value: (parameter, how to read, place in the tree)."""

    condition: ColumnElement[bool]
    readers: tuple[tuple[str, Callable[[Comparison], Any]], ...]

    def parameters(self, tree: Any, connection: Connection) -> dict[str, Any]:
        """The values of a tree of the same shape, as the driver takes them: the statement runs as `sql.Prepared`."""
        tests = list(filter_language.tests(tree))
        values = {name: read(tests[int(name.split("_")[1])]) for name, read in self.readers}
        return {
            name: blind.sought(connection, value.values) if isinstance(value, _Sought) else value
            for name, value in values.items()
        }


@dataclass(frozen=True, slots=True)
class _Sought:
    """Encrypted values that are asked for: what they are stored as depends on the keys of the moment."""

    values: list[tuple[str, str]]


def compile_tree(record: Record, tree: Any, custom_kinds: Mapping[str, str], prefix: str = "filter") -> Compiled:
    """The SQL condition of a tree on a record's table. Two in one statement need prefixes, of letters, of their own."""
    readers: Readers = []
    count = iter(range(10_000))

    def build(node: Any, depth: int) -> ColumnElement[bool]:
        if depth > DEPTH:
            raise errors.Invalid(key="bad_filter", what=("嵌套过深", "nested too deeply"))
        if isinstance(node, Comparison):
            name = f"{prefix}_{next(count)}"
            if custom_filters.equals_text(record, node, custom_kinds):
                return custom_filters.compile_text(record, node, name, readers)
            if custom_filters.kind_of(node, custom_kinds) == "multi_choice" and "custom" in record.table.c:
                return custom_filters.compile_choices(record, node, name, readers)
            return _compile_test(record, node, name, custom_kinds, readers)
        parts = [build(p, depth + 1) for p in node.parts]
        match node.kind:
            case "and":
                return and_(*parts)
            case "or":
                return or_(*parts)
        # All others, also those of which SQL cannot say whether the condition holds, as their value is empty.
        return parts[0].is_not(true())

    return Compiled(build(tree, 0), tuple(readers))


def _compile_test(
    record: Record,
    test: Comparison,
    name: str,
    custom_kinds: Mapping[str, str],
    readers: Readers,
) -> ColumnElement[bool]:
    column, kind, label = _column(record, test.field, custom_kinds)
    if test.values[0] is None and test.operator in ("=", "!="):
        empty = column == [] if kind in (kinds.TEXTS, kinds.IDS) else column.is_(None)
        return empty if test.operator == "=" else not_(empty)
    if None in test.values:
        raise errors.Invalid(key="bad_filter", what=NULL)
    field = _field(record, test.field)
    if field is not None and field.encrypted:
        return _compile_exact(record, field, test, name, readers)
    sql_type, read = TYPES[kind]

    def one(value: str | None) -> Any:
        try:
            return read(str(value))
        except ValueError:
            raise errors.Invalid(
                key="bad_filter",
                what=(f"“{value}”不能用于{label[0]}", f"“{value}” does not fit {label[1]}"),
            ) from None

    if test.operator == "in":
        if kind in (kinds.TEXTS, kinds.IDS):
            readers.append((f"{name}_v", lambda t: [one(v) for v in t.values]))
            return column.op("&&")(bindparam(f"{name}_v", type_=ARRAY(sql_type)))
        readers.append((f"{name}_v", lambda t: [one(v) for v in t.values]))
        return column == any_(bindparam(f"{name}_v", type_=ARRAY(sql_type)))
    if kind in (kinds.TEXTS, kinds.IDS):
        if test.operator not in ("=", ":", "!="):
            raise errors.Invalid(key="bad_filter", what=(f"{label[0]}是列表", f"{label[1]} is a list"))
        readers.append((f"{name}_v", lambda t: [one(t.values[0])]))
        found = column.contains(bindparam(f"{name}_v", type_=ARRAY(sql_type)))
        return not_(found) if test.operator == "!=" else found
    if test.operator == ":":
        if kind != kinds.TEXT:
            raise errors.Invalid(key="bad_filter", what=(f"{label[0]}不是文本", f"{label[1]} is not a text"))
        return _contains(record, test.field, column, name, readers)
    bound: ColumnElement[Any] = bindparam(f"{name}_v", type_=sql_type)
    readers.append((f"{name}_v", lambda t: one(t.values[0])))
    match test.operator:
        case "=":
            return column == bound
        case "!=":
            return column.is_distinct_from(bound)
        case "<":
            return column < bound
        case "<=":
            return column <= bound
        case ">":
            return column > bound
    return column >= bound


def _compile_exact(record: Record, field: Field, test: Comparison, name: str, readers: Readers) -> ColumnElement[bool]:
    """An encrypted field is compared with whole values only, through the blind index."""
    if test.operator not in ("=", "!=", "in"):
        what = (
            f"{field.label[0]}加密保存，只能用 =、!= 或 in 按完整的值查找",
            f"{field.label[1]} is kept encrypted: only =, != and in with the whole value find it",
        )
        raise errors.Invalid(key="bad_filter", what=what)
    index = blind.of(record.table)
    readers.append((f"{name}_v", lambda t: _Sought(index.values(field.name, [str(v) for v in t.values]))))
    found = search.exactly(record.table, tokens=f"{name}_v")
    return not_(found) if test.operator == "!=" else found


def _contains(
    record: Record,
    field: str,
    column: ColumnElement[Any],
    name: str,
    readers: Readers,
) -> ColumnElement[bool]:
    """A substring. Where the field is searchable the index of pairs finds the candidates."""

    def like(test: Comparison) -> str:
        text = str(test.values[0]).replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        return f"%{text}%"

    readers.append((f"{name}_v", like))
    found = column.ilike(bindparam(f"{name}_v", type_=Text))
    if field in record.search and "search_grams" in record.table.c:
        readers.append((f"{name}_g", lambda t: search.parameters(str(t.values[0]))["search_keys"]))
        return and_(record.table.c.search_grams.contains(bindparam(f"{name}_g", type_=ARRAY(Text))), found)
    return found


def _column(
    record: Record, name: str, custom_kinds: Mapping[str, str]
) -> tuple[ColumnElement[Any], str, tuple[str, str]]:
    if name.startswith("custom."):
        key = name.removeprefix("custom.")
        if custom_kinds.get(key) not in (None, "multi_choice") and "custom" in record.table.c:
            return *custom_filters.column_of(record, key, custom_kinds[key]), (key, key)
    else:
        field = _field(record, name)
        if field is not None and field.kind in TYPES:
            return record.table.c[field.name], field.kind, field.label
    raise filter_language.no_field(name)


def _field(record: Record, name: str) -> Field | None:
    """The stored field of a name, as the contract or as JSON writes it."""
    return record.stored.get(name) or next((f for f in record.stored.values() if f.json_name == name), None)
