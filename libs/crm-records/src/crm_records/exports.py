"""Records as a file or on paper: what a list shows, said in words, within the limit that the caller's roles set.

Rows are read page by page through the list itself, so scope, filter and fields are those of the list. Every file
says who made it and when; what it may hold at most is a matter of the roles' policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import select

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import custom_fields, dictionaries, files, listing, paging, reaching, showing, visibility
from crm_records import fields as kinds
from crm_records.export_formats import Cell, Table, to_csv, to_html, to_xlsx
from crm_records.fields import Field
from crm_records.record import Record
from crm_records.view import View

LARGEST = 15 * 1024 * 1024
"""Bytes of one file: an answer is one message."""

errors.texts(
    {
        "rows_over_limit": (
            "超过您一次可以取走的 {limit} 行，请缩小范围",
            "That is more than the {limit} rows you may take at once; narrow the selection",
        ),
        "file_too_large": (
            "文件超过 {limit} MB，请缩小范围或减少字段",
            "The file is larger than {limit} MB; narrow the selection or ask for fewer fields",
        ),
    }
)

_WORDS = {
    "yes": ("是", "yes"),
    "no": ("否", "no"),
    "about": ("导出说明", "About this file"),
    "by": ("操作人", "Made by"),
    "at": ("时间", "Time"),
    "rows": ("行数", "Rows"),
    "filter": ("过滤条件", "Filter"),
    "search": ("搜索", "Search"),
}


def export(call: Call, record: Record, request: Any) -> HttpBody:
    """The records that a request names, as CSV or XLSX. INVALID_ARGUMENT for another format."""
    refuse_format(request)
    rows = _collect(call, record, request, "exportRows")
    made = table(call, record, request, rows)
    if request.format == "csv":
        return _file(call, record, files.CSV, to_csv(made))
    return _file(call, record, files.XLSX, to_xlsx(made, *facts(call, request, made.mark, len(rows))))


def facts(call: Call, request: Any, mark: str, rows: int) -> tuple[str, list[tuple[str, str]]]:
    """(heading, lines) that say where the rows of a file are from."""
    told = {"by": mark, "rows": str(rows), "filter": request.filter, "search": request.search}
    return _said(call, _WORDS["about"]), [(_said(call, _WORDS[word]), value) for word, value in told.items()]


def refuse_format(request: Any) -> None:
    """INVALID_ARGUMENT for a format that there is not."""
    asked = kinds.of(request.DESCRIPTOR)["format"]
    if request.format and request.format not in asked.values:
        params = {"label": asked.label, "value": request.format[:60], "choices": ", ".join(asked.values)}
        raise errors.Invalid(Problem(asked.json_name, "not_a_choice", params))


def to_print(call: Call, record: Record, request: Any) -> HttpBody:
    """The records that a request names, as a page of HTML whose every sheet says who printed it and when."""
    made = table(call, record, request, _collect(call, record, request, "printRows"))
    return _file(call, record, files.HTML, to_html(made, call.language))


def _collect(call: Call, record: Record, request: Any, limit_name: str) -> list[Any]:
    """Every message of the selection; PERMISSION_DENIED if there are more than the caller's roles allow."""
    limit = call.access.limit(call.caller.right, limit_name)
    found: list[Any] = []
    for page in _pages(call, record, request):
        found += page
        if len(found) > limit:
            raise errors.Denied("rows_over_limit", limit=limit)
    call.note(rows=len(found))
    return found


def _pages(call: Call, record: Record, request: Any) -> Iterator[Sequence[Any]]:
    token = ""
    while True:
        messages, token = one_page(call, record, request, token)
        yield messages
        if not token:
            return


def first_page(call: Call, record: Record, request: Any, size: int) -> None:
    """Refuse what the list refuses."""
    one_page(call, record, request, "", size)


def one_page(
    call: Call, record: Record, request: Any, token: str, size: int = paging.LARGEST_PAGE
) -> tuple[Sequence[Any], str]:
    """What the caller sees, by the right to read, as far as the right to take it along reaches, too; what goes on."""
    call.need(f"{record.type}.read")
    asked = pb.ListRequest(
        page_size=size,
        page_token=token,
        filter=request.filter,
        order_by=request.order_by,
        search=request.search,
        fields=request.fields,
    )
    right, leaving = call.caller.right, record.reach(call)
    call.caller.right = f"{record.type}.read"
    try:
        page = listing.page(call, record, asked)
        if leaving.all or leaving == record.reach(call):
            return page.messages, page.next_page_token
        among = reaching.those(call, record, [m.id for m in page.messages], leaving)
        return [m for m in page.messages if m.id in among], page.next_page_token
    finally:
        call.caller.right = right


