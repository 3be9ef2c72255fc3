"""Keys that only one living customer may have, where an administrator wants it: the database guarantees it.

Each is a row of `hard_key`, whose primary key is the guarantee. Of an encrypted number it holds the blind index, under
every index key that is in force: while keys change, two writers have at least one of them in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Text, any_, bindparam, delete, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from crm.customer.v1 import customers_pb2 as pb
from crm_kit import errors, sealing
from crm_kit.errors import Problem
from crm_kit.kept import Kept
from crm_kit.rpc import Call
from crm_records import blind, sql
from crm_records import fields as kinds
from crm_records.erasing import NOBODY
from crm_records.record import Row
from customer import names
from customer.duplicates.tables import duplicate_key, hard_key
from customer.tables import customer

OFF, BUILDING, ON = "off", "building", "on"
KEYS = tuple((field, kind) for field in ("name", "mobile") for kind in ("organization", "individual"))
"""What there is to switch on: (field, kind of customer)."""
_FIELDS = kinds.of(pb.Customer.DESCRIPTOR)


def _load(connection: Connection) -> dict[str, tuple[str, ...]]:
    rows = connection.execute(
        select(duplicate_key.c.kind, duplicate_key.c.field).where(duplicate_key.c.state != OFF)
    ).all()
    return {kind: tuple(sorted(r.field for r in rows if r.kind == kind)) for kind in {r.kind for r in rows}}


KEPT = Kept(_load)
"""Which fields are keys, by kind of customer. A change acts everywhere within two seconds; the job that builds a key
waits for that."""

_TAKE = sql.prepare(
    insert(hard_key)
    .values({n: bindparam(n, type_=hard_key.c[n].type) for n in ("field", "value", "customer_id")})
    .on_conflict_do_nothing()
    .returning(hard_key.c.field)
)
_DROP = sql.prepare(
    delete(hard_key).where(
        hard_key.c.customer_id == bindparam("customer_id", type_=hard_key.c.customer_id.type),
        hard_key.c.field == any_(bindparam("fields", type_=ARRAY(Text))),
    )
)
_HELD = select(hard_key.c.field).where(hard_key.c.customer_id == bindparam("customer_id")).distinct()


def take(call: Call, row: Row, before: Row | None) -> None:
    """Take the keys of a written customer, give back those it no longer has. ALREADY_EXISTS if one is taken."""
    wanted = KEPT.read(call.connection)
    if not wanted:
        return
    living = row["delete_time"] is None
    new = values(call.connection, row, wanted.get(row["kind"], ())) if living else {}
    if before is not None:
        was = values(call.connection, before, wanted.get(before["kind"], ())) if before["delete_time"] is None else {}
        if was == new:
            return
        _DROP.run(call.connection, {"customer_id": row["id"], "fields": sorted({*was, *new})})
    for place, texts in sorted(new.items()):
        if not all(take_one(call.connection, place, text, row["id"]) for text in texts):
            field = place.partition(".")[2]
            f = _FIELDS[field]
            raise errors.Exists("exists", Problem(f.json_name, "taken", {"label": f.label, "value": row[field][:60]}))


def place_of(field: str, kind: str) -> str:
    """Where the values of a field stand: companies and persons may share them."""
    return f"{kind}.{field}"


def take_one(connection: Connection, place: str, value: str, customer_id: str) -> bool:
    """Whether a value was free. Waits for whoever is about to take it."""
    row = {"field": place, "value": value, "customer_id": customer_id}
    return _TAKE.run(connection, row).fetchone() is not None


def values(connection: Connection, row: Mapping[str, Any], fields: Sequence[str]) -> dict[str, list[str]]:
    """By place, what stands in `hard_key` for a customer."""
    found = {}
    for field in fields:
        if not row[field] or row[field] == NOBODY:  # the name of everybody who was erased
            continue
        place = place_of(field, row["kind"])
        if field == "name":
            found[place] = [names.key(row[field]) or row[field]]
        else:
            found[place] = sorted(blind.sought(connection, blind.of(customer).values(field, [row[field]])))
    return found


def resealed(connection: Connection, customer_id: str, plain: Mapping[str, bytes]) -> None:
    """The keys that values are sealed with changed: a number that is held is held under the new ones as well."""
    for place in connection.scalars(_HELD, {"customer_id": customer_id}).all():
        field = place.partition(".")[2]
        if field in plain:
            tokens = blind.of(customer).values(field, [plain[field].decode()])
            for token in sorted(sealing.of(connection).sought(connection, tokens)):
                take_one(connection, place, token, customer_id)


customer.info["resealed"] = resealed
