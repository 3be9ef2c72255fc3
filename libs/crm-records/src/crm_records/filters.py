"""A filter's tree as SQL with open parameters.

The SQL depends on the shape of a filter only, so `name:"上海"` and `name:"北京"` share one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Integer,
    Numeric,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    not_,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_kit import errors
from crm_records import blind, filter_language, search, validation
from crm_records import fields as kinds
from crm_records.fields import Field
from crm_records.filter_language import Comparison
from crm_records.record import Record

DEPTH = 20
_NULL = ("null 只能与 = 或 != 一起使用", "null goes with = and != only")

Readers = list[tuple[str, Callable[[Comparison], Any]]]
"""Parameters and how each gets its value from the comparison it belongs to."""


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
            if _is_custom_text(record, node, custom_kinds):
                return _compile_custom(record, node, name, readers)
            if _kind_of_custom(node, custom_kinds) == "multi_choice" and "custom" in record.table.c:
                return _compile_choices(record, node, name, readers)
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
        raise errors.Invalid(key="bad_filter", what=_NULL)
    field = _field(record, test.field)
    if field is not None and field.encrypted:
        return _compile_exact(record, field, test, name, readers)
    sql_type, read = _TYPES[kind]

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


def _is_custom_text(record: Record, test: Comparison, custom_kinds: Mapping[str, str]) -> bool:
    kind = _kind_of_custom(test, custom_kinds)
    written = kind in ("text", "choice", "reference") and "custom" in record.table.c
    return written and test.operator == "=" and test.values[0] is not None


def _kind_of_custom(test: Comparison, custom_kinds: Mapping[str, str]) -> str | None:
    """The kind of the custom field that a comparison is about; None where it is about no custom field that there is."""
    return custom_kinds.get(test.field.removeprefix("custom.")) if test.field.startswith("custom.") else None


def _compile_choices(record: Record, test: Comparison, name: str, readers: Readers) -> ColumnElement[bool]:
    """A custom field of several choices is compared as a list: it holds one, or one of several, or is empty."""
    key = test.field.removeprefix("custom.")
    custom = record.table.c.custom
    if None in test.values:
        if test.operator not in ("=", "!="):
            raise errors.Invalid(key="bad_filter", what=_NULL)
        empty = or_(custom[key].is_(None), custom[key].astext == "[]")
        return empty if test.operator == "=" else not_(empty)
    if test.operator == "in":
        readers.append((f"{name}_v", lambda t: [Jsonb({key: [value]}) for value in t.values]))
        return custom.op("@>", is_comparison=True)(any_(bindparam(f"{name}_v", type_=ARRAY(JSONB))))
    if test.operator not in ("=", ":", "!="):
        raise errors.Invalid(key="bad_filter", what=(f"{key}是列表", f"{key} is a list"))
    readers.append((f"{name}_v", lambda t: Jsonb({key: [t.values[0]]})))
    found = custom.contains(bindparam(f"{name}_v", type_=JSONB))
    return not_(found) if test.operator == "!=" else found


def _compile_custom(record: Record, test: Comparison, name: str, readers: Readers) -> ColumnElement[bool]:
    """A custom field that is a text equals a value: in the form that the index on `custom` serves."""
    readers.append((f"{name}_v", lambda t: Jsonb({t.field.removeprefix("custom."): t.values[0]})))
    return record.table.c.custom.contains(bindparam(f"{name}_v", type_=JSONB))


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
            return *custom_column(record, key, custom_kinds[key]), (key, key)
    else:
        field = _field(record, name)
        if field is not None and field.kind in _TYPES:
            return record.table.c[field.name], field.kind, field.label
    raise filter_language.no_field(name)


def _field(record: Record, name: str) -> Field | None:
    """The stored field of a name, as the contract or as JSON writes it."""
    return record.stored.get(name) or next((f for f in record.stored.values() if f.json_name == name), None)


def custom_column(record: Record, key: str, kind: str) -> tuple[ColumnElement[Any], str]:
    """A custom field as a typed column, and the kind it compares as."""
    text = record.table.c.custom[key].astext
    match kind:
        case "number":
            return cast(text, Numeric), kinds.DECIMAL
        case "date":
            # Guarded: one value that is no date must not break the question for everybody.
            is_day = text.regexp_match(r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$")
            return case((is_day, cast(text, Date)), else_=None), kinds.DATE
    return text, kinds.TEXT


def _time(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text] if text in ("true", "false") else _no(text)


def _no(text: str) -> bool:
    raise ValueError(text)


def _identifier(text: str) -> str:
    return text if kinds.is_id(text) else str(_no(text))


def _whole(text: str) -> int:
    value = int(text)
    return value if -(2**31) <= value < 2**31 else int(_no(text))


def _day(text: str) -> date:
    value = validation.day(text)
    if value is None:
        raise ValueError(text)
    return value


def _finite(text: str) -> Decimal:
    value = validation.number(text)
    if value is None:
        raise ValueError(text)
    return value


_TYPES: dict[str, tuple[Any, Callable[[str], Any]]] = {
    kinds.TEXT: (Text, str),
    kinds.DECIMAL: (Numeric, _finite),
    kinds.DATE: (Date, _day),
    kinds.ID: (Uuid(as_uuid=False), _identifier),
    kinds.TIME: (DateTime(timezone=True), _time),
    kinds.INTEGER: (Integer, _whole),
    kinds.BOOLEAN: (Boolean, _boolean),
    kinds.TEXTS: (Text, str),
    kinds.IDS: (Uuid(as_uuid=False), _identifier),
}
