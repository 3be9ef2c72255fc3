"""Small copies of other services' records: name, owner, what a service shows or asks of them while the other is away.

Fed by events. Where a record is asked for that has not arrived yet (it was made a moment ago), the service that
owns it is asked once with the caller's own token, and the answer is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import Message
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    select,
)

from crm.records.v1 import records_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import array_rows, errors, scope
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_kit.settings import peer_address
from crm_records import sql

log = logging.getLogger(__name__)


class Copy:
    """The copy of one record type of another service."""

    PATIENCE = 2.0
    """Seconds that the owner of a record is given to answer."""

    def __init__(
        self,
        metadata: MetaData,
        message: type[Message],
        *,
        record_type: str,
        service: str,
        rpc: str,
        fields: Sequence[str] = ("name",),
    ) -> None:
        self.message, self.record_type, self.service = message, record_type, service
        self._fields, self._rpc = fields, rpc
        self._owned = "owner_id" in message.DESCRIPTOR.fields_by_name
        columns = [Column(n, Text) for n in fields]
        if self._owned:
            columns += [Column("owner_id", Uuid(as_uuid=False)), Column("department_id", Uuid(as_uuid=False))]
        self.table = Table(
            f"copy_{record_type}",
            metadata,
            Column("id", Uuid(as_uuid=False), primary_key=True),
            *columns,
            Column("deleted", Boolean, nullable=False),
            Column("version", Integer, nullable=False),
        )
        if self._owned:
            Index(f"ix_copy_{record_type}_owner_id", self.table.c.owner_id)
        self._channel: grpc.Channel | None = None
        self._naming: dict[str, sql.Prepared] = {}

    @property
    def source(self) -> str:
        """The name of its events for an inbox: "customer.customer"."""
        return f"{self.service}.{self.record_type}"

    def apply(self, connection: Connection, events: Sequence[Event]) -> None:
        """Keep what events say; the last of several about one record says it all."""
        rows = []
        for event in {e.record_id: e for e in events}.values():
            record = self.message()
            event.record.Unpack(record)
            rows.append(self._row(record, event.version))
        array_rows.upsert(connection, self.table, rows)

    def existing(self, call: Call, ids: Sequence[str]) -> set[str]:
        """Which of the ids the caller may point at: here, or where the record lives."""
        if self._owned and not call.access.may(f"{self.record_type}.read"):
            return set()
        # Held until the transaction ends: a record that goes, into another by a merge for example, waits for those who
        # are about to point at it, so that whoever follows the merge finds them.
        query = select(self.table.c.id, self.table.c.deleted).where(one_of(self.table.c.id, ids))
        query = query.with_for_update(read=True)
        known = {row.id: row.deleted for row in call.connection.execute(query)}
        reachable = {i for i, deleted in known.items() if not deleted}
        if self._owned and reachable:
            reach = call.access.reach(self.record_type, f"{self.record_type}.read")
            c = self.table.c
            within = scope.condition(scope.shape(reach), c.owner_id, c.department_id, record=c.id)
            if within is not None:
                query = select(self.table.c.id).where(one_of(self.table.c.id, reachable), within)
                reachable = set(call.connection.scalars(query, scope.parameters(reach)))
        for missing in set(ids) - set(known):
            if self._ask(call, missing):
                reachable.add(missing)
        return reachable

    def names(self, connection: Connection, ids: Sequence[str], column: str = "name") -> dict[str, str]:
        """Names of records by id, for showing them."""
        if column not in self._naming:
            key = self.table.c.id
            wanted = key == any_(bindparam("ids", type_=ARRAY(key.type)))
            self._naming[column] = sql.prepare(select(key, self.table.c[column]).where(wanted))
        return {row[0]: row[1] or "" for row in self._naming[column].run(connection, {"ids": list(ids)})}

    def _ask(self, call: Call, record_id: str) -> bool:
        if self._channel is None:
            self._channel = grpc.insecure_channel(peer_address(self.service))
        get = self._channel.unary_unary(
            self._rpc,
            request_serializer=pb.GetRequest.SerializeToString,
            response_deserializer=self.message.FromString,
        )
        metadata = call.metadata.passed_on()
        try:
            record = get(pb.GetRequest(id=record_id), timeout=self.PATIENCE, metadata=metadata)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED):
                return False
            log.warning("%s cannot be asked for a %s: %s", self.service, self.record_type, error.code().name)
            raise errors.Unavailable("service_unavailable", retry_after=1) from None
        if record.id != record_id:  # merged: what is left of it lives under another id
            return False
        if not call.access.fields(self.record_type):  # else others would be shown what this caller sees of it
            array_rows.upsert(call.connection, self.table, [self._row(record, int(record.etag))])
        return True

    def _row(self, record: Any, version: int) -> dict[str, Any]:
        row = {"id": record.id, "deleted": record.HasField("delete_time"), "version": version}
        row.update({n: getattr(record, n) for n in self._fields})
        if self._owned:
            row.update(owner_id=record.owner_id or None, department_id=record.department_id or None)
        return row
