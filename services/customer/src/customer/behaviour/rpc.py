"""Behaviour: events in and out, whose a visitor is, the setting; rules and tags."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update

from crm.customer.v1 import behaviour_pb2 as pb
from crm.customer.v1 import behaviour_tags_pb2 as tags_pb
from crm_kit import errors, field_access
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import writing
from crm_records.servicer import Servicer
from customer.behaviour import identities, reading, setting, storing, tags
from customer.behaviour.rules import BEHAVIOUR_TAG_RULES
from customer.behaviour.tables import active, pending, tag
from customer.customers import CUSTOMERS

errors.texts(
    {
        "tag_is_off": ("该标签已被移除", "The tag is off already"),
        "tag_is_on": ("该标签未被移除", "Nobody took the tag off"),
    }
)


class BehaviourServicer:
    """Answers for behaviour itself."""

    def RecordBehaviour(self, call: Call, request: pb.RecordBehaviourRequest) -> pb.RecordBehaviourResponse:
        return storing.record(call, request)

    def IdentifyVisitor(self, call: Call, request: pb.IdentifyVisitorRequest) -> pb.VisitorIdentity:
        return identities.identify(call, request)

    def ListBehaviourEvents(self, call: Call, request: pb.ListBehaviourEventsRequest) -> pb.ListBehaviourEventsResponse:
        return reading.events(call, request)

    def CountBehaviour(self, call: Call, request: pb.CountBehaviourRequest) -> pb.CountBehaviourResponse:
        return reading.counts(call, request)

    def GetBehaviourSettings(self, call: Call, request: pb.GetBehaviourSettingsRequest) -> pb.BehaviourSettings:
        return setting.get(call)

    def UpdateBehaviourSettings(self, call: Call, request: pb.UpdateBehaviourSettingsRequest) -> pb.BehaviourSettings:
        return setting.change(call, request)


class BehaviourTagRuleServicer(Servicer):
    record = BEHAVIOUR_TAG_RULES
    service = tags_pb.DESCRIPTOR.services_by_name["BehaviourTagRuleService"]


class BehaviourTagServicer:
    """Tags of a customer: a person has the last word."""

    def ListBehaviourTags(
        self, call: Call, request: tags_pb.ListBehaviourTagsRequest
    ) -> tags_pb.ListBehaviourTagsResponse:
        reading.refuse_outside(call, request.customer_id, call.caller.right)
        query = select(tag).where(tag.c.customer_id == request.customer_id).order_by(tag.c.tag, tag.c.id)
        rows = call.connection.execute(query).mappings()
        answer = tags_pb.ListBehaviourTagsResponse(tags=[tags.message(dict(row)) for row in rows])
        for one in answer.tags:
            # What it says is a field of the customer, whose rules it obeys.
            one.tag = field_access.shown(call.access.fields(CUSTOMERS.type), "behaviour_tags", one.tag)
        return answer

    def RemoveBehaviourTag(self, call: Call, request: tags_pb.RemoveBehaviourTagRequest) -> tags_pb.BehaviourTag:
        note = writing.given(request)["note"]
        row = _locked(call, request.id, request.etag)
        if row["removed_time"] is not None:
            raise errors.Conflict("tag_is_off")
        off = {"removed_time": datetime.now(UTC), "remover_id": call.caller.user_id or None, "note": note}
        return _change(call, row, off, "removed")

    def PutBackBehaviourTag(self, call: Call, request: tags_pb.PutBackBehaviourTagRequest) -> tags_pb.BehaviourTag:
        row = _locked(call, request.id, request.etag)
        if row["removed_time"] is None:
            raise errors.Conflict("tag_is_on")
        answer = _change(call, row, {"removed_time": None, "remover_id": None, "note": None}, "put_back")
        _judge_again(call, row["customer_id"])
        return answer


def _locked(call: Call, tag_id: str, etag: str) -> dict[str, Any]:
    """The tag, if the right to change customers reaches its customer and it has the version that the caller saw."""
    if not etag:
        raise errors.Conflict("etag_required")
    if not kinds.is_id(tag_id):
        raise errors.NotFound()
    row = call.connection.execute(select(tag).where(tag.c.id == tag_id).with_for_update()).mappings().one_or_none()
    if row is None:
        raise errors.NotFound()
    reading.refuse_outside(call, row["customer_id"], call.caller.right)
    if etag != str(row["version"]):
        raise errors.Stale()
    return dict(row)


def _change(call: Call, row: dict[str, Any], values: Mapping[str, Any], action: str) -> tags_pb.BehaviourTag:
    after = {**row, **values, "version": row["version"] + 1}
    call.connection.execute(update(tag).where(tag.c.id == row["id"]).values(**values, version=after["version"]))
    tags.show(call, [row["customer_id"]])
    tags.tell(call, action, after)
    return tags.message(after)


def _judge_again(call: Call, customer_id: str) -> None:
    """The rules look at the customer at the next tick."""
    last = call.connection.scalar(select(active.c.last_time).where(active.c.customer_id == customer_id))
    moment = last or datetime.now(UTC)
    values = {"source": "", "visitors": [], "customer_ids": [customer_id], "from_time": moment, "last_time": moment}
    call.connection.execute(insert(pending).values(values))
