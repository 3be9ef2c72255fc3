"""Which records an act is about: ids, or what a list shows, written down before anything is changed.

Were the list asked again between two pieces, a change that moves a record in or out of the filter would make the act
skip some and meet others twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Uuid, delete, insert, select

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import listing, paging
from crm_records.record import Record

MOST_IDS = 10_000
PAGES = 20
"""Pages of the list that one step reads."""

errors.texts(
    {
        "nothing_selected": (
            "请选择记录：ids、filter/search 或 everything 之一",
            "Select records: by ids, by filter and search, or everything; one of the three",
        )
    }
)

metadata = MetaData()

act_target = Table(
    "act_target",
    metadata,
    Column("act_id", Uuid(as_uuid=False), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("record_id", Uuid(as_uuid=False), nullable=False),
)


def check(call: Call, record: Record, request: Any) -> dict[str, Any]:
    """The selection of a request as a job keeps it. INVALID_ARGUMENT where it is none, or names what does not exist."""
    ids = list(dict.fromkeys(request.ids))
    if (bool(ids), bool(request.filter or request.search), request.everything).count(True) != 1:
        raise errors.Invalid(key="nothing_selected")
    if len(ids) > MOST_IDS:
        label = kinds.of(request.DESCRIPTOR)["ids"].label
        raise errors.Invalid(Problem("ids", "too_many", {"label": label, "limit": MOST_IDS}))
    if not all(kinds.is_id(i) for i in ids):
        raise errors.Invalid(Problem("ids", "bad_format", {"label": kinds.of(request.DESCRIPTOR)["ids"].label}))
    if not ids:
        read_page(call, record, request.filter, request.search, "", 1)
    return {"filter": request.filter, "search": request.search} if not ids else {"ids": len(ids)}


def write_down(connection: Connection, act_id: str, ids: Sequence[str], begin: int = 0) -> None:
    """Keep ids as the targets of an act, from this position on."""
    if ids:
        rows = [{"act_id": act_id, "position": begin + n, "record_id": i} for n, i in enumerate(ids)]
        connection.execute(insert(act_target), rows)


def go_on(
    call: Call, record: Record, act_id: str, selection: dict[str, Any], token: str, found: int
) -> tuple[str, int]:
    """Write down the next pages of what the list shows; (the token that goes on, empty at the end; found so far)."""
    for _ in range(PAGES):
        page = read_page(call, record, selection["filter"], selection["search"], token, paging.LARGEST_PAGE)
        write_down(call.connection, act_id, [m.id for m in page.messages], found)
        found, token = found + len(page.messages), page.next_page_token
        if not token:
            break
    return token, found


def next_ones(connection: Connection, act_id: str, position: int, many: int) -> list[str]:
    """The targets from a position on."""
    query = select(act_target.c.record_id).where(act_target.c.act_id == act_id, act_target.c.position >= position)
    return list(connection.scalars(query.order_by(act_target.c.position).limit(many)))


def forget(connection: Connection, act_id: str) -> None:
    """The act is over: what it was about stands in what it did."""
    connection.execute(delete(act_target).where(act_target.c.act_id == act_id))


def read_page(call: Call, record: Record, filter_: str, search: str, token: str, size: int) -> listing.Page:
    """A page of what the caller reads; what they may do with it is asked record by record."""
    call.need(f"{record.type}.read")
    right, call.caller.right = call.caller.right, f"{record.type}.read"
    try:
        asked = pb.ListRequest(filter=filter_, search=search, page_token=token, page_size=size, fields="id")
        return listing.page(call, record, asked)
    finally:
        call.caller.right = right
