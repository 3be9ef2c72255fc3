"""A record's table, made from its message: one name on every layer, written once, in the contract.

What the contract cannot say (indexes, uniqueness, derived columns) is passed beside it. Migrations are written
out in full, and a test compares them with what this makes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_kit import db, sealing
from crm_kit.contract import Descriptor
from crm_records import blind
from crm_records import fields as kinds
from crm_records.fields import Field


def table(metadata: MetaData, descriptor: Descriptor, name: str, *extra: Any, searchable: bool = False) -> Table:
    """The table of a record. `extra` are columns, constraints and indexes beyond the contract."""
    described = kinds.of(descriptor)
    columns = [_column(f) for f in described.values() if not f.computed]
    columns.append(Column("version", Integer, nullable=False, server_default=text("1")))
    columns.append(Column("deleter_id", Uuid(as_uuid=False)))
    encrypted = any(f.encrypted for f in described.values())
    if encrypted:
        columns.append(Column(blind.COLUMN, ARRAY(Text), nullable=False, server_default=text("'{}'")))
    if searchable:
        columns += [Column("search_text", Text), Column("search_grams", ARRAY(Text))]
    made = Table(name, metadata, *columns, *extra)
    if "number" in described:
        Index(f"uq_{name}_number", made.c.number, unique=True)
    if "external_id" in described:
        unique(made, "external_id")
    if "owner_id" in described:
        Index(f"ix_{name}_owner_id", made.c.owner_id, made.c.id)
        Index(f"ix_{name}_department_id", made.c.department_id, made.c.id)
    for f in described.values():
        if f.kind == kinds.ID and f.references not in ("", "user") and f.name != "department_id" and not f.computed:
            Index(f"ix_{name}_{f.name}", made.c[f.name])
        if not f.computed and f.min is not None and f.kind in (kinds.DECIMAL, kinds.INTEGER):
            made.append_constraint(CheckConstraint(made.c[f.name] >= f.min, name=f"ck_{name}_{f.name}_min"))
    if searchable:
        Index(f"ix_{name}_search_grams", made.c.search_grams, postgresql_using="gin")
    if encrypted:
        blind.put(made, described.values())
        Index(f"ix_{name}_{blind.COLUMN}", made.c[blind.COLUMN], postgresql_using="gin")
    tell_unique(made, descriptor)
    return made


def tell_unique(made: Table, descriptor: Descriptor) -> None:
    """Let a taken value be told by the name and label of its field."""
    described = kinds.of(descriptor)
    for index in made.indexes:
        names = [c.name for c in index.columns]
        if index.unique and len(names) == 1 and names[0] in described:
            f = described[names[0]]
            db.UNIQUE[str(index.name)] = (f.json_name, f.label)


def unique(made: Table, column: str) -> Index:
    """Unique among the living records: one in the recycle bin does not hold the value."""
    return Index(f"uq_{made.name}_{column}", made.c[column], unique=True, postgresql_where=made.c.delete_time.is_(None))


def _column(f: Field) -> Column[Any]:
    if f.encrypted:
        return Column(f.name, LargeBinary, nullable=not f.required, info=sealing.SEALED)
    match f.kind:
        case kinds.ID:
            if f.name == "id":
                return Column("id", Uuid(as_uuid=False), primary_key=True)
            return Column(f.name, Uuid(as_uuid=False), nullable=not f.required)
        case kinds.TEXT:
            return Column(f.name, Text, nullable=not f.required)
        case kinds.DECIMAL:
            return Column(f.name, Numeric(18, f.scale), nullable=not f.required)
        case kinds.DATE:
            return Column(f.name, Date, nullable=not f.required)
        case kinds.TIME:
            return Column(f.name, DateTime(timezone=True), nullable=f.name not in ("create_time", "update_time"))
        case kinds.INTEGER:
            return Column(f.name, Integer)
        case kinds.BOOLEAN:
            return Column(f.name, Boolean, nullable=False, server_default=text("false"))
        case kinds.TEXTS:
            return Column(f.name, ARRAY(Text), nullable=False, server_default=text("'{}'"))
        case kinds.IDS:
            return Column(f.name, ARRAY(Uuid(as_uuid=False)), nullable=False, server_default=text("'{}'"))
        case kinds.DATA:
            default = text("'[]'") if f.repeated else None
            return Column(f.name, JSONB, nullable=not f.repeated, server_default=default)
        case kinds.CUSTOM:
            return Column(f.name, JSONB, nullable=False, server_default=text("'{}'"))
    raise AssertionError(f.kind)