def table(call: Call, record: Record, request: Any, messages: Sequence[Any]) -> Table:
    """The messages as rows under labels, in words."""
    chosen, view = showing.chosen_fields(record, request.fields, record.list_fields), visibility.of(call, record)
    chosen = chosen if view is None else view.chosen(chosen, request.fields)
    wanted = [record.fields[n] for n in chosen if n != "etag"]
    names = _names(call, wanted, messages)
    columns: list[tuple[str, Callable[[Any], Cell]]] = []
    for f in wanted:
        if f.kind == kinds.CUSTOM:
            columns += _custom_columns(call, record, view)
        elif f.kind != kinds.DATA:
            columns.append((_said(call, f.label), _teller(call, f, names)))
    now = datetime.now(UTC).astimezone(ZoneInfo(call.access.time_zone))
    mark = f"{call.access.name} ({call.access.username}) {now:%Y-%m-%d %H:%M}"
    rows = ([tell(message) for _, tell in columns] for message in messages)
    return Table(_said(call, record.label), [label for label, _ in columns], rows, mark)


def _names(call: Call, fields: Sequence[Field], messages: Sequence[Any]) -> Mapping[str, str]:
    """Names of the people and of the departments that the messages point at."""
    wanted: dict[str, set[str]] = {"user": set(), "department": set()}
    for f in (f for f in fields if f.references in wanted):
        for message in messages:
            value = getattr(message, f.name)
            wanted[f.references].update(value if f.kind == kinds.IDS else [value])
    table = organisation.department
    places = select(table.c.id, table.c.name).where(one_of(table.c.id, wanted["department"] - {""}))
    found = {row.id: row.name for row in call.connection.execute(places)} if wanted["department"] - {""} else {}
    return found | organisation.names(call.connection, wanted["user"])


def _teller(call: Call, f: Field, names: Mapping[str, str]) -> Callable[[Any], Cell]:
    """How a field is said in a cell."""
    name = f.name
    labels = {value: _said(call, words) for value, words in f.labels_of_values.items()}

    def one(value: Any) -> str:
        if f.dictionary:
            return dictionaries.label(call, f.dictionary, value)
        return labels.get(value) or names.get(value, value)

    match f.kind:
        case kinds.DECIMAL:
            return lambda message: Decimal(getattr(message, name)) if getattr(message, name) else ""
        case kinds.INTEGER:
            return lambda message: Decimal(getattr(message, name)) if _is_given(message, name) else ""
        case kinds.BOOLEAN:
            return lambda message: _said(call, _WORDS["yes" if getattr(message, name) else "no"])
        case kinds.TIME:
            zone = ZoneInfo(call.access.time_zone)
            return lambda message: (
                f"{getattr(message, name).ToDatetime(UTC).astimezone(zone):%Y-%m-%d %H:%M}"
                if message.HasField(name)
                else ""
            )
        case kinds.TEXTS | kinds.IDS:
            return lambda message: ", ".join(one(value) for value in getattr(message, name))
    return lambda message: one(getattr(message, name))


def _is_given(message: Any, name: str) -> bool:
    return not message.DESCRIPTOR.fields_by_name[name].has_presence or message.HasField(name)


def _custom_columns(call: Call, record: Record, view: View | None) -> list[tuple[str, Callable[[Any], Cell]]]:
    def tell(key: str, message: Any) -> Cell:
        if key not in message.custom:
            return ""
        value = message.custom[key]
        if isinstance(value, float):
            return Decimal(repr(value)).normalize()
        return value if isinstance(value, str) else ", ".join(str(v) for v in value)

    defined = custom_fields.KEPT.read(call.connection).get(record.type, {})
    return [
        (_said(call, (row.label_zh, row.label_en)), partial(tell, key))
        for key, row in defined.items()
        if not row.retired and (view is None or not view.is_gone(f"custom.{key}"))
    ]


def _file(call: Call, record: Record, content_type: str, data: bytes) -> HttpBody:
    if len(data) > LARGEST:
        raise errors.Invalid(key="file_too_large", limit=LARGEST // 1024 // 1024)
    return files.answer(call, record.type, content_type, data)


def _said(call: Call, words: tuple[str, str]) -> str:
    return words[1 if call.language == errors.EN else 0]
