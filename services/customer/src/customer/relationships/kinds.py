"""Kinds of relationships: what a tie can be, what it is called from either end, and who moves whom by it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from crm.customer.v1 import relationship_kinds_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.kept import Kept
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer.relationships.tables import relationship, relationship_kind

errors.texts(
    {
        "hierarchy_has_direction": (
            "上下级关系必须有方向，且只用于联系人",
            "A line of command has a direction and is between contacts",
        ),
        "code_kept": ("关系种类“{code}”仍在使用，请停用", "The kind “{code}” is in use: retire it instead"),
    }
)


def _load(connection: Connection) -> dict[str, Any]:
    k = relationship_kind
    return {row.code: row for row in connection.execute(select(k).where(k.c.delete_time.is_(None)))}


KINDS = Kept(_load)
"""Code → the kind."""


class RelationshipKinds(Record):
    """See the contract for the fields."""

    message = pb.RelationshipKind
    table = relationship_kind
    plural = "relationship_kinds"

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if row["hierarchy"] and not (row["directed"] and row["ends"] == "contacts"):
            raise errors.Invalid(Problem("hierarchy", "hierarchy_has_direction"))
        for name, of in (("inverse_zh", "label_zh"), ("inverse_en", "label_en")):
            if not row["directed"]:
                row[name] = row[of]
            elif not row[name]:
                field = self.fields[name]
                raise errors.Invalid(Problem(field.json_name, "required", {"label": field.label}))

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        call.after_commit.append(KINDS.forget)

    def may_delete(self, call: Call, row: Row) -> None:
        used = select(func.count()).where(relationship.c.kind == row["code"], relationship.c.delete_time.is_(None))
        if call.connection.scalar(used):
            raise errors.Conflict("code_kept", code=row["code"])


RELATIONSHIP_KINDS = RelationshipKinds()


def labels(call: Call, kind: Any) -> tuple[str, str]:
    """What a kind is called from the one end and from the other, in the caller's language."""
    if call.language == errors.EN:
        return kind.label_en, kind.inverse_en
    return kind.label_zh, kind.inverse_zh
